"""What counsellors say of the screen comes out as training rows, and a text only after its writer's yes."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters import Kind
from bot.store import handoffs, outcomes
from tests.e2e.test_cli import psyllm
from tests.e2e.test_desk import WORDS, House, open_house
from tests.support import says

SECRET = "xylophonesecret"


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async for made in open_house(database_url, tmp_path):
        yield made


async def closed(house: House, words: str, outcome: str, kind: Kind = Kind.TEXT) -> None:
    await house.app.intake.receive([says("a", words, kind)])
    while not (found := await open_case(house)):
        await house.user.wait("a", len(house.user.of("a")) + 1)
    assert (await house.app.desk.claim(found.id, "lin")).won
    await house.app.desk.release(found.id, "lin", "", outcome)


async def open_case(house: House) -> handoffs.Handoff | None:
    async with house.app.store.reading() as tx:
        return await handoffs.open_of(tx, (await house.person()).id)


async def exported(house: House) -> list[dict[str, object]]:
    async with house.app.store.reading() as tx:
        return await outcomes.rows(tx)


async def test_rows_say_what_was_judged_and_whether_it_was_right(house: House) -> None:
    await closed(house, f"urgent {SECRET}", "false_alarm")
    await house.says("I took something")
    await closed(house, "human", "missed", Kind.COMMAND)
    await closed(house, "urgent", "safe_for_now")
    first, second, third = await exported(house)
    assert (first["label"], first["version"], first["score"], first["rules"]) == ("false_alarm", "words", 0.9, ["word"])
    assert (second["label"], second["reason"], second["score"]) == ("missed", "request", 0.01)
    assert third["label"] is None
    assert SECRET not in json.dumps([first, second, third])


async def test_a_text_is_there_after_a_yes_and_gone_after_it_is_taken_back(house: House) -> None:
    await closed(house, f"urgent {SECRET}", "false_alarm")
    await house.says("share", kind=Kind.COMMAND)
    await house.heard(WORDS.get("share.ask"))
    for answer, key, there in (("yes", "share.given", True), ("no", "share.taken_back", False)):
        await house.says(f"share {answer}", kind=Kind.COMMAND)
        await house.heard(WORDS.get(key))
        (row,) = await exported(house)
        assert row.get("text") == (f"urgent {SECRET}" if there else None)


def test_the_commands_answer_on_an_empty_database(tmp_path: Path) -> None:
    for command in ("export", "drafts"):
        done = psyllm(tmp_path, "outcomes", command)
        assert (done.returncode, done.stdout) == (0, "")
