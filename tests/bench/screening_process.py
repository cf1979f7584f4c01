"""One measurement of the screener in a process of its own; prints JSON.

`python -m tests.bench.screening_process load|speed|transformer SCALE`
"""

import json
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

LENGTHS = ((1, 50), (51, 200), (201, 500))  # characters
LONG = 10_000
LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Scale:
    """How much of everything; the default is what the figures in the documents were taken with."""

    texts: int = 400  # of each length and language
    long: int = 20  # texts of 10,000 characters
    rounds: int = 3
    compared: int = 3  # texts of each length that the transformer reads too
    layers: int = 12  # of the transformer; BERT-base has 12


DEFAULT = Scale()


@dataclass(frozen=True)
class Band:
    """Texts of about one length in one language."""

    language: str
    characters: str
    texts: tuple[str, ...]


def bands(scale: Scale) -> Iterator[Band]:
    """Texts of the suite and of the training, drawn by lot, the same in each process; the longest are many in one."""
    from engine.screening.corpora import corpus_files, read_rows
    from tests.screening.cases import load_cases

    rows = [*load_cases(), *read_rows(corpus_files())]
    chance = random.Random(1)
    for language in LANGUAGES:
        texts = [row.text for row in rows if row.lang == language]
        chance.shuffle(texts)
        for shortest, longest in LENGTHS:
            fitting = [text for text in texts if shortest <= len(text) <= longest][: scale.texts]
            yield Band(language, f"{shortest}-{longest}", tuple(fitting))
        yield Band(language, f"{LONG}", tuple(islice(_joined(texts, LONG), scale.long)))


def _joined(texts: Sequence[str], length: int) -> Iterator[str]:
    """Texts of exactly so many characters, made of others."""
    source = cycle(texts)
    while True:
        joined = ""
        while len(joined) < length:
            joined += next(source) + "\n"
        yield joined[:length]


def measure_load(scale: Scale) -> dict[str, Any]:
    """Time and memory from a bare interpreter to a screener that has read its first texts."""
    before, began = _memory(), time.perf_counter()
    import engine.screening

    imported, import_seconds = _memory(), time.perf_counter() - began
    began = time.perf_counter()
    screener = engine.screening.load_screener()
    load_seconds, loaded = time.perf_counter() - began, _memory()
    first = _milliseconds(partial(screener.assess, "hello, I cannot sleep"), time.perf_counter_ns)
    texts = list(chain.from_iterable(band.texts for band in bands(scale)))
    held = _memory()
    for text in texts:
        screener.assess(text)
    return {
        "version": screener.version,
        "import_ms": import_seconds * 1000,
        "load_ms": load_seconds * 1000,
        "first_text_ms": first,
        "import_mb": imported - before,
        "load_mb": loaded - imported,
        "use_mb": _memory() - held,
    }


def measure_speed(scale: Scale) -> list[dict[str, Any]]:
    """Milliseconds a text, by band."""
    from engine.screening import load_screener

    screener = load_screener()
    found = []
    for band in bands(scale):
        for text in band.texts:  # patterns are compiled when first needed
            screener.assess(text)
        calls = [partial(screener.assess, text) for text in band.texts] * scale.rounds
        wall = [_milliseconds(call, time.perf_counter_ns) for call in calls]
        busy = [_milliseconds(call, time.thread_time_ns) for call in calls]
        compared = [busy[at :: len(band.texts)] for at in range(scale.compared)]
        found.append(
            {"language": band.language, "characters": band.characters, "texts": len(band.texts)}
            | {f"p{percent}_ms": _p(wall, percent) for percent in (50, 95, 99)}
            | {f"p{percent}_cpu_ms": _p(busy, percent) for percent in (50, 95, 99)}
            | {"compared_cpu_ms": statistics.median(chain(*compared))}
        )
    return found


def measure_transformer(scale: Scale) -> list[float]:
    """Milliseconds of processor time a text, by band, of a classifier in the size of BERT-base.

    Its weights are random: its speed does not depend on them. The tokenizer's time is left out; a Chinese character or
    an English word is one token, and 512 tokens are read.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    models: Any = AutoModelForSequenceClassification  # not typed
    torch.set_num_threads(1)
    config = AutoConfig.for_model("bert", vocab_size=21128, num_hidden_layers=scale.layers, num_labels=4)
    model = models.from_config(config).eval()
    found = []
    with torch.inference_mode():
        for band in bands(scale):
            inputs = [torch.randint(1000, 21000, (1, _tokens(text))) for text in band.texts[: scale.compared]]
            model(inputs[0])
            times = [_milliseconds(partial(model, ids), time.thread_time_ns) for ids in inputs * 2]
            found.append(statistics.median(times))
    return found


def _tokens(text: str) -> int:
    return min(512, 2 + len(re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text.lower())))


def _milliseconds(work: Callable[[], object], clock: Callable[[], int]) -> float:
    began = clock()
    work()
    return (clock() - began) / 1e6


def _memory() -> float:
    """Resident megabytes of this process, as Linux tells."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _p(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


MEASUREMENTS = {"load": measure_load, "speed": measure_speed, "transformer": measure_transformer}

if __name__ == "__main__":
    print(json.dumps(MEASUREMENTS[sys.argv[1]](Scale(**json.loads(sys.argv[2])))))  # noqa: T201
