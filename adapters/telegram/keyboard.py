"""What stands under a message: its buttons, and the thumbs under an answer."""

from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from adapters.base import Button, Thumbs

_MARK = " ✓"


def keyboard(rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup | None:
    """Buttons in rows; None without any."""
    if not rows:
        return None
    return InlineKeyboardMarkup([[InlineKeyboardButton(b.label, callback_data=b.action) for b in row] for row in rows])


def thumbs_row(thumbs: Thumbs) -> tuple[Button, ...]:
    """The two thumbs, the pressed one marked."""
    return tuple(
        Button(sign + (_MARK if thumbs.helpful is helpful else ""), thumbs.action(helpful))
        for sign, helpful in (("👍", True), ("👎", False))
    )
