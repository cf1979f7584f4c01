"""A week on call, drawn: a row for each step of the ladder, a bar for each shift, gaps hatched."""

import html
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from bot.console.words import Words
from config import Roster
from config.oncall import Shift, shifts
from config.rotations import instant

_COLOURS = 8  # custom properties --who-0 ... in pages.css, told apart in light and dark


def colour(roster: Roster, counsellor: str) -> str:
    """The colour of a person, as CSS; the same on every page. Names stand beside it, so nobody depends on it."""
    number = next((n for n, c in enumerate(roster.counsellors) if c.id == counsellor), 0)
    return f"var(--who-{number % _COLOURS})"


def timeline(words: Words, roster: Roster, first: date, now: datetime) -> str:
    """Seven days from `first` in the roster's zone, as HTML. Decorative: the table below says the same in words."""
    days = [instant(datetime.combine(first + timedelta(days=n), time()), roster.zone) for n in range(8)]
    start, end = days[0], days[-1]

    def place(moment: datetime) -> float:
        return 100 * ((min(max(moment, start), end) - start) / (end - start))

    heads = "".join(
        f'<div class="day" style="left:{place(day):.3f}%;width:{place(after) - place(day):.3f}%">'
        f"{words.day(day, roster.zone)}</div>"
        for day, after in pairwise(days)
    )
    rows = "".join(
        f'<div class="rung"><div class="rung-name">{rung + 1}</div><div class="track">'
        + "".join(_bar(words, roster, shift, place(shift.start), place(shift.end)) for shift in found)
        + "</div></div>"
        for rung in range(len(roster.ladder))
        for found in [shifts(roster, rung, start, end)]
    )
    line = f'<div class="now-line" style="left:{place(now):.3f}%"></div>' if start <= now < end else ""
    return (
        '<div class="timeline" aria-hidden="true"><div class="rung heads"><div class="rung-name"></div>'
        f'<div class="track">{heads}</div></div>{rows}<div class="overlay"><div class="track">{line}</div></div></div>'
    )


def _bar(words: Words, roster: Roster, shift: Shift, left: float, right: float) -> str:
    names = words.listed([c.name for c in roster.counsellors if c.id in shift.who])
    span = words.span(shift.start, shift.end, roster.zone)
    style = f"left:{left:.3f}%;width:{right - left:.3f}%"
    if not shift.who:
        label = html.escape(words("oncall.nobody"))
        return f'<div class="bar-gap" style="{style}" title="{label}: {html.escape(span)}"><span>{label}</span></div>'
    colours = [colour(roster, c.id) for c in roster.counsellors if c.id in shift.who]
    share = 100 / len(colours)
    bands = ",".join(f"{c} {n * share:.1f}% {(n + 1) * share:.1f}%" for n, c in enumerate(colours))
    label = html.escape(names)
    return (
        f'<div class="shift" style="{style};--who:{bands}" title="{label}: {html.escape(span)}">'
        f"<span>{label}</span></div>"
    )
