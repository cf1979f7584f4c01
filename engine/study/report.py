"""A study's report, in Markdown and as a page that needs nothing else."""

from collections.abc import Iterator
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from engine.evaluation.estimates import Estimate
from engine.study.analysis import AxisResult, Result
from engine.study.plots import draw_means
from engine.study.statistics import Test

MEANS = "means.svg"
"""The name under which the report shows the picture of `draw_means`."""

_LIMITS = """## What these numbers do not show

- Whether anybody is helped: raters read answers, they are not the people who asked.
- Safety: a rare dangerous answer hardly moves a mean. Read every answer flagged as harmful.
- Other questions, languages and raters than these. The intervals resample questions, not raters.
- Agreement of less than 0.67 (ordinal alpha) allows no firm conclusion from the means (Krippendorff 2004, p. 241).
- That two systems are equal, where a test finds no difference between them."""


def report(result: Result, title: str, note: str = "") -> str:
    """The report in Markdown. `note` says what a reader must know first, such as that raters were simulated."""
    parts = [
        f"# {title}",
        *([f"**{note}**"] if note else []),
        f"{result.ratings} ratings of {result.questions} questions by {result.raters} raters; training items and "
        "repeats are not counted. Scale from 1 to 5. Intervals: 95 %, from 1,000 resamples of the questions.",
        f"![Means with their intervals, by axis and system]({MEANS})",
        "## Means",
        "\n".join(_means(result)),
        "## Do the raters agree?",
        "\n".join(_agreement(result)),
        *_self_agreement(result),
        "## Do the systems differ?",
        "\n".join(_overall(result)),
        "\n".join(_differences(result)),
        *_preferences(result),
        *_languages(result),
        "## Harm",
        "\n".join(_harm(result)),
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def page(result: Result, title: str, note: str = "") -> str:
    """The report as one HTML page with the picture in it."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(report(result, title, note))
    picture = draw_means(result, "Mean rating")
    start, _, rest = body.partition(f'<p><img src="{MEANS}"')
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><style>'
        "body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }"
        "table { border-collapse: collapse; display: block; overflow-x: auto; }"
        "td, th { padding: .3rem .7rem; border-bottom: 1px solid #8885; text-align: left; }"
        f"</style></head><body>{start}{picture}{rest.partition('</p>')[2]}</body></html>\n"
    )


def figures(result: Result) -> dict[str, Any]:
    """The figures for programs, as JSON values."""
    return {
        "ratings": result.ratings,
        "questions": result.questions,
        "raters": result.raters,
        "axes": {
            axis.axis: {
                "means": {system: found.as_dict() for system, found in axis.means.items()},
                "ordinal_alpha": axis.alpha,
                "icc_a1": axis.icc and axis.icc.single,
                "icc_ak": axis.icc and axis.icc.average,
                "friedman_p": axis.friedman and axis.friedman.p,
                "pairs": [
                    {"pair": names, "difference": difference, "p_holm": corrected, "won_equal_lost": axis.wins[names]}
                    for names, (difference, _, corrected) in axis.differences.items()
                ],
            }
            for axis in result.axes
        },
        "cronbach_alpha_of_axes": result.consistency,
        "harmful": result.harmful,
    }


def _means(result: Result) -> Iterator[str]:
    systems = list(result.axes[0].means)
    yield f"| | {' | '.join(systems)} |"
    yield f"|---|{'---|' * len(systems)}"
    for axis in result.axes:
        yield f"| {axis.axis} | {' | '.join(_estimate(axis.means.get(system)) for system in systems)} |"


def _agreement(result: Result) -> Iterator[str]:
    yield "| | ordinal alpha (Krippendorff) | ICC(A,1) | ICC(A,k) | quadratic kappa of pairs, lowest to highest |"
    yield "|---|---|---|---|---|"
    for axis in result.axes:
        single, average = (axis.icc.single, axis.icc.average) if axis.icc else (None, None)
        kappas = sorted(axis.kappas.values())
        spread = f"{kappas[0]:.2f} to {kappas[-1]:.2f}" if kappas else "-"
        yield f"| {axis.axis} | {_figure(axis.alpha)} | {_figure(single)} | {_figure(average)} | {spread} |"
    yield ""
    rated = max((axis.icc.items for axis in result.axes if axis.icc), default=0)
    yield f"ICC is of the {rated} answers that every rater rated. Cronbach's alpha of the four axes: "
    yield f"{_figure(result.consistency)} (how much they measure one thing, not whether raters agree)."


def _self_agreement(result: Result) -> Iterator[str]:
    if result.self_agreement:
        told = ", ".join(f"{rater} {kappa:.2f}" for rater, kappa in result.self_agreement.items())
        yield f"Raters with themselves, on the items shown twice (quadratic kappa): {told}."


def _overall(result: Result) -> Iterator[str]:
    for axis in result.axes:
        if axis.friedman:
            found = axis.friedman
            yield f"- {axis.axis}: Friedman chi-square {found.statistic:.2f}, {_p(found.p)}, {found.size} questions"


def _differences(result: Result) -> Iterator[str]:
    yield "| | pair | mean difference | Wilcoxon, p after Holm | questions won, equal, lost |"
    yield "|---|---|---:|---|---|"
    for axis in result.axes:
        yield from _pairs(axis)


def _pairs(axis: AxisResult) -> Iterator[str]:
    for names, (difference, test, corrected) in axis.differences.items():
        won, equal, lost = axis.wins[names]
        told = _tested(test, corrected)
        yield f"| {axis.axis} | {names[0]} - {names[1]} | {difference:+.2f} | {told} | {won}, {equal}, {lost} |"


def _tested(test: Test | None, corrected: float | None) -> str:
    return "no difference to test" if test is None or corrected is None else _p(corrected)


def _preferences(result: Result) -> Iterator[str]:
    if result.preferences:
        lines = ["## Side by side", "", "| pair | preferred, equal, not preferred | win rate |", "|---|---|---:|"]
        for (one, other), (won, equal, lost) in result.preferences.items():
            rate = (won + equal / 2) / max(1, won + equal + lost)
            lines.append(f"| {one} against {other} | {won}, {equal}, {lost} | {rate:.0%} |")
        yield "\n".join(lines)


def _languages(result: Result) -> Iterator[str]:
    if len(result.by_language) < 2:
        return
    lines = ["## By language", "", "| | | " + " | ".join(result.axes[0].means) + " |"]
    lines.append("|---|---|" + "---|" * len(result.axes[0].means))
    for language, axes in result.by_language.items():
        for axis, means in axes.items():
            told = " | ".join(_estimate(means.get(system)) for system in result.axes[0].means)
            lines.append(f"| {language} | {axis} | {told} |")
    yield "\n".join(lines)


def _harm(result: Result) -> Iterator[str]:
    for system, (flagged, ratings) in result.harmful.items():
        yield f"- {system}: {flagged} of {ratings} ratings say that the answer could do harm"


def _estimate(found: Estimate | None) -> str:
    if found is None:
        return "-"
    interval = "" if found.low is None or found.high is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{interval}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
