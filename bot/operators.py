"""Tells operators at once what keeps people from being helped, and not every minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from adapters import Address, Page
from bot.desks import Desks
from bot.store import Transaction, outbox
from bot.store.outbox import Kind, Outgoing
from bot.store.schema import operator_notice
from config import Language, load_texts

OPERATOR = "@operator"
"""Stands for the channels of [operator] where a counsellor's id would."""

AGAIN = timedelta(minutes=15)
"""How soon operators are told of the same thing again."""


@dataclass(frozen=True, slots=True)
class Operators:
    """Counsellors with the role operator, and `addresses`, those of [operator], which are written to in `language`."""

    desks: Desks
    addresses: tuple[Address, ...]
    language: Language

    async def tell(
        self, tx: Transaction, conversation_id: int, topic: str, fields: Mapping[str, str | int], about: object = ""
    ) -> None:
        """Write the text `operator.<topic>`, unless they were told of the same topic and `about` a short while ago.

        `conversation_id` is whose troubles it is about. The texts hold nothing that anybody wrote.
        """
        if not await _first(tx, f"{topic}:{about}"):
            return
        rows = []
        for address, counsellor, language in self._reached_at():
            words = load_texts(language)
            text = words.get("operator.title") + "\n" + words.get(f"operator.{topic}", **fields)
            rows.append(
                Outgoing(
                    conversation_id=conversation_id,
                    address=address,
                    kind=Kind.ALERT,
                    text=text,
                    counsellor=counsellor,
                    transcript=False,
                    page=Page(0, counsellor, 0, "none", tx.now),
                )
            )
        await outbox.add(tx, rows)

    def _reached_at(self) -> list[tuple[Address, str, Language]]:
        """Everywhere operators are told: all their channels, because nobody says whether they looked."""
        found = [(address, OPERATOR, self.language) for address in self.addresses]
        for counsellor in self.desks.roster.counsellors:
            if counsellor.role == "operator":
                ways = [self.desks.address(counsellor, channel) for channel in counsellor.order()]
                found += [(way, counsellor.id, counsellor.languages[0]) for way in ways if way]
        return found


async def _first(tx: Transaction, topic: str) -> bool:
    """Whether this was not said lately. Of several processes that ask at once, one is the first."""
    await tx.connection.execute(delete(operator_notice).where(operator_notice.c.at < tx.now - AGAIN))
    insert = postgresql.insert if tx.connection.dialect.name == "postgresql" else sqlite.insert
    row = insert(operator_notice).values(topic=topic[:100], at=tx.now).on_conflict_do_nothing()
    made = await tx.connection.execute(row.returning(operator_notice.c.topic))
    return made.one_or_none() is not None
