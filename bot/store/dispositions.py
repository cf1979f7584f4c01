"""Dispositions: how a handoff ended, as the counsellor's form says it. The fields are sealed."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select

from bot.store.schema import disposition
from bot.store.store import Transaction


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form."""

    name: str
    required: bool = False


_SERVICE, _CALLER = Field("service", required=True), Field("who_called", required=True)

FIELDS: dict[str, tuple[Field, ...]] = {
    "safe_for_now": (),
    "referred": (Field("where", required=True),),
    "emergency_called": (_SERVICE, _CALLER, Field("reached")),
    "emergency_arrived": (_SERVICE, _CALLER, Field("arrived_at", required=True)),
    "no_contact": (Field("tried", required=True),),
    "false_alarm": (Field("why"),),
    "missed": (Field("why"),),
    "other": (),
}
"""What the form asks, by outcome."""

VERDICTS = ("right", "false_alarm", "missed")
"""Whether the screen was right: it was, it saw danger where none was, or it did not see the danger there was."""


@dataclass(frozen=True, slots=True)
class Disposition:
    """A filled form. `verdict` is None where nothing was said about the screen."""

    verdict: str | None
    fields: dict[str, str]


def missing(outcome: str, fields: Mapping[str, str]) -> str | None:
    """The first required field of an outcome that is empty."""
    return next((f.name for f in FIELDS[outcome] if f.required and not fields.get(f.name, "").strip()), None)


def verdict_of(outcome: str, reason: str) -> str | None:
    """What an outcome says about the screen by itself. `reason` is the handoff's: screen or request."""
    if outcome in VERDICTS:
        return outcome
    return "right" if outcome.startswith("emergency_") and reason == "screen" else None


async def put(tx: Transaction, handoff_id: int, outcome: str, verdict: str | None, fields: Mapping[str, str]) -> None:
    """Keep a form; of the fields, those that the outcome has."""
    asked = {f.name: text for f in FIELDS[outcome] if (text := fields.get(f.name, "").strip())}
    row = {"handoff_id": handoff_id, "verdict": verdict, "body": tx.cipher.seal_json(asked)}
    await tx.connection.execute(insert(disposition).values(row))


async def get(tx: Transaction, handoff_id: int) -> Disposition | None:
    """The form of a handoff."""
    row = (await tx.connection.execute(select(disposition).where(disposition.c.handoff_id == handoff_id))).one_or_none()
    return Disposition(row.verdict, tx.cipher.open_json(row.body)) if row else None
