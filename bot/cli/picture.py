"""A picture of a screener's figures: reliability diagram and confusion table, drawn as one SVG that needs nothing else.

It has the width of a phone and follows the reader's light or dark setting; on the web it can stand in an `img`.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from config import ConfigError
from engine.screening.evaluate import Figures
from engine.types import Level

_WIDTH = 360
_LEFT, _SIDE = 62, 280  # where both plots begin, and how wide and high they are
_RELIABILITY_TOP, _CONFUSION_TOP = 98, 500
_HEIGHT = 820
_CELL = _SIDE // len(Level)
_LARGEST = 13  # radius of the circle that holds most texts

_STYLE = """
svg { background: #fff; color: #1c2733; font: 13px system-ui, sans-serif; --accent: #0f6e84; --on-accent: #fff; }
@media (prefers-color-scheme: dark) {
  svg { background: #14191f; color: #e3e9ee; --accent: #5cc3d9; --on-accent: #0b1216; }
}
text { fill: currentColor; }
.head { font-size: 16px; font-weight: 600; }
.quiet { opacity: .75; }
.frame { fill: none; stroke: currentColor; stroke-opacity: .35; }
.even { stroke: currentColor; stroke-opacity: .5; stroke-dasharray: 4 4; }
.line { fill: none; stroke: var(--accent); stroke-width: 2; }
.dot, .cell { fill: var(--accent); }
.on { fill: var(--on-accent); }
"""


def check_ending(path: Path) -> None:
    """Raises ConfigError unless the name ends in .svg or .html."""
    if path.suffix not in (".svg", ".html"):
        raise ConfigError(f"{path}: the picture is written as .svg or .html; give the file one of these endings")


def write_picture(path: Path, title: str, figures: Figures) -> None:
    """Write the picture; the ending of the name says how. Raises ConfigError."""
    check_ending(path)
    picture = draw(title, figures)
    if path.suffix == ".html":
        picture = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
            f'<body style="margin: 0">{picture}</body></html>\n'
        )
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None


def draw(title: str, figures: Figures) -> str:
    """The picture as SVG."""
    parts = [_text(16, 26, title, "quiet"), *_reliability(figures), *_confusion(figures)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" '
        f'style="max-width: 480px" role="img"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"{''.join(parts)}</svg>"
    )


def _reliability(figures: Figures) -> Iterator[str]:
    """The share of danger at each score: on the dashed line the score is a probability."""
    top = _RELIABILITY_TOP
    bottom = top + _SIDE
    error = "" if figures.calibration_error is None else f"; on average {figures.calibration_error:.3f} apart"
    yield _text(16, top - 38, "Is the score a probability?", "head")
    yield _text(16, top - 18, f"larger circle: more texts{error}", "quiet")
    yield f'<rect class="frame" x="{_LEFT}" y="{top}" width="{_SIDE}" height="{_SIDE}"/>'
    yield f'<line class="even" x1="{_LEFT}" y1="{bottom}" x2="{_LEFT + _SIDE}" y2="{top}"/>'
    for share in (0, 0.5, 1):
        yield _text(_LEFT + share * _SIDE, bottom + 18, f"{share:.0%}", anchor="middle")
        yield _text(_LEFT - 6, bottom - share * _SIDE + 4, f"{share:.0%}", anchor="end")
    yield _text(_LEFT + _SIDE / 2, bottom + 38, "score", "quiet", anchor="middle")
    yield _upright(16, top + _SIDE / 2, "share of danger")
    places = [(_LEFT + part["score"] * _SIDE, bottom - part["danger"] * _SIDE) for part in figures.reliability]
    yield f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
    most = max((part["texts"] for part in figures.reliability), default=1)
    for (x, y), part in zip(places, figures.reliability, strict=True):
        radius = max(3, _LARGEST * (part["texts"] / most) ** 0.5)
        told = f"{part['texts']:.0f} texts, score {part['score']:.2f}, danger {part['danger']:.0%}"
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{told}</title></circle>'


def _confusion(figures: Figures) -> Iterator[str]:
    """How many texts of each level were called what."""
    top = _CONFUSION_TOP
    yield _text(16, top - 32, "What was called what?", "head")
    yield _text(16, top - 12, "texts, and their share of the row", "quiet")
    yield _upright(16, top + _SIDE / 2, "label")
    for label, counts in enumerate(figures.confusion):
        y = top + label * _CELL
        yield _text(_LEFT - 6, y + _CELL / 2 + 4, _SHORT[label], anchor="end")
        for called, count in enumerate(counts):
            yield from _cell(_LEFT + called * _CELL, y, count, count / max(1, sum(counts)))
    for called, name in enumerate(_SHORT):
        yield _text(_LEFT + called * _CELL + _CELL / 2, top + _SIDE + 18, name, anchor="middle")
    yield _text(_LEFT + _SIDE / 2, top + _SIDE + 36, "called", "quiet", anchor="middle")


_SHORT = ("none", "elev.", "urgent", "emerg.")


def _cell(x: float, y: float, count: int, share: float) -> Iterator[str]:
    size = _CELL - 3
    is_most = share > 0.5
    opacity = 0.75 + share / 4 if is_most else share * 0.7  # nothing between, where no colour of text can be read
    yield f'<rect class="cell" x="{x}" y="{y}" width="{size}" height="{size}" rx="3" fill-opacity="{opacity:.2f}"/>'
    yield f'<rect class="frame" x="{x}" y="{y}" width="{size}" height="{size}" rx="3"/>'
    shade = "on" if is_most else ""
    yield _text(x + size / 2, y + 32, f"{count:,}", shade, anchor="middle")
    yield _text(x + size / 2, y + 50, f"{share:.0%}", shade, anchor="middle")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _upright(x: float, y: float, text: str) -> str:
    turned = f'transform="rotate(-90 {x:g} {y:g})"'
    return f'<text class="quiet" x="{x:g}" y="{y:g}" text-anchor="middle" {turned}>{escape(text)}</text>'
