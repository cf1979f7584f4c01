"""trl's trainers as this project uses them: measured in bits per character, with progress, quiet, and resumable."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from engine.training.settings import Stage, TrainingSettings

Progress = Callable[[str, bool], None]
"""Called with a line to show, and whether it is worth keeping on the screen."""

BITS = "bits_per_character"
_LORA_ALPHA = 2  # times the rank (Hu et al. 2021 leave it free; this is what most recipes take)


class MeasuredTrainer(SFTTrainer):  # type: ignore[misc]  # the library is not typed
    """Supervised training, measured by what the valid split's characters cost, whatever the tokenizer."""

    valid_characters = 0
    control: Any

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
        """As trl has it, but on a CPU by the model's plain head: the fused one saves memory there at half the speed."""
        if self.args.device.type != "cpu":
            return super().compute_loss(model, inputs, *args, **named)
        return super(SFTTrainer, self).compute_loss(model, {**inputs, "use_cache": False}, *args, **named)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Bits per character of the labelled part of the valid split."""
        self.model.eval()
        nats = 0.0
        for batch in self.get_eval_dataloader():
            with torch.no_grad(), self.compute_loss_context_manager():
                found = self.model(**self._prepare_inputs(batch), use_cache=False, fused_lm_head=True)
            nats -= float(self.accelerator.gather_for_metrics(found.log_probs.float().sum(1)).sum())
        metrics = {f"eval_{BITS}": nats / math.log(2) / self.valid_characters}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Tell(TrainerCallback):
    """Says how far the training is and how much time is left; at every tenth, and when it was measured, to keep."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began = 0.0
        self._first = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Time counts from here, and steps from where an interrupted run stood."""
        self._began, self._first = time.monotonic(), state.global_step
        if state.global_step:
            self._progress(f"going on after step {state.global_step} of {state.max_steps}", True)

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """A line for each entry of the log."""
        logs: dict[str, float] = given["logs"]
        if not state.is_world_process_zero:
            return
        line = f"step {state.global_step} of {state.max_steps}"
        if measured := [name for name in logs if name in (f"eval_{BITS}", "eval_loss")]:
            self._progress(f"{line}: {_called(measured[0])} {logs[measured[0]]:.4f} on the valid split", True)
        elif "loss" in logs:
            tenth = state.global_step * 10 // state.max_steps
            is_tenth = tenth > (state.global_step - args.logging_steps) * 10 // state.max_steps
            self._progress(f"{line}: loss {logs['loss']:.4f}, {self._left(state)} left", is_tenth)

    def _left(self, state: Any) -> str:
        done = state.global_step - self._first
        seconds = (time.monotonic() - self._began) / max(done, 1) * (state.max_steps - state.global_step)
        if seconds < 90:
            return f"{seconds:.0f} s"
        return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def make_trainer(
    base: Any, train: Any, valid: Any, checkpoints: Path, settings: TrainingSettings, progress: Progress
) -> Any:
    """A trainer of the stage; `valid` may be None. Rows decide between KTO (`label`) and DPO."""
    given: dict[str, Any] = {
        "model": base.model,
        "processing_class": base.tokenizer,
        "train_dataset": train,
        "eval_dataset": valid,
        "peft_config": _lora(settings),
        "callbacks": [Tell(progress), *([EarlyStoppingCallback(settings.patience)] if valid else [])],
    }
    is_preference = settings.stage is Stage.PREFERENCES
    arguments = _arguments(settings, checkpoints, base.is_new, "loss" if is_preference else BITS, valid is not None)
    if not is_preference:
        packs = settings.stage is Stage.TEXT
        args = SFTConfig(**arguments, packing=packs, packing_strategy="wrapped", eval_packing=False)
        trainer: Any = MeasuredTrainer(args=args, **given)
    elif "label" in train.column_names:
        trainer = KTOTrainer(args=KTOConfig(**arguments, beta=settings.beta), **given)
    else:
        trainer = DPOTrainer(args=DPOConfig(**arguments, beta=settings.beta), **given)
    trainer.remove_callback(PrinterCallback)
    return trainer


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole: its state is written last, so a kill in the midst leaves none."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return path
    return None


def _arguments(
    settings: TrainingSettings, checkpoints: Path, is_new: bool, measure: str, has_valid: bool
) -> dict[str, Any]:
    """What all of trl's trainers are told."""
    on_cuda = torch.cuda.is_available() and settings.device != "cpu"
    has_bfloat16 = torch.cuda.is_bf16_supported() if on_cuda else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    arguments: dict[str, Any] = {
        "output_dir": str(checkpoints),
        "seed": settings.seed,
        "data_seed": settings.seed,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.steps or -1,
        "max_length": settings.length,
        "per_device_train_batch_size": settings.batch,
        "per_device_eval_batch_size": settings.batch,
        "gradient_accumulation_steps": settings.accumulate,
        "learning_rate": settings.usual_rate(is_new),
        "lr_scheduler_type": "cosine",
        "warmup_steps": settings.warm_up,
        "weight_decay": 0.01,
        "logging_steps": settings.log_every,
        "save_steps": settings.every,
        "save_total_limit": 2,
        "restore_callback_states_from_checkpoint": True,
        "bf16": has_bfloat16,
        "activation_checkpointing": on_cuda,  # trades time for memory, which a CPU has
        "dataloader_pin_memory": on_cuda,
        "use_cpu": settings.device == "cpu",
        "report_to": "none",
        "disable_tqdm": True,
    }
    if has_valid:
        arguments |= {
            "eval_strategy": "steps",
            "eval_steps": settings.every,
            "load_best_model_at_end": True,
            "metric_for_best_model": measure,
            "greater_is_better": False,
        }
    return arguments


def _lora(settings: TrainingSettings) -> Any:
    if not settings.lora:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora, lora_alpha=_LORA_ALPHA * settings.lora, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _called(name: str) -> str:
    return name.removeprefix("eval_").replace("_", " ")
