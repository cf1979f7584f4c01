"""What a conversation has held so far, read from its history: nothing else is kept between turns."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from config import Script
from engine.language import to_script, to_simplified
from engine.library.mirror import either_gender
from engine.types import Passage, Role, Turn

_SLOT = re.compile(r"\{\w+\}")


class Memory:
    """The bot's earlier words and the user's, oldest first."""

    def __init__(self, history: Sequence[Turn], script: Script, seed: str) -> None:
        self._script = script
        self._seed = seed
        self.user_texts = [self._read(turn.text) for turn in history if turn.role is Role.USER]
        answers = [turn.text for turn in history if turn.role is Role.ASSISTANT]
        self._said = "\n".join(answers)
        self.last_answer = answers[-1] if answers else ""
        self.turn = len(answers)
        self.after_counsellor = _last_speaker(history) is Role.COUNSELLOR

    def said(self, passage: Passage) -> bool:
        """Whether the bot has used this text in the conversation."""
        return any(form in self._said for form in _forms(passage.text, self._script))

    def just_said(self, text: str) -> bool:
        """Whether the bot's last answer held this text."""
        return any(form in self.last_answer for form in _forms(text, self._script))

    def count(self, passages: Sequence[Passage]) -> int:
        """How many of `passages` have been used."""
        return sum(self.said(passage) for passage in passages)

    def chance(self, *keys: object) -> float:
        """A number in [0, 1) that is the same for the same conversation, turn and keys."""
        text = "|".join([self._seed, str(self.turn), *map(str, keys)])
        return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=6).digest(), "big") / 2**48

    def _read(self, text: str) -> str:
        return to_simplified(text) if self._script is Script.HANT else text


@lru_cache(maxsize=16384)
def _forms(text: str, script: Script) -> tuple[str, ...]:
    """How a passage may stand in an answer: its longest stretch between slots, in the reader's script."""
    longest = max(_SLOT.split(text), key=len)
    return tuple(to_script(form, script) for form in either_gender(longest))


def _last_speaker(history: Sequence[Turn]) -> Role | None:
    for turn in reversed(history):
        if turn.role is not Role.USER:
            return turn.role
    return None
