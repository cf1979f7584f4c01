"""Draws how a training went, as one SVG that follows the reader's light or dark setting."""

from collections.abc import Iterator, Sequence
from html import escape

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 20, 44, 44

_STYLE = """
svg { background: #fff; color: #1c2733; font: 13px system-ui, sans-serif; --a: #0f6e84; --b: #b5541c; }
@media (prefers-color-scheme: dark) { svg { background: #14191f; color: #e3e9ee; --a: #5cc3d9; --b: #f0a06a; } }
text { fill: currentColor; } .head { font-weight: 600; } .quiet { opacity: .75; }
.grid { stroke: currentColor; stroke-opacity: .18; }
.loss { fill: none; stroke: var(--a); stroke-width: 2; }
.valid { fill: none; stroke: var(--b); stroke-width: 2; stroke-dasharray: 6 4; } .dot { fill: var(--b); }
"""

Points = Sequence[tuple[int, float]]
"""Steps, and the value at each."""


def draw_curve(title: str, loss: Points, valid: Points, valid_name: str) -> str:
    """The loss by step, in nats a token, and the figure on the valid split, each against its own height."""
    last = max([step for step, _ in [*loss, *valid]], default=1)
    parts = [
        f'<text class="head" x="12" y="22">{escape(title)}</text>',
        *_axes(last),
        *_line("loss", loss, last),
        *_line("valid", valid, last),
    ]
    names = [("loss", "loss, nats a token", loss), ("valid", valid_name, valid)]
    for row, (kind, name, points) in enumerate((kind, name, points) for kind, name, points in names if points):
        y = _TOP + 16 + 20 * row
        told = f"{name}: {points[0][1]:.3f} to {points[-1][1]:.3f}"
        parts.append(f'<line class="{kind}" x1="{_WIDTH - 300}" x2="{_WIDTH - 272}" y1="{y - 4}" y2="{y - 4}"/>')
        parts.append(f'<text x="{_WIDTH - 264}" y="{y}">{escape(told)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" '
        f'style="max-width: {_WIDTH}px" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"{''.join(parts)}</svg>\n"
    )


def _axes(last: int) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = _x(share * last, last)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}"/>'
        yield f'<text class="quiet" x="{x}" y="{bottom + 18}" text-anchor="middle">{share * last:,.0f}</text>'
    yield f'<text class="quiet" x="{_WIDTH / 2:g}" y="{_HEIGHT - 6}" text-anchor="middle">step</text>'


def _line(kind: str, points: Points, last: int) -> Iterator[str]:
    if not points:
        return
    highest = max(value for _, value in points) or 1.0
    places = [(_x(step, last), _y(value / highest)) for step, value in points]
    yield f'<polyline class="{kind}" points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    if kind == "valid":
        for (x, y), (step, value) in zip(places, points, strict=True):
            yield f'<circle class="dot" cx="{x}" cy="{y}" r="3"><title>step {step}: {value:.3f}</title></circle>'


def _x(step: float, last: int) -> float:
    return round(_LEFT + step / max(last, 1) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    """Heights begin at zero, so that a small gain looks small."""
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)
