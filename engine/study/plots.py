"""Draws a study's means with their intervals, as one SVG that follows the reader's light or dark setting."""

from collections.abc import Iterator
from html import escape

from engine.study.analysis import Result

_WIDTH, _LEFT, _RIGHT = 640, 130, 24
_LINE, _GAP, _TOP = 20, 34, 48
_LOWEST, _HIGHEST = 1, 5
_MARKS = ("circle", "square", "triangle", "diamond")

_STYLE = """
svg { background: #fff; color: #1c2733; font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { background: #14191f; color: #e3e9ee; } }
text { fill: currentColor; } .head { font-weight: 600; } .quiet { opacity: .75; }
.grid { stroke: currentColor; stroke-opacity: .18; } .bar { stroke: currentColor; stroke-width: 2; stroke-opacity: .7; }
.s0 { fill: #0f6e84; } .s1 { fill: #b5541c; } .s2 { fill: #6a4fb3; } .s3 { fill: #3d7a2e; }
@media (prefers-color-scheme: dark) {
  .s0 { fill: #5cc3d9; } .s1 { fill: #f0a06a; } .s2 { fill: #b9a3f2; } .s3 { fill: #93cf83; }
}
"""


def draw_means(result: Result, title: str) -> str:
    """One group of lines for each axis; in it one mark with its 95 % interval for each system."""
    systems = sorted({system for axis in result.axes for system in axis.means})
    height = _TOP + len(result.axes) * (_GAP + _LINE * len(systems)) + 30
    parts = [f'<text class="head" x="12" y="24">{escape(title)}</text>', *_grid(height)]
    y = _TOP
    for axis in result.axes:
        parts.append(f'<text class="head" x="12" y="{y + 14}">{escape(axis.axis)}</text>')
        for place, system in enumerate(systems):
            y += _LINE
            parts.append(f'<text class="quiet" x="12" y="{y + 14}">{escape(system)}</text>')
            if found := axis.means.get(system):
                told = f"{system}, {axis.axis}: {found.value:.2f}"
                if found.low is not None and found.high is not None:
                    parts.append(
                        f'<line class="bar" x1="{_x(found.low)}" x2="{_x(found.high)}" y1="{y + 9}" y2="{y + 9}"/>'
                    )
                    told += f" ({found.low:.2f} to {found.high:.2f})"
                parts.append(_mark(place, _x(found.value), y + 9, told))
        y += _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="100%" '
        f'style="max-width: {_WIDTH}px" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"{''.join(parts)}</svg>"
    )


def _x(score: float) -> float:
    share = (score - _LOWEST) / (_HIGHEST - _LOWEST)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _grid(height: int) -> Iterator[str]:
    for score in range(_LOWEST, _HIGHEST + 1):
        x = _x(score)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP - 10}" y2="{height - 30}"/>'
        yield f'<text class="quiet" x="{x}" y="{height - 10}" text-anchor="middle">{score}</text>'


def _mark(place: int, x: float, y: float, told: str) -> str:
    """A shape and a colour for each system, so that neither alone tells them apart."""
    shape = {
        "circle": f'<circle cx="{x}" cy="{y}" r="6"',
        "square": f'<rect x="{x - 5.5}" y="{y - 5.5}" width="11" height="11"',
        "triangle": f'<path d="M{x} {y - 7}L{x + 7} {y + 6}H{x - 7}Z"',
        "diamond": f'<path d="M{x} {y - 7}L{x + 7} {y}L{x} {y + 7}L{x - 7} {y}Z"',
    }[_MARKS[place % len(_MARKS)]]
    return f'{shape} class="s{place % 4}"><title>{escape(told)}</title></{shape[1:].split()[0]}>'
