"""`psyllm study`: answers of several systems, rated blind by people; put together, tried out, and reported."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markdown import Markdown

from config import ConfigError, Language
from engine.study.plan import Question, Study, read_study, write_study
from engine.study.ratings import read_ratings, write_ratings

_QUALITIES = (3.8, 4.1, 3.2, 2.6)  # of simulated systems, in the order of their names


def make_study(questions: Path, answers: Sequence[str], out: Path, training: int) -> None:
    """Put questions and systems' answers together. `answers`: NAME=FILE. Raises ConfigError."""
    asked = [_question(row, questions, number, number <= training) for number, row in _objects(questions)]
    if not asked:
        raise ConfigError(f"{questions}: holds no questions")
    found: dict[tuple[str, str], str] = {}
    for given in answers:
        system, _, path = given.partition("=")
        if not system or not path:
            raise ConfigError(f"--answers {given}: write NAME=FILE")
        told = {str(row.get("id")): str(row.get("text") or "") for _, row in _objects(Path(path))}
        if missing := [q.id for q in asked if not told.get(q.id)]:
            raise ConfigError(f"{path}: no answer to {', '.join(missing[:5])}")
        found |= {(question.id, system): told[question.id] for question in asked}
    write_study(Study(tuple(asked), found), out)
    study = read_study(out)
    Console().print(f"{len(study.questions)} questions, {len(study.systems)} systems: {out}")


def simulate_study(path: Path, raters: int, out: Path, seed: int) -> None:
    """Ratings made of chance, to try the whole path. Raises ConfigError."""
    from engine.study.simulate import simulate

    study = read_study(path)
    qualities = {system: _QUALITIES[place % len(_QUALITIES)] for place, system in enumerate(study.systems)}
    ratings = simulate(study, raters, qualities, seed)
    write_ratings(ratings, out)
    Console().print(f"{len(ratings)} simulated ratings: {out}. They mean nothing.")


def report_study(path: Path, ratings: Sequence[Path], out: Path, title: str, as_json: bool) -> None:
    """Analyse ratings and write report.md, report.html and means.svg. Raises ConfigError."""
    if importlib.util.find_spec("krippendorff") is None or importlib.util.find_spec("scipy") is None:
        raise ConfigError("study report: krippendorff or scipy is missing; run pip install 'psyllm-bot[study]'")
    from engine.study.analysis import analyse
    from engine.study.plots import draw_means
    from engine.study.report import MEANS, figures, page, report
    from engine.study.simulate import QUALIFICATION

    given = [rating for file in ratings for rating in read_ratings(file)]
    simulated = any(rating.qualification == QUALIFICATION for rating in given)
    note = "Ratings in this report are simulated: they show the path, and say nothing about the systems." * simulated
    result = analyse(read_study(path), given)
    out.mkdir(parents=True, exist_ok=True)
    text = report(result, title, note)
    (out / "report.md").write_text(text, encoding="utf-8")
    (out / "report.html").write_text(page(result, title, note), encoding="utf-8")
    (out / MEANS).write_text(draw_means(result, "Mean rating"), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(figures(result), ensure_ascii=False, indent=2))
    else:
        Console().print(Markdown(text))


def _question(row: dict[str, Any], path: Path, number: int, training: bool) -> Question:
    lang, text = row.get("lang"), str(row.get("text") or "").strip()
    if lang not in set(Language) or not text:
        raise ConfigError(f"{path}, line {number}: a question has an id, a lang ({', '.join(Language)}) and a text")
    return Question(str(row.get("id") or number), Language(lang), text, training)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 ({type(error).__name__})") from None
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ConfigError(f"{path}, line {number}: is not a JSON object")
        yield number, value
