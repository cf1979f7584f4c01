"""`psyllm bench`: measurements as ratios side by side."""

import asyncio
import importlib
import json as json_format
import sys
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from config import ConfigError

NAMES = ("pipeline", "generation")


def run_bench(name: str, json: bool) -> None:
    """Run a measurement and print it. Raises ConfigError for an unknown name or a part that is not installed."""
    if name == "pipeline":
        found, show = _pipeline()
    elif name == "generation":
        found, show = _generation(), _show
    else:
        raise ConfigError(f"bench: {name}: no such measurement; there are {', '.join(NAMES)}")
    if json:
        typer.echo(json_format.dumps(found, indent=2))
    else:
        show(found)


def _pipeline() -> tuple[dict[str, Any], Any]:
    """The emulator and the bot to compare with are in the repository, not in the package."""
    sys.path.insert(0, "")
    try:
        bench = importlib.import_module("tests.bench.pipeline")
    except ImportError as error:
        raise ConfigError(
            f"bench pipeline: {error.name} is missing; run it in the repository's folder after make test"
        ) from None
    return asyncio.run(bench.measure()), bench.show


def _generation() -> dict[str, Any]:
    try:
        from engine.generators import bench
    except ImportError as error:
        raise ConfigError(f"bench generation: {error.name} is missing; run pip install 'psyllm-bot[llm]'") from None
    return dict(bench.run())


def _show(found: dict[str, Any]) -> None:
    table = Table("measurement", "value", title="psyllm bench generation")
    for key, value in found.items():
        table.add_row(key, str(value))
    Console().print(table)
