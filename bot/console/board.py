"""The supervisors' board: how fast people were reached, how many waited when, and how it ended. It quotes nobody."""

import asyncio
import html
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from nicegui import ui

from bot.console.queue import LATE
from bot.console.visit import Visit
from bot.desk import Desk
from bot.store import figures
from bot.store.figures import STAGES, Course
from engine import Level

PERIODS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
_POINTS = 48  # of the line of who waited
_LEVELS = (Level.EMERGENCY, Level.URGENT, Level.ELEVATED, Level.NONE)
_COLOURS = {
    Level.EMERGENCY: "#c43d33",
    Level.URGENT: "#cf7a1f",
    Level.ELEVATED: "#b69a2a",
    Level.NONE: "#3d8b7a",
}
_QUIET = "#8a8077"  # of axes, legible on light and dark
_FONT = {"textStyle": {"color": _QUIET, "fontFamily": "inherit"}, "animation": False}


class BoardView:
    """Charts, each with a table that says the same."""

    def __init__(self, visit: Visit, desk: Desk) -> None:
        self._visit = visit
        self._words = visit.words
        self._desk = desk
        self._drawing = asyncio.Lock()
        self._drawn: object = None
        words = self._words
        with ui.element("div").classes("section-head"):
            with ui.element("h1"):
                ui.label(words("page.board"))
            periods = {name: words(f"board.{name}") for name in PERIODS}
            self._period = ui.toggle(periods, value="day", on_change=self.draw).props("no-caps unelevated")
        self._box = ui.element("div").classes("board")

    async def draw(self) -> None:
        """Show the numbers as they are now."""
        async with self._drawing:
            length = PERIODS[str(self._period.value)]
            async with self._desk.store.reading() as tx:
                found = await figures.courses(tx, tx.now - length)
                now = tx.now
            seen = (found, length, now.replace(second=now.second // 30, microsecond=0))
            if seen == self._drawn:
                return
            self._drawn = seen
            self._box.clear()
            with self._box:
                opened = [c for c in found if c.opened_at >= now - length]
                self._draw_tiles(found, len(opened), now)
                self._draw_waits(opened)
                self._draw_queue(found, now, length)
                self._draw_outcomes([c for c in found if c.closed_at and c.closed_at >= now - length])

    def _draw_tiles(self, found: Sequence[Course], opened: int, now: datetime) -> None:
        words = self._words
        waiting = [c for c in found if c.waits_at(now)]
        late = [c for c in waiting if now - c.opened_at > LATE]
        held = [c for c in found if c.claimed_at and not c.closed_at]
        limit = str(int(LATE.total_seconds() // 60))
        with ui.element("ul").classes("tiles"):
            _tile(words("board.waiting"), len(waiting))
            _tile(words("board.late", count=limit), len(late), "bad" if late else "")
            _tile(words("board.held"), len(held))
            _tile(words("board.opened"), opened)

    def _draw_waits(self, found: Sequence[Course]) -> None:
        """Time to the first page, to the claim, to the first word: half and nine in ten were quicker."""
        words = self._words
        shares = (("board.half", 0.5), ("board.most", 0.9))
        waits = {stage: [w for c in found if (w := c.waited(stage)) is not None] for stage in STAGES}
        table = [
            (words(f"board.to_{stage}"), *(_seconds(figures.percentile(waits[stage], share)) for _, share in shares))
            for stage in STAGES
        ]
        options = {
            **_FONT,
            "grid": {"left": 8, "right": 48, "top": 34, "bottom": 8, "containLabel": True},
            "legend": {"top": 0, "left": 0, "textStyle": {"color": _QUIET}},
            "xAxis": {"type": "value", **_axis("{value} s")},
            "yAxis": {"type": "category", "inverse": True, "data": [row[0] for row in table], **_axis()},
            "series": [
                {
                    "name": words(key),
                    "type": "bar",
                    "data": [row[number] or 0 for row in table],
                    "label": {"show": True, "position": "right", "color": _QUIET, "formatter": "{c} s"},
                    "itemStyle": {"color": colour, "borderRadius": 4},
                }
                for number, (key, colour) in enumerate((("board.half", "#3d8b7a"), ("board.most", "#8fbfb2")), 1)
            ],
        }
        heads = (words("board.stage"), words("board.half"), words("board.most"))
        rows = [[str(name), *("–" if value is None else f"{value} s" for value in values)] for name, *values in table]
        self._chart("board.waits", options, heads, rows, any(waits.values()))

    def _draw_queue(self, found: Sequence[Course], now: datetime, length: timedelta) -> None:
        """How many nobody had taken yet, by level, over the period."""
        words = self._words
        moments = [now - length + length * n / _POINTS for n in range(_POINTS + 1)]
        counts = {
            level: [sum(c.level is level and c.waits_at(at) for c in found) for at in moments] for level in _LEVELS
        }
        options = {
            **_FONT,
            "grid": {"left": 8, "right": 48, "top": 34, "bottom": 8, "containLabel": True},
            "legend": {"top": 0, "left": 0, "textStyle": {"color": _QUIET}},
            "xAxis": {"type": "time", **_axis()},
            "yAxis": {"type": "value", "minInterval": 1, **_axis()},
            "series": [
                {
                    "name": words.texts.get(f"level.{level.value}"),
                    "type": "line",
                    "step": "end",
                    "stack": "all",
                    "areaStyle": {"opacity": 0.5},
                    "lineStyle": {"width": 1},
                    "showSymbol": False,
                    "color": _COLOURS[level],
                    "data": [[int(at.timestamp() * 1000), n] for at, n in zip(moments, counts[level], strict=True)],
                }
                for level in _LEVELS
            ],
        }
        heads = (words("level"), words("board.peak"), words("board.at_present"))
        rows = [
            (words.texts.get(f"level.{level.value}"), str(max(values)), str(values[-1]))
            for level, values in counts.items()
        ]
        self._chart("board.queue", options, heads, rows, bool(found))

    def _draw_outcomes(self, closed: Sequence[Course]) -> None:
        words = self._words
        counts = Counter(c.outcome or "other" for c in closed)
        rows = [(words.texts.get(f"outcome.{name}"), str(count)) for name, count in counts.most_common()]
        options = {
            **_FONT,
            "grid": {"left": 8, "right": 48, "top": 8, "bottom": 8, "containLabel": True},
            "xAxis": {"type": "value", "minInterval": 1, **_axis()},
            "yAxis": {"type": "category", "inverse": True, "data": [name for name, _ in rows], **_axis()},
            "series": [
                {
                    "type": "bar",
                    "data": [counts[name] for name, _ in counts.most_common()],
                    "label": {"show": True, "position": "right", "color": _QUIET},
                    "itemStyle": {"color": "#3d8b7a", "borderRadius": 4},
                    "barMaxWidth": 28,
                }
            ],
        }
        self._chart("board.outcomes", options, (words("outcome"), words("board.count")), rows, bool(rows))

    def _chart(
        self, key: str, options: dict[str, object], heads: Sequence[str], rows: Sequence[Sequence[str]], any_data: bool
    ) -> None:
        words = self._words
        with ui.element("section").classes("figure"):
            with ui.element("h2"):
                ui.label(words(key))
            if not any_data:
                ui.label(words("board.nothing")).classes("empty")
                return
            ui.echart(options, renderer="svg").classes("chart").props('aria-hidden="true"')
            ui.html(table(heads, rows), sanitize=False).classes("figures")


def _tile(name: str, value: int, mood: str = "") -> None:
    with ui.element("li").classes(f"tile {mood}"):
        ui.label(str(value)).classes("value")
        ui.label(name).classes("name")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as HTML; the first cell of each row names it."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _axis(text: str = "{value}") -> dict[str, object]:
    """How an axis looks. A time axis writes its own labels."""
    label = {"color": _QUIET} | ({"formatter": text} if text != "{value}" else {})
    line = {"lineStyle": {"color": _QUIET, "opacity": 0.4}}
    return {"axisLabel": label, "axisLine": line, "splitLine": {"lineStyle": {"color": _QUIET, "opacity": 0.2}}}


def _seconds(time: timedelta | None) -> float | None:
    return round(time.total_seconds(), 1) if time is not None else None
