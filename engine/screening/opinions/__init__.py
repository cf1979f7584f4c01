"""Second opinions: slower judges of a text, asked after the screener, that may only raise its level."""

from config import Settings
from engine.types import SecondOpinion

__all__ = ["make_second_opinion"]


def make_second_opinion(settings: Settings) -> SecondOpinion | None:
    """The second opinion that the settings name, not yet started; None where nobody is asked."""
    if settings.second_opinion == "classifier":
        from engine.screening.opinions.classifier import ClassifierOpinion

        return ClassifierOpinion(settings.classifier)
    if settings.second_opinion == "judge":
        from engine.screening.opinions.judge import JudgeOpinion

        return JudgeOpinion(settings.judge_server)
    return None
