"""A small picture of somebody's moods over time, as PNG: days along, 0 to 10 up. It holds no words, only numbers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 720, 440
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 28, 24, 52
_PAPER, _INK, _GRID, _LINE, _OPEN = "#fbfaf7", "#33404d", "#dcdfe1", "#0f6e84", "#7fb3bf"
_DOT = 6
_LABELS = 6  # dates along the axis, at most

Point = tuple[datetime, int, str]
"""A local time, the mood from 0 to 10, and when it was asked: asked, before or after an exercise."""


def draw(points: Sequence[Point]) -> bytes:
    """The picture. Before an exercise the dot is open, after it and at other times it is full."""
    image = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=18)
    first, last = points[0][0], points[-1][0]
    span = max((last - first).total_seconds(), 1.0)

    def across(moment: datetime) -> float:
        whole = _WIDTH - _LEFT - _RIGHT
        alone = last == first
        return _LEFT + (whole / 2 if alone else whole * (moment - first).total_seconds() / span)

    def up(value: int) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / 10

    for value in (0, 5, 10):
        pen.line([(_LEFT, up(value)), (_WIDTH - _RIGHT, up(value))], fill=_GRID, width=2)
        pen.text((_LEFT - 12, up(value)), str(value), fill=_INK, font=font, anchor="rm")
    for moment in _dates(first, last):
        pen.text((across(moment), _HEIGHT - _BOTTOM + 26), f"{moment:%m-%d}", fill=_INK, font=font, anchor="mm")
    pen.line([(across(at), up(value)) for at, value, _ in points], fill=_LINE, width=3, joint="curve")
    for at, value, asked in points:
        x, y = across(at), up(value)
        fill = _PAPER if asked == "before" else _LINE
        pen.ellipse(
            [x - _DOT, y - _DOT, x + _DOT, y + _DOT], fill=fill, outline=_LINE if fill == _LINE else _OPEN, width=3
        )
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _dates(first: datetime, last: datetime) -> list[datetime]:
    """The days that are named along the axis."""
    days = (last.date() - first.date()).days
    if days == 0:
        return [first]
    every = max(1, -(-days // (_LABELS - 1)))
    return [m for n in range(0, days + 1, every) if (m := first + timedelta(days=n)) <= last]
