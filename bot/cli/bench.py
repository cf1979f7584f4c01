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

NAMES = ("pipeline", "screening", "generation", "followups")


def run_bench(name: str, json: bool) -> None:
    """Run a measurement and print it. Raises ConfigError for an unknown name or a part that is not installed."""
    if name in ("pipeline", "followups"):
        bench = _from_repository(name)
        found, show = asyncio.run(bench.measure()), bench.show
    elif name == "screening":
        bench = _from_repository(name)
        found, show = bench.measure(), bench.show
    elif name == "generation":
        found, show = _generation(), _show
    else:
        raise ConfigError(f"bench: {name}: no such measurement; there are {', '.join(NAMES)}")
    if json:
        typer.echo(json_format.dumps(found, indent=2))
    else:
        show(found)


def _from_repository(name: str) -> Any:
    """What a measurement compares with and measures on is in the repository, not in the package."""
    sys.path.insert(0, "")
    try:
        return importlib.import_module(f"tests.bench.{name}")
    except ImportError as error:
        raise ConfigError(
            f"bench {name}: {error.name} is missing; run it in the repository's folder after make test"
        ) from None


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
