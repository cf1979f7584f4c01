"""What a change of rules or model changes: the rows that two versions of the screener call differently."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.screening.evaluate import Judged
from engine.types import Assessment


@dataclass(frozen=True, slots=True)
class Change:
    """A row whose level is not what it was."""

    before: Judged
    after: Judged

    @property
    def verdict(self) -> str:
        """`mended`, `broken`, or `moved` where both levels are right or both are wrong."""
        if self.before.accepted == self.after.accepted:
            return "moved"
        return "mended" if self.after.accepted else "broken"

    @property
    def rules(self) -> str:
        """The rule that told most, of each version."""
        return f"{leading_rule(self.before.found)} → {leading_rule(self.after.found)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON. The text is not among it."""
        row = self.after.row
        return {
            "id": row.id,
            "file": row.group,
            "line": row.line,
            "levels": row.label,
            "before": self.before.found.level,
            "after": self.after.found.level,
            "rule_before": leading_rule(self.before.found),
            "rule_after": leading_rule(self.after.found),
            "verdict": self.verdict,
        }


def changes(before: Sequence[Judged], after: Iterable[Judged]) -> list[Change]:
    """The rows whose level differs; both hold the same rows in the same order."""
    pairs = zip(before, after, strict=True)
    return [Change(old, new) for old, new in pairs if old.found.level is not new.found.level]


def leading_rule(found: Assessment) -> str:
    """The rule that stands first in the evidence; `nothing` where nothing was found."""
    return found.evidence[0].rule if found.evidence else "nothing"
