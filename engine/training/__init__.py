"""Trains language models: on a domain's texts, on dialogues, on what people preferred. Needs the extra `train`."""

from engine.training.settings import SIZES, Size, Stage, TrainingSettings

__all__ = ["SIZES", "Size", "Stage", "TrainingSettings"]
