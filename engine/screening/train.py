"""Trains the learned part of the screener from labelled texts. Needs torch (extra `llm`); the result runs on numpy.

One run holds every fifth block of rows back, trains on the rest, and fits the calibration and the threshold on what it
held back; then it trains on everything with the same settings. Seeds are fixed: the same rows on the same machine give
the same model.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.linear.corpora import HELD_BACK
from engine.linear.features import Hashes, pieces
from engine.linear.table import Floats, quantised
from engine.screening.calibration import isotonic
from engine.screening.corpora import Row
from engine.screening.evaluate import auroc
from engine.screening.model import CATEGORIES, LEVELS, Model, rule_features, save_model
from engine.screening.normalise import normalise
from engine.screening.rules import RuleSet, load_rules
from engine.screening.segments import sentences

Progress = Callable[[str], None]
_READ_CHARACTERS = 4000
_AUGMENTED = "augmented"
_LOWEST, _HIGHEST = 0.3, 0.7  # between these the threshold is chosen
_KEPT = 0.5


@dataclass(frozen=True)
class Settings:
    """How to train.

    `weights`: how much the rows of a source count (1 for those not named); `emergencies`: how much more those that can
    only be an emergency. `found`: the share of the dangerous texts held back that the threshold must find.
    """

    seed: int = 7
    epochs: int = 5
    batch: int = 128
    rate: float = 2e-2
    smoothing: float = 0.05
    augmented: float = 0.15  # share of rows set among other texts
    weights: dict[str, float] = field(default_factory=lambda: {"reddit-c-ssrs": 0.3, "psysuicide-valid": 8.0})
    emergencies: float = 2.0
    found: float = 0.8
    threads: int = 1


@dataclass(frozen=True)
class Example:
    """A row made ready for training."""

    row: Row
    text: str
    rules: Floats
    found: Hashes


def train(rows: Sequence[Row], out: Path, settings: Settings = Settings(), progress: Progress = lambda _: None) -> None:
    """Train on `rows` and write the model to `out`. Some tens of thousands of texts need a minute or two."""
    rules = load_rules()
    progress(f"reading {len(rows)} texts")
    examples = prepare([*rows, *augmented(rows, settings)], rules)
    learned = [e for e in examples if e.row.block % HELD_BACK]
    held = [e for e in examples if not e.row.block % HELD_BACK and _AUGMENTED not in e.row.tags]
    header, arrays = fit(learned, rules, settings, progress)
    calibration = calibrate(Model(header, arrays), held, rules, settings, progress)
    progress("once more, with the texts that were held back")
    header, arrays = fit(examples, rules, settings, progress)
    header |= calibration | {"trained_on": dict(sorted(Counter(row.source for row in rows).items()))}
    save_model(out, header, arrays)
    progress(
        f"wrote {out.name}: {out.stat().st_size / 1e6:.1f} MB, {hashlib.sha256(out.read_bytes()).hexdigest()[:12]}"
    )


def augmented(rows: Sequence[Row], settings: Settings) -> list[Row]:
    """Some rows again, set among calm texts of the same language, so that one sentence in a long post is still seen."""
    chance = random.Random(settings.seed)  # noqa: S311
    calm: dict[str, list[str]] = {}
    for row in rows:
        if row.danger is False and len(row.text) < 200 and row.block % HELD_BACK:
            calm.setdefault(row.lang, []).append(row.text)
    made = []
    for row in rows:
        if chance.random() > settings.augmented or len(row.text) > 400 or not calm.get(row.lang) or row.context:
            continue
        others = chance.sample(calm[row.lang], min(chance.randint(1, 5), len(calm[row.lang])))
        place = chance.randint(0, len(others))
        between = chance.choice(["\n", "。" if row.lang == "zh" else ". ", " "])
        text = between.join([*others[:place], row.text, *others[place:]])
        levels = row.levels if row.danger else row.levels | {LEVELS[0], LEVELS[1]}
        made.append(Row(text, row.lang, levels, row.category, row.about, row.source, (_AUGMENTED,), block=row.block))
    return made


def prepare(rows: Iterable[Row], rules: RuleSet) -> list[Example]:
    """Normalise, find rules, cut into pieces. Rows with earlier texts are left out: the model sees one text."""
    number = {rule.id: place for place, rule in enumerate(rules.rules)}
    examples = []
    for row in rows:
        if row.context:
            continue
        text = normalise(row.text[:_READ_CHARACTERS]).text
        findings = list(rules.find(text, sentences(text)))
        examples.append(Example(row, text, rule_features(findings, number), pieces(text)[0]))
    return examples


def fit(
    examples: Sequence[Example], rules: RuleSet, settings: Settings, progress: Progress
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Train on `examples`: the header and the arrays of a Model, whose probabilities are not calibrated yet."""
    from engine.screening.networks import fit_weights  # torch is needed only here

    weights = fit_weights(examples, settings, progress)
    levels, level_scale = quantised(weights.levels)
    kinds, kind_scale = quantised(weights.kinds)
    header = {
        "rules": [rule.id for rule in rules.rules],
        "categories": list(CATEGORIES),
        "calibration": {"logit": [-8.0, 8.0], "danger": [0.0, 1.0]},
        "thresholds": {"urgent": 0.5, "keep": 0.15, "emergency": 0.5},
    }
    return header, {
        "levels": levels,
        "level_scale": level_scale,
        "kinds": kinds,
        "kind_scale": kind_scale,
        "rules": weights.rules,
        "bias": weights.bias,
    }


def calibrate(
    model: Model, held: Sequence[Example], rules: RuleSet, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """How the model's log-odds become probabilities, and from which on a text is urgent, fitted on texts it has not
    seen.

    Under `_KEPT` of that threshold a rule that is not certain is lowered.
    """
    known = [example for example in held if example.row.danger is not None]
    scores, danger = np.array([_odds(model, e, rules) for e in known]), np.array([e.row.danger for e in known])
    x, y = isotonic(scores, danger.astype(float))
    chances = np.interp(scores, x, y)
    urgent = float(np.quantile(chances[danger], 1 - settings.found)) if danger.any() else 0.5
    urgent = min(max(urgent, _LOWEST), _HIGHEST)
    alarms = float((chances[~danger] >= urgent).mean()) if (~danger).any() else 0.0
    progress(
        f"held back {len(known)} texts: area under the curve {auroc(scores[danger], scores[~danger]) or 0:.3f}; "
        f"urgent from {urgent:.2f} on, which rings at {alarms:.1%} of the calm"
    )
    return {
        "calibration": {"logit": x.tolist(), "danger": y.tolist()},
        "thresholds": {"urgent": round(urgent, 3), "keep": round(_KEPT * urgent, 3), "emergency": 0.5},
    }


def _odds(model: Model, example: Example, rules: RuleSet) -> float:
    segments = sentences(example.text)
    return model.odds(example.text, segments, list(rules.find(example.text, segments)))
