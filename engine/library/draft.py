"""An answer as it grows, part by part."""

from dataclasses import dataclass, field

from engine.types import Passage

LINE = "\n"
PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an answer: the words, the helping strategy, and the id of the passage they come from.

    `breaks` is what stands before it, LINE or PARAGRAPH; empty when it runs on.
    """

    text: str
    strategy: str
    passage: str
    breaks: str = ""


@dataclass(slots=True)
class Draft:
    """An answer as it grows."""

    parts: list[Part] = field(default_factory=list)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies in the order in which they first come."""
        return tuple(dict.fromkeys(part.strategy for part in self.parts))

    def holds(self, passage: Passage) -> bool:
        """Whether the answer uses a passage already."""
        return any(part.passage == passage.id for part in self.parts)

    def add(self, passage: Passage | None, text: str = "", strategy: str = "", breaks: str = "") -> bool:
        """Add a passage, or `text` made from it. Nothing is added for None."""
        if passage is not None:
            self.parts.append(Part(text or passage.text, strategy or passage.strategy, passage.id, breaks))
        return passage is not None
