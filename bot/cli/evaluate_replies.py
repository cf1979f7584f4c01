"""`psyllm evaluate replies`: answers in figures, with intervals, beside the paper's."""

import asyncio
import contextlib
import json as json_format
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from bot.cli.lines import open_lines
from bot.cli.logs import set_up_logs
from config import ConfigError, Settings, load_settings
from engine.generators import make_generator
from engine.generators.local import LocalGenerator
from engine.guard import Guard
from engine.responder import Responder
from engine.screening import load_screener
from engine.types import Generator, GeneratorError, Request

try:
    from engine.evaluation.asking import make_request
    from engine.evaluation.cases import Case, read_cases
    from engine.evaluation.estimates import Estimate
    from engine.evaluation.replies import Figures, Judged, figures
    from engine.evaluation.tokens import TOKENISATION
except ImportError as error:
    raise ConfigError(
        f"evaluate replies: {error.name} is missing; it needs an extra: pip install 'psyllm-bot[evaluate]'"
    ) from None

AT_ONCE = 16  # answers generated side by side
LONG = 40  # lines from which it is worth showing how far it is
GIVEN = "given"  # the system of replies that name none

PAPER = {
    "PanGu 350M": {"perplexity": 34.56, "rouge_l": 28.18},
    "WenZhong 110M": {"perplexity": 38.40, "rouge_l": 23.56},
}
PAPER_NOTE = (
    "*: as printed in arXiv 2307.11991, from other data (a part of PsyQA, in Chinese) and with a tokenisation that it "
    "does not state. They stand here for orientation and cannot be compared."
)
CALLED = {
    "rouge_l_characters": "ROUGE-L, characters",
    "rouge_l_words": "ROUGE-L, words",
    "bleu": "BLEU",
    "distinct_1": "Distinct-1 %",
    "distinct_2": "Distinct-2 %",
    "length": "length",
    "repetition": "repetition %",
    "same_answer": "same answer again %",
    "language_match": "language matches %",
    "guard_hits": "guard hits %",
    "perplexity": "perplexity",
    "bits_per_character": "bits per character",
}
LEGEND = (
    "Intervals: 95 %, bootstrap over answers. Length, Distinct and repetition are counted in characters in Chinese, "
    "else in words. Repetition: runs of four that stood before in the answer or the talk."
)


@dataclass(frozen=True)
class _Report:
    figures: list[Figures]
    models: list[Any]  # Perplexity; its module needs torch


def evaluate_replies(file: str, json: bool) -> None:
    """Judge the replies of the file, generating those that it does not hold. Raises ConfigError."""
    settings = load_settings()
    set_up_logs(settings.log)
    with open_lines(file) as lines:
        cases = read_cases(file, lines)
    report = asyncio.run(_report(cases, settings))
    if json:
        typer.echo(json_format.dumps(_as_json(report), indent=2, ensure_ascii=False))
    else:
        _print(report)


async def _report(cases: Sequence[Case], settings: Settings) -> _Report:
    requests = _requests(cases, settings)
    generator = make_generator(settings)
    model = generator if isinstance(generator, LocalGenerator) else None
    scored = [(r, answer) for r, case in zip(requests, cases, strict=True) for answer in case.answers if model]
    with _progress(len(cases) + len(scored)) as advance:
        async with _running(cases, settings, generator, bool(scored)) as responder:
            judged = await _answered(cases, requests, responder, advance)
            models = await asyncio.to_thread(_foreseen, model, scored, advance) if model else []
    return _Report(figures(judged, Guard()), models)


def _requests(cases: Sequence[Case], settings: Settings) -> list[Request]:
    screener = load_screener()
    return [
        make_request(case.text, screener, case.history, case.lang or "", settings.language, str(case.id or number))
        for number, case in enumerate(cases)
    ]


@contextlib.asynccontextmanager
async def _running(
    cases: Sequence[Case], settings: Settings, generator: Generator | None, needs_model: bool
) -> AsyncIterator[Responder | None]:
    """What the evaluation needs, started: who answers, if a reply is missing, else the model alone, else nothing."""
    if any(case.reply is None for case in cases):
        from bot.app import make_responder

        responder = make_responder(settings, generator)
        await responder.start()
        await responder.loaded()
        try:
            if responder.status.state == "failed":
                raise ConfigError(f"evaluate replies: {responder.status.detail}")
            yield responder
        finally:
            await responder.close()
    elif needs_model and generator:
        try:
            await generator.start()
        except GeneratorError as error:
            raise ConfigError(f"evaluate replies: {error}") from None
        try:
            yield None
        finally:
            await generator.close()
    else:
        yield None


async def _answered(
    cases: Sequence[Case], requests: Sequence[Request], responder: Responder | None, advance: Callable[[], None]
) -> list[Judged]:
    """Each case with its reply; those that have none are answered, several at once."""
    turnstile = asyncio.Semaphore(AT_ONCE)

    async def judged(case: Case, request: Request) -> Judged:
        if case.reply is None and responder:
            async with turnstile:
                answer = await responder.answer(request)
            name = responder.status.generator
            found = Judged(request, answer.text, case.answers, name, answer.blocked, answer.generator != name)
        else:
            found = Judged(request, case.reply or "", case.answers, case.system or GIVEN)
        advance()
        return found

    return list(await asyncio.gather(*map(judged, cases, requests)))


def _foreseen(
    generator: LocalGenerator, scored: Sequence[tuple[Request, str]], advance: Callable[[], None]
) -> list[Any]:
    """Perplexity of the model in this process on the reference answers."""
    from engine.evaluation.perplexity import perplexities

    try:
        return list(perplexities(generator, scored, advance))
    except GeneratorError as error:
        raise ConfigError(f"evaluate replies: {error}") from None


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Shows on standard error how far it is; gives what to call after each step."""
    with Progress(console=Console(stderr=True), transient=True, disable=total < LONG) as shown:
        task = shown.add_task("evaluating", total=total)
        yield lambda: shown.advance(task)


def _as_json(report: _Report) -> dict[str, Any]:
    return {
        "systems": [_figures_as_json(one) for one in report.figures],
        "models": [_model_as_json(one) for one in report.models],
        "tokenisation": TOKENISATION,
        "paper": {"figures": PAPER, "note": PAPER_NOTE.removeprefix("*: ")},
    }


def _figures_as_json(one: Figures) -> dict[str, Any]:
    return {
        "system": one.system,
        "lang": one.language.value,
        "answers": one.answers,
        "with_reference": one.with_reference,
        "empty": one.empty,
        "library_stood_in": one.stood_in,
        "metrics": {name: _estimate_as_json(found) for name, found in one.estimates.items()},
        "guard_rules": one.guard_rules,
        "bleu_signature": one.bleu_signature,
    }


def _model_as_json(one: Any) -> dict[str, Any]:
    return {
        "model": one.model,
        "lang": one.language.value,
        "references": one.texts,
        "left_out": one.left_out,
        "tokens": one.tokens,
        "perplexity": _estimate_as_json(one.perplexity),
        "bits_per_character": _estimate_as_json(one.bits_per_character),
    }


def _estimate_as_json(found: Estimate | None) -> dict[str, float | None] | None:
    return found.as_dict() if found else None


def _print(report: _Report) -> None:
    out = Console(highlight=False)
    for one in report.figures:
        out.print(_table(f"{one.system} ({one.language.value})", one.estimates))
        out.print(_counted(one), soft_wrap=True)
    for model in report.models:
        shown = {"perplexity": model.perplexity, "bits_per_character": model.bits_per_character}
        out.print(_table(f"{model.model} on the references ({model.language.value})", shown))
        left_out = f"; {model.left_out} did not fit into the model" if model.left_out else ""
        out.print(f"{model.texts} references, {model.tokens} tokens{left_out}", soft_wrap=True)
    out.print()
    for name, how in TOKENISATION.items():
        out.print(f"{name}: {how}.", soft_wrap=True)
    out.print(LEGEND, soft_wrap=True)
    out.print(PAPER_NOTE, soft_wrap=True)


def _table(title: str, estimates: Mapping[str, Estimate | None]) -> Table:
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("figure")
    papers = PAPER if any(found and _paper(PAPER["PanGu 350M"], name) for name, found in estimates.items()) else {}
    for column in ("value", "95 %", *(f"{name}*" for name in papers)):
        table.add_column(column, justify="right")
    for name, found in estimates.items():
        if found:
            printed = [_paper(figures, name) for figures in papers.values()]
            table.add_row(CALLED[name], f"{found.value:.2f}", _interval(found), *printed)
    return table


def _paper(printed: Mapping[str, float], name: str) -> str:
    """The paper's figure beside ours; its ROUGE-L says neither characters nor words, so it stands beside both."""
    value = printed.get("rouge_l" if name.startswith("rouge_l") else name)
    return f"{value:.2f}" if value else ""


def _interval(found: Estimate) -> str:
    return "" if found.low is None or found.high is None else f"{found.low:.2f} to {found.high:.2f}"


def _counted(one: Figures) -> str:
    """What the figures are of, and what the guard found."""
    parts = [f"answers: {one.answers}, with a reference: {one.with_reference}"]
    if not one.with_reference:
        parts.append("nothing to compare with, so no ROUGE-L and no BLEU")
    if one.empty:
        parts.append(f"empty: {one.empty}")
    if one.stood_in:
        parts.append(f"by the library in its place: {one.stood_in}")
    if one.guard_rules:
        parts.append("guard: " + ", ".join(f"{name} {count}" for name, count in one.guard_rules.items()))
    if one.bleu_signature:
        parts.append(f"BLEU {one.bleu_signature}")
    return escape("; ".join(parts))
