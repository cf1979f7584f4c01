"""What a stretch of earlier talk was about, as the library reads it: facts for whoever goes on, written by no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from config import Language
from engine.language import to_simplified
from engine.library.library import Library
from engine.types import Role, Turn

_TOPICS, _FEELINGS, _PEOPLE = 3, 3, 2  # the most that are named of each
_CLEAR = 5.0  # a score from which a text is about a topic


@dataclass(frozen=True, slots=True)
class Recalled:
    """Topics most spoken of first, feelings and people in the order they came up, exercises that were offered.

    `with_counsellor` tells whether a counsellor took part.
    """

    topics: tuple[str, ...] = ()
    feelings: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    with_counsellor: bool = False


def recall(library: Library, turns: Sequence[Turn], language: Language) -> Recalled:
    """What `turns` were about. The same turns give the same facts."""
    shelf = library.shelf(language)
    scores: dict[str, float] = {}
    feelings: dict[str, None] = {}
    people: dict[str, None] = {}
    for turn in turns:
        if turn.role is not Role.USER:
            continue
        text = to_simplified(turn.text) if language is Language.ZH else turn.text
        for name, score in shelf.rank_topics(text).items():
            scores[name] = scores.get(name, 0.0) + score
        reading = shelf.reader.read(text, follows=True)
        feelings |= dict.fromkeys(reading.feelings)
        people |= dict.fromkeys([reading.person] if reading.person else [])
    said = to_simplified("\n".join(turn.text for turn in turns if turn.role is Role.ASSISTANT))
    named = sorted((name for name, score in scores.items() if score >= _CLEAR), key=lambda name: -scores[name])
    return Recalled(
        topics=tuple(shelf.topics[name].title for name in named[:_TOPICS]),
        feelings=tuple(feelings)[:_FEELINGS],
        people=tuple(people)[:_PEOPLE],
        exercises=tuple(item.title for item in library.exercises(language) if item.title in said),
        with_counsellor=any(turn.role is Role.COUNSELLOR for turn in turns),
    )
