"""JSON lines in, JSON lines out: `psyllm screen` and `psyllm reply`."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from config import ConfigError, Language, Script, load_settings
from engine import Assessment, Request, Role, Screener, Turn
from engine.language import detect, to_script
from engine.screening import load_screener


def screen_lines(file: str) -> None:
    """Screen each line's text and print the assessment, in the same order. Raises ConfigError naming a bad line."""
    screener = load_screener()
    for row in _rows(file):
        context = [Turn(Role.USER, str(text)) for text in row.get("context") or ()]
        began = time.perf_counter_ns()
        found = screener.assess(row["text"], context)
        micros = (time.perf_counter_ns() - began) / 1000
        _print(_id(row) | _assessment(found, screener) | {"micros": round(micros, 1)})


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
    history = tuple(Turn(Role(turn["role"]), str(turn["text"])) for turn in row.get("history") or ())
    asked = Language(row["lang"]) if row.get("lang") else None
    language, script = detect(row["text"], row.get("lang") or "", None) or (asked or default, Script.HANS)
    language = asked or language
    script = script if language is Language.ZH else Script.LATIN
    level = screener.assess(row["text"], history).level
    began = time.perf_counter()
    answer = await responder.answer(
        Request(row["text"], language, script, history, level, conversation=str(row.get("id", number)))
    )
    return {
        "text": to_script(answer.text, script),
        "lang": answer.language.value,
        "level": level.value,
        "generator": answer.generator,
        "strategy": answer.strategy,
        "passages": list(answer.passages),
        "millis": round((time.perf_counter() - began) * 1000, 2),
    }


def _rows(file: str) -> Iterator[dict[str, Any]]:
    """The lines as objects with a text. Raises ConfigError naming file and line."""
    with _open(file) as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise ConfigError(f'{file}: line {number}: must be a JSON object with a "text", like {{"text": "..."}}')
            yield row


@contextlib.contextmanager
def _open(file: str) -> Iterator[TextIO]:
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
