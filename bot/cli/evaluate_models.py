"""`psyllm evaluate models`: how well language models foresee answers that they never saw, beside n-grams."""

import asyncio
import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from config import ConfigError
from config.settings import TransformersSettings
from engine.evaluation.measure import Measured, held_out_answers, learn_ngrams, measure
from engine.generators.local import LocalGenerator
from engine.types import GeneratorError, Request


def evaluate_models(models: Sequence[str], data: Path, prompt: str, order: int, samples: int, json: bool) -> None:
    """Print the table, and what each model writes to the first `samples` questions. Raises ConfigError."""
    pairs = held_out_answers(data / "test.jsonl")
    if not pairs:
        raise ConfigError(f"{data / 'test.jsonl'}: holds no answers; psyllm data prepare makes it")
    generators = [_generator(name, prompt) for name in models]
    asyncio.run(_evaluate(generators, data, pairs, order, samples, json))


def _generator(name: str, prompt: str) -> LocalGenerator:
    if prompt not in ("chat", "completion"):
        raise ConfigError(f"--prompt: {prompt} is neither chat nor completion")
    wanted = {"model": name, "prompt": prompt, "dtype": "float32", "device": "cpu"}
    return LocalGenerator(TransformersSettings.model_validate(wanted))


async def _evaluate(
    generators: Sequence[LocalGenerator],
    data: Path,
    pairs: Sequence[tuple[Request, str]],
    order: int,
    samples: int,
    json: bool,
) -> None:
    status = Console(stderr=True, highlight=False)
    try:
        with status.status("learning n-grams") as shown:
            ngrams = learn_ngrams(data / "train.jsonl", order)
            for generator in generators:
                await generator.start()
            found = await asyncio.to_thread(measure, generators, ngrams, pairs, shown.update)
            said = [await _say(generator, request) for request, _ in pairs[:samples] for generator in generators]
    except GeneratorError as error:
        raise ConfigError(f"evaluate models: {error}") from None
    finally:
        for generator in generators:
            await generator.close()
    if json:
        typer.echo(json_format.dumps([_plain(one) for one in found] + said, ensure_ascii=False))
    else:
        _show(found, said)


async def _say(generator: LocalGenerator, request: Request) -> dict[str, str]:
    """What a model answers, as it is: no screen, no guard."""
    pieces = [piece.text async for piece in generator.stream(request)]
    return {"system": generator.name, "text": request.text, "reply": "".join(pieces)}


def _plain(one: Measured) -> dict[str, Any]:
    figure = one.bits_per_character.as_dict()
    return {"system": one.system, "answers": one.answers, "left_out": one.left_out, "bits_per_character": figure}


def _show(found: Sequence[Measured], said: Sequence[dict[str, str]]) -> None:
    console = Console(highlight=False)
    table = Table("system", "answers", "left out", "bits per character", "95 %", box=box.SIMPLE)
    for one in found:
        bits = one.bits_per_character
        between = "" if bits.low is None or bits.high is None else f"{bits.low:.3f} to {bits.high:.3f}"
        table.add_row(one.system, f"{one.answers:,}", f"{one.left_out:,}", f"{bits.value:.3f}", between)
    console.print(table)
    for sample in said:
        console.print(f"{sample['system']}\n  {sample['text']}\n  > {sample['reply']}", markup=False)
