"""The model card: what a trained model is made of, how well it does, and what it must not be taken for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from engine.training.curve import Points, draw_curve
from engine.training.settings import Prompt, Stage, TrainingSettings

CARD, CURVE = "README.md", "losses.svg"

_LEARNED = {
    Stage.TEXT: "continues texts of its domain; it was not trained to answer",
    Stage.CHAT: "answers; the loss was on the answers alone",
    Stage.PREFERENCES: "answers, and was moved towards what people preferred",
}


@dataclass(frozen=True, slots=True)
class Course:
    """What a run came to. `figures`: such as bits per character of the best model on the valid split."""

    steps: int
    planned: int
    loss: Points
    valid: Points
    valid_name: str

    @property
    def best(self) -> tuple[int, float] | None:
        """The step and the value of the model that was kept."""
        return min(self.valid, key=lambda point: point[1], default=None)


def write_card(
    out: Path,
    base: str,
    settings: TrainingSettings,
    rate: float,
    prompt: Prompt,
    counts: Mapping[str, int],
    parameters: int,
    course: Course,
) -> None:
    """Write README.md and the curve into the model's folder."""
    title = f"{out.resolve().name}: stage {settings.stage}, from {base}"
    (out / CURVE).write_text(draw_curve(title, course.loss, course.valid, course.valid_name), encoding="utf-8")
    chosen = [(field.name, getattr(settings, field.name)) for field in fields(settings)]
    chosen = [(name, rate if name == "rate" else value) for name, value in chosen]
    text = "\n".join(
        [
            "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---",
            f"# {out.resolve().name}",
            "",
            f"A language model of {parameters:,} parameters, trained by `psyllm train model` from "
            f"{base} in the stage `{settings.stage}`: it {_LEARNED[settings.stage]}.",
            "",
            "## Use",
            "",
            "```\nPSYLLM_GENERATOR=transformers\n"
            f"PSYLLM_TRANSFORMERS__MODEL={out}\nPSYLLM_TRANSFORMERS__PROMPT={prompt}\n```",
            "",
            "## Data",
            "",
            *_table(("what", "count"), [(name, f"{count:,}") for name, count in counts.items()]),
            "",
            "The texts are not in this folder. Weights can give back pieces of what they were trained on: treat them "
            "with the same care as the texts.",
            "",
            "## Figures",
            "",
            *_figures(course),
            "",
            f"![Loss by step]({CURVE})",
            "",
            "## Settings",
            "",
            *_table(("setting", "value"), [(name, str(value)) for name, value in chosen]),
            "",
            "## Limits",
            "",
            "- Nobody has rated its answers. A low loss says that it foresees such texts, not that it helps.",
            "- It makes things up, also about medicine and law, and has no notion of danger. In service the screener "
            "reads every message before it, and the guard every sentence after it; do not use it without them.",
            "- It repeats what its texts hold: their views, their mistakes, their way of speaking.",
            *_small(parameters),
            "",
        ]
    )
    (out / CARD).write_text(text, encoding="utf-8")


def _figures(course: Course) -> list[str]:
    rows = [("steps", f"{course.steps:,} of {course.planned:,}")]
    if course.loss:
        rows.append(("loss at the end, nats a token", f"{course.loss[-1][1]:.4f}"))
    if course.best:
        step, value = course.best
        rows.append((f"{course.valid_name}, best", f"{value:.4f} at step {step:,}, which is the model kept"))
    else:
        rows.append(("valid split", "empty: nothing was measured, and the last model is kept"))
    return _table(("figure", "value"), rows)


def _small(parameters: int) -> list[str]:
    if parameters >= 500_000_000:
        return []
    return ["- It is far too small to lead a conversation: good for comparisons and tests, not for people in distress."]


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
