"""The sign of each level: a shape and a colour, always beside its word, so that nobody depends on one of them."""

from engine import Level

_PATHS = {
    Level.EMERGENCY: "M6 1h8l5 5v8l-5 5H6l-5-5V6z",
    Level.URGENT: "M10 1.5 19.5 18.5H.5z",
    Level.ELEVATED: "M10 .5 19.5 10 10 19.5.5 10z",
    Level.NONE: "M10 2a8 8 0 1 1 0 16 8 8 0 0 1 0-16z",
}


def shape(level: Level) -> str:
    """The sign as HTML: octagon, triangle, diamond or circle. Its colour is the text's."""
    return f'<svg class="shape" viewBox="0 0 20 20" aria-hidden="true"><path d="{_PATHS[level]}"/></svg>'
