"""Trains the learned part of the screener from labelled texts. Needs torch (extra `llm`); the result runs on numpy.

One run holds every fifth block of rows back, trains on the rest, and fits the calibration on what it held back; then it
trains on everything with the same settings. Seeds are fixed: the same rows on the same machine give the same model.
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

from engine.screening.calibration import isotonic
from engine.screening.corpora import Row
from engine.screening.evaluate import auroc
from engine.screening.features import pieces
from engine.screening.lexicon import Lexicon, load_lexicon
from engine.screening.model import (
    CATEGORIES,
    LEVELS,
    OUTPUTS,
    READER_COLUMNS,
    Encoder,
    Features,
    Model,
    rule_features,
    save_model,
    slots,
)
from engine.screening.normalise import normalise
from engine.screening.rules import RULES, RuleSet, load_rules
from engine.screening.segments import sentences

Progress = Callable[[str], None]
# Danger (a calibrated probability) from which a text is urgent; under which a rule that is not certain is lowered;
# and the chance of emergency, given danger, from which it is one.
THRESHOLDS = {"urgent": 0.5, "keep": 0.15, "emergency": 0.5}
_READ_CHARACTERS = 4000


@dataclass(frozen=True)
class Settings:
    """How to train. `weights`: how much the rows of a source count (1 for those not named)."""

    seed: int = 7
    epochs: int = 5
    batch: int = 128
    least: int = 3  # texts in which a piece must stand
    least_pairs: int = 4
    most_pieces: int = 400_000
    width: int = 32
    hidden: int = 64
    bag_rate: float = 2e-2
    reader_rate: float = 2e-3
    augmented: float = 0.15  # share of rows set among other texts
    weights: dict[str, float] = field(default_factory=lambda: {"reddit-c-ssrs": 0.3, "psysuicide-valid": 2.0})
    threads: int = 2


@dataclass
class Example:
    """A row made ready for training."""

    row: Row
    text: str
    rules: NDArray[np.float32]
    found: NDArray[np.uint32]
    features: Features | None = None


def train(
    rows: Sequence[Row],
    out: Path,
    settings: Settings = Settings(),
    progress: Progress = lambda _: None,
) -> Model:
    """Train on `rows` and write the model to `out`. Needs a few minutes for some tens of thousands of texts."""
    rules = load_rules()
    lexicon = load_lexicon(RULES / "concepts.toml")
    rows = [*rows, *augmented(rows, settings)]
    progress(f"reading {len(rows)} texts")
    examples = prepare(rows, rules)
    held = [e for e in examples if e.row.block % 5 == 0 and "augmented" not in e.row.tags]
    rest = [e for e in examples if e.row.block % 5 != 0]
    header, arrays = _fit(rest, lexicon, rules, settings, progress)
    header |= calibrate(Model(header, arrays), held, rules, progress)
    calibration = {name: header[name] for name in ("calibration", "thresholds", "window_offset")}
    header, arrays = _fit(examples, lexicon, rules, settings, progress)
    header |= calibration
    header["trained_on"] = dict(sorted(Counter(row.source for row in rows if "augmented" not in row.tags).items()))
    save_model(out, header, arrays)
    progress(
        f"wrote {out.name}: {out.stat().st_size / 1e6:.1f} MB, {hashlib.sha256(out.read_bytes()).hexdigest()[:12]}"
    )
    return Model(header, arrays)


def train_part(rows: Sequence[Row], settings: Settings, progress: Progress = lambda _: None) -> Model:
    """A model of `rows` alone, with the calibration fitted on every fifth block of them: for judging on other rows."""
    rules = load_rules()
    examples = prepare([*rows, *augmented(rows, settings)], rules)
    header, arrays = _fit(examples, load_lexicon(RULES / "concepts.toml"), rules, settings, progress)
    return Model(header, arrays)


def augmented(rows: Sequence[Row], settings: Settings) -> list[Row]:
    """Some rows again, set among calm texts of the same language, so that one sentence in a long post is still seen."""
    chance = random.Random(settings.seed)  # noqa: S311
    calm: dict[str, list[str]] = {}
    for row in rows:
        if row.danger is False and len(row.text) < 200:
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
        made.append(Row(text, row.lang, levels, row.category, row.about, row.source, ("augmented",), (), row.block))
    return made


def prepare(rows: Iterable[Row], rules: RuleSet) -> list[Example]:
    """Normalise, find rules, cut into pieces."""
    number = {rule.id: place for place, rule in enumerate(rules.rules)}
    examples = []
    for row in rows:
        text = normalise(row.text[:_READ_CHARACTERS]).text
        findings = list(rules.find(text, sentences(text)))
        examples.append(Example(row, text, rule_features(findings, number), pieces(text)[0]))
    return examples


def _fit(
    examples: list[Example], lexicon: Lexicon, rules: RuleSet, settings: Settings, progress: Progress
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    from engine.screening.networks import fit_bag, fit_reader  # torch is needed only here

    known, reader_count = vocabulary(examples, lexicon, settings)
    concepts = np.zeros((len(known) + 1, 2), np.uint8)
    for place, piece in enumerate(known.tolist(), start=1):
        numbers = lexicon.words.get(piece, ())[:2]
        concepts[place, : len(numbers)] = numbers
    pair_rows = _pair_rows(examples, known, concepts, len(lexicon.names), settings)
    encoder = Encoder(known, concepts, pair_rows)
    for example in examples:
        example.features = encoder.encode(example.text)
    progress(f"{len(known)} pieces, {reader_count} of them with vectors, {int(pair_rows.max())} concepts and pairs")
    bag = fit_bag(examples, len(known) + 1, int(pair_rows.max()) + 1, settings, progress)
    reader = fit_reader(examples, reader_count + 1, len(lexicon.names) + 1, settings, progress)
    bag_levels, reader_bias = bag["rules"].copy(), np.zeros(OUTPUTS, np.float32)
    reader_bias[: len(LEVELS)] = reader["bias"]
    bag_levels[:, : len(LEVELS)] += reader["rules"]
    quantised, scale = _quantised(bag["pieces"], axis=0)
    units, unit_scale = _quantised(reader["units"], axis=None)
    half = np.ones(OUTPUTS, np.float32)
    half[: len(LEVELS)] = 0.5  # the level scores of the two are averaged
    arrays: dict[str, NDArray[Any]] = {
        "known": known,
        "concepts": concepts,
        "pair_rows": pair_rows,
        "bag": quantised,
        "bag_scale": (scale * half).astype(np.float32),
        "pairs": (bag["pairs"] * half).astype(np.float16),
        "rules": (bag_levels * half).astype(np.float32),
        "bias": ((bag["bias"] + reader_bias) * half).astype(np.float32),
        "units": units,
        "unit_scale": unit_scale.astype(np.float32).reshape(1),
        "concept_vectors": reader["concepts"].astype(np.float16),
        "convolution": reader["convolution"].astype(np.float16),
        "convolution_bias": reader["convolution_bias"].astype(np.float32),
        "out": (reader["out"] * 0.5).astype(np.float16),
    }
    header = {
        "rules": [rule.id for rule in rules.rules],
        "concepts": list(lexicon.names),
        "categories": list(CATEGORIES),
        "calibration": {"logit": [-8.0, 8.0], "danger": [0.0, 1.0]},
        "thresholds": THRESHOLDS,
        "window_offset": 0.0,
    }
    return header, arrays


def vocabulary(examples: Sequence[Example], lexicon: Lexicon, settings: Settings) -> tuple[NDArray[np.uint32], int]:
    """The pieces that stand in enough texts, one per slot, those that get a vector first; and how many these are."""
    counts: Counter[int] = Counter()
    simple: set[int] = set()
    for example in examples:
        counts.update(np.unique(example.found).tolist())
        simple.update(np.unique(example.found[:, READER_COLUMNS]).tolist())
    del counts[0]
    chosen = {piece: count for piece, count in counts.items() if count >= settings.least}
    for piece in lexicon.words:
        chosen[piece] = chosen.get(piece, 0) + 1_000_000  # the words of the lexicon always have a place
    ranked = sorted(chosen, key=lambda piece: (-chosen[piece], piece))[: settings.most_pieces]
    taken: set[int] = set()
    kept = []
    for piece, slot in zip(ranked, slots(np.array(ranked, np.uint32)).tolist(), strict=True):
        if slot not in taken:
            taken.add(slot)
            kept.append(piece)
    kept.sort(key=lambda piece: piece not in simple)
    return np.array(kept, np.uint32), sum(piece in simple for piece in kept)


def _pair_rows(
    examples: Sequence[Example], known: NDArray[np.uint32], concepts: NDArray[np.uint8], count: int, settings: Settings
) -> NDArray[np.int32]:
    """A row for every concept and every pair of concepts that stands in enough texts."""
    size = count + 1
    every = np.arange(size * size, dtype=np.int32).reshape(size, size)
    encoder = Encoder(known, concepts, every)
    seen: Counter[int] = Counter()
    for example in examples:
        seen.update(set(encoder.encode(example.text).pairs.tolist()))
    rows = np.zeros(size * size, np.int32)
    kept = sorted(pair for pair, texts in seen.items() if pair and texts >= settings.least_pairs)
    rows[kept] = np.arange(1, len(kept) + 1)
    return rows.reshape(size, size)


def _quantised(values: NDArray[np.float32], axis: int | None) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Eight-bit values and their scale; the rare outliers are cut off."""
    limit = np.quantile(np.abs(values), 0.9995, axis=axis) if axis is None else np.abs(values).max(axis=axis)
    scale = np.maximum(np.asarray(limit, np.float64), 1e-6) / 127
    return np.clip(np.round(values / scale), -127, 127).astype(np.int8), scale


def calibrate(model: Model, held: Sequence[Example], rules: RuleSet, progress: Progress) -> dict[str, Any]:
    """How the model's log-odds become probabilities, fitted on texts it has not seen."""
    logits, truth = [], []
    for example in held:
        if example.row.danger is None:
            continue
        segments = sentences(example.text)
        logits.append(model.odds(example.text, segments, list(rules.find(example.text, segments))))
        truth.append(example.row.danger)
    scores, danger = np.array(logits), np.array(truth)
    area = auroc(scores[danger], scores[~danger])
    progress(f"held back {len(scores)} texts: area under the curve for urgent or worse {area or 0:.3f}")
    x, y = isotonic(scores, danger.astype(float))
    return {"calibration": {"logit": x.tolist(), "danger": y.tolist()}, "thresholds": THRESHOLDS}
