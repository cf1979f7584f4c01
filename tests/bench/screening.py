"""`psyllm bench screening`: what screening costs, beside a transformer classifier of BERT-base size on the same texts.

Three measurements on one thread, each in a process of its own: the start (time and memory from a bare interpreter to a
loaded screener), the time of a text by language and length, and the transformer's. Processor time is what a text costs
on one core; wall time is longer when other work shares the core.
"""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.screening_process import DEFAULT, LONG, Scale

ROOT = Path(__file__).parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Json = dict[str, Any]


def measure(scale: Scale = DEFAULT) -> Json:
    """All measurements; `transformer_cpu_ms` and `ratio` of a band are null where torch is missing."""
    with Console(stderr=True).status("start") as status:
        found: Json = _run("load", scale)
        status.update("the screener's speed")
        found["bands"] = _run("speed", scale)
        status.update("the transformer's speed")
        known = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
        transformer = _run("transformer", scale) if known else [None] * len(found["bands"])
    for band, milliseconds in zip(found["bands"], transformer, strict=True):
        band["transformer_cpu_ms"] = milliseconds
        band["ratio"] = milliseconds and milliseconds / band["compared_cpu_ms"]
    return found


def _run(measurement: str, scale: Scale) -> Any:
    arguments = [sys.executable, "-m", "tests.bench.screening_process", measurement, json.dumps(asdict(scale))]
    done = subprocess.run(arguments, cwd=ROOT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def show(found: Json) -> None:
    """Print the measurements with their targets."""
    out = Console()
    start = Table("measurement", "value", "target", title="psyllm bench screening")
    start.add_row("importing, numpy included", f"{found['import_ms']:.0f} ms", "")
    start.add_row("loading rules and model", f"{found['load_ms']:.0f} ms", "≤ 300 ms")
    start.add_row("the first text after loading", f"{found['first_text_ms']:.1f} ms", "")
    start.add_row("memory for importing, numpy included", f"{found['import_mb']:.0f} MB", "")
    start.add_row("memory for rules and model", f"{found['load_mb']:.0f} MB", "≤ 60 MB")
    start.add_row("memory after reading many texts, more", f"{found['use_mb']:.0f} MB", "")
    out.print(start)
    out.print(_speed(found["bands"]))
    if found["bands"][0]["ratio"] is None:
        out.print("No transformer beside it: torch is missing; run pip install 'psyllm-bot[llm]'.")


def _speed(bands: list[Json]) -> Table:
    table = Table("characters", title="milliseconds a text, one thread; BERT: a transformer of BERT-base size")
    for title in ("p50", "p95", "p99", "p99 CPU", "target", "BERT p50", "ratio"):
        table.add_column(title, justify="right")
    for band in bands:
        table.add_row(
            f"{band['language']} {band['characters']}",
            *(f"{band[key]:.2f}" for key in ("p50_ms", "p95_ms", "p99_ms", "p99_cpu_ms")),
            "≤ 10" if band["characters"] == str(LONG) else "≤ 1",
            "" if band["ratio"] is None else f"{band['transformer_cpu_ms']:.0f}",
            "" if band["ratio"] is None else f"{band['ratio']:.0f}",
        )
    return table
