"""JSON lines in, JSON lines out: `psyllm screen` and `psyllm reply`."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from bot.cli.explain import explanation_as_json, print_explanation
from bot.cli.logs import set_up_logs
from config import ConfigError, Language, load_settings
from engine import Assessment, Screener
from engine.evaluation.asking import make_request
from engine.language import to_script
from engine.screening import load_screener
from engine.screening.corpora import read_turns
from engine.screening.explain import explain


def screen_lines(file: str) -> None:
    """Screen each line's text and print the assessment, in the same order. Raises ConfigError naming a bad line."""
    screener = load_screener()
    for row in _rows(file):
        _print(_screened(row, screener))


def explain_lines(file: str, as_json: bool) -> None:
    """The same, and why: each step of the screener, as a page or in the JSON."""
    screener = load_screener()
    for number, row in enumerate(_rows(file), 1):
        found = explain(screener, row["text"], row["context"])
        if as_json:
            _print(_screened(row, screener) | {"explanation": explanation_as_json(found)})
        else:
            print_explanation(found, str(row.get("id", f"text {number}")))


def _screened(row: dict[str, Any], screener: Screener) -> dict[str, Any]:
    began = time.perf_counter_ns()
    found = screener.assess(row["text"], row["context"])
    micros = (time.perf_counter_ns() - began) / 1000
    return _id(row) | _assessment(found, screener) | {"micros": round(micros, 1)}


def _assessment(found: Assessment, screener: Screener) -> dict[str, Any]:
    return {
        "level": found.level.value,
        "category": found.category.value if found.category else None,
        "score": round(found.score, 6),
        "evidence": [{"start": e.start, "end": e.end, "text": e.text, "rule": e.rule} for e in found.evidence],
        "version": found.version or screener.version,
    }


def reply_lines(file: str) -> None:
    """Answer each line's text and print the answer, in the same order. Raises ConfigError naming a bad line."""
    asyncio.run(_reply_all(file))


async def _reply_all(file: str) -> None:
    from bot.app import make_responder

    settings = load_settings()
    set_up_logs(settings.log)
    screener = load_screener()
    responder = make_responder(settings)
    await responder.start()
    await responder.loaded()
    try:
        for number, row in enumerate(_rows(file)):
            _print(_id(row) | await _reply(row, number, responder, screener, settings.language))
    finally:
        await responder.close()


async def _reply(
    row: dict[str, Any], number: int, responder: Any, screener: Screener, default: Language
) -> dict[str, Any]:
    given, conversation = row.get("lang") or "", str(row.get("id", number))
    request = make_request(row["text"], screener, row["history"], given, default, conversation)
    began = time.perf_counter()
    answer = await responder.answer(request)
    return {
        "text": to_script(answer.text, request.script),
        "lang": answer.language.value,
        "level": request.level.value,
        "generator": answer.generator,
        "strategy": answer.strategy,
        "passages": list(answer.passages),
        "millis": round((time.perf_counter() - began) * 1000, 2),
    }


def _rows(file: str) -> Iterator[dict[str, Any]]:
    """The lines as objects with a text; `context` and `history` as turns. Raises ConfigError naming file and line."""
    with open_lines(file) as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise ConfigError(f'{file}: line {number}: must be a JSON object with a "text", like {{"text": "..."}}')
            try:
                yield row | {name: read_turns(row.get(name)) for name in ("context", "history")}
            except ValueError as error:
                raise ConfigError(f"{file}: line {number}: {error}") from None


@contextlib.contextmanager
def open_lines(file: str) -> Iterator[TextIO]:
    """The file's lines; `-` is standard input. Raises ConfigError."""
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # a real console stream
        yield sys.stdin
        return
    try:
        source = open(file, encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    with source:
        yield source


def _id(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"]} if "id" in row else {}


def _print(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")
    sys.stdout.flush()
