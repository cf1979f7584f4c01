"""`psyllm bench`: measurements as ratios side by side. They need the repository, where the emulators are."""

import asyncio
import importlib
import json as json_format
import sys

import typer

from config import ConfigError

NAMES = ("pipeline",)


def run_bench(name: str, json: bool) -> None:
    """Run a measurement and print it. Raises ConfigError for an unknown name, or outside a checkout."""
    if name not in NAMES:
        raise ConfigError(f"bench: {name}: no such measurement; there are {', '.join(NAMES)}")
    sys.path.insert(0, "")
    try:
        bench = importlib.import_module(f"tests.bench.{name}")
    except ImportError as error:
        raise ConfigError(
            f"bench {name}: {error.name} is missing; run it in the repository's folder after make test"
        ) from None
    found = asyncio.run(bench.measure())
    if json:
        typer.echo(json_format.dumps(found, indent=2))
    else:
        bench.show(found)
