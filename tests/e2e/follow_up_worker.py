"""Many enrolments whose first is due now, and the worker over them; as a program it takes them batch by batch."""

import asyncio
import sys
from datetime import timedelta

from sqlalchemy import insert

from adapters import Capabilities, Unit
from bot.followups.content import Content
from bot.followups.enrolments import Enrolments
from bot.followups.worker import FollowUps
from bot.speak import Speaker
from bot.store import Store, followups, schema
from bot.wording import Wording
from config import Language, load_crisis_lines
from config.programmes import load_programmes
from config.settings import FollowUpSettings
from engine.library import load_library

PLATFORM = "memory"
LATE = timedelta(hours=3)
_CHUNK = 5_000


async def enrol_many(store: Store, count: int, due: int | None = None) -> None:
    """`count` people in `mood_checkin`; the first `due` (all) of them are due now, the others in a month."""
    for start in range(0, count, _CHUNK):
        many = range(start + 1, min(start + _CHUNK, count) + 1)
        async with store.transaction() as tx:
            now = tx.now
            await followups.open_lane(tx, PLATFORM)
            add = tx.connection.execute
            await add(insert(schema.person), [
                {"id": n, "created_at": now, "language": "en", "language_chosen": False, "script": "latin",
                 "erase_at_close": False} for n in many
            ])  # fmt: skip
            await add(insert(schema.conversation), [
                {"id": n, "person_id": n, "address": f"{PLATFORM}:12:{n}", "holder": "bot", "fence": 0, "level": "none",
                 "last_seq": 0, "turn_attempts": 0} for n in many
            ])  # fmt: skip
            await add(insert(schema.rhythm), [
                {"person_id": n, "zone": "Europe/London", "zone_known": True, "quiet_from": 0, "quiet_until": 0,
                 "asking": ""} for n in many
            ])  # fmt: skip
            await add(insert(schema.enrolment), [
                {"id": n, "person_id": n, "conversation_id": n, "programme": "mood_checkin", "version": 1,
                 "state": "active", "reason": "", "source": "user", "start_day": now.date(), "unanswered": 0,
                 "created_at": now, "agreed_at": now} for n in many
            ])  # fmt: skip
            later = now + timedelta(days=30)
            await add(insert(schema.occurrence), [
                {"enrolment_id": n, "platform": PLATFORM, "day": 0, "round": 0, "state": "due", "reason": "",
                 "planned_at": at, "due_at": at, "latest_at": at + LATE}
                for n in many for at in [now if due is None or n <= due else later]
            ])  # fmt: skip


def worker_of(store: Store, batch: int = 500) -> FollowUps:
    """The worker, with a lane that is never full."""
    able = {PLATFORM: Capabilities(4000, Unit.CHARACTERS, buttons=True)}
    wording, settings = Wording(load_crisis_lines(), Language.EN, "GB"), FollowUpSettings()
    enrolments = Enrolments(load_programmes(), settings, "GB")
    content = Content(wording, Speaker(able), load_library())
    return FollowUps(store, enrolments, content, able, 10_000, 0.2, batch)


async def _work(url: str) -> None:
    async with Store(url) as store:
        worker = worker_of(store, batch=100)
        while (await store.retrying(lambda tx: worker._take(tx, PLATFORM)))[1]:
            sys.stdout.write("taken\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
