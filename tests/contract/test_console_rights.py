"""Who may read a conversation: every role in every relation to it, through the one place that decides."""

from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from adapters import Attachment, Kind
from bot.app import App
from bot.console import Accounts
from bot.console.gate import COOKIE
from bot.console.media import media_routes
from bot.console.rights import Right, may, may_open, may_read
from bot.store import Store, handoffs
from config import Counsellor
from tests.support import EchoGenerator, MemoryAdapter, make_app, says

PEOPLE = """
gaps_accepted = true
counsellors = [
    {id = "lin", name = "Lin"},
    {id = "sam", name = "Sam"},
    {id = "kim", name = "Kim", role = "supervisor"},
    {id = "boss", name = "Boss", role = "operator"},
]
ladder = [{who = ["lin", "sam"]}]
"""


@pytest.fixture
def app(store: Store, tmp_path: Path) -> App:
    roster = tmp_path / "people.toml"
    roster.write_text(PEOPLE)
    return make_app(store, tmp_path, [MemoryAdapter()], EchoGenerator(), handoff={"roster": roster})


def person(app: App, name: str) -> Counsellor:
    found = app.roster.counsellor(name)
    assert found
    return found


async def readers(app: App, handoff_id: int) -> set[str]:
    """Ids of those to whom the case is open."""
    return {c.id for c in app.roster.counsellors if await may_open(app.desk, c, handoff_id)}


async def opened(app: App) -> int:
    """The handoff of somebody who wrote that it is urgent."""
    await app.intake.receive([says("1", "this is urgent")])
    ((found, _),) = await app.desk.queue()
    return found.id


def test_the_roles_rights_are_these() -> None:
    rights = {
        role: {right for right in Right if may(Counsellor(id="x", name="X", role=role), right)}
        for role in ("counsellor", "supervisor", "operator")
    }
    assert rights == {
        "counsellor": {Right.ANSWER},
        "supervisor": {Right.ANSWER, Right.OVERSEE, Right.NUMBERS},
        "operator": {Right.ANSWER, Right.NUMBERS, Right.SCHEDULE, Right.FOLLOWUPS},
    }


async def test_a_case_is_open_to_those_who_are_called_and_then_to_those_who_are_in_it(app: App) -> None:
    desk, case = app.desk, await opened(app)
    assert await readers(app, case) == {"lin", "sam", "kim", "boss"}, "while it waits, anybody may look"
    assert (await desk.claim(case, "lin")).won
    assert await readers(app, case) == {"lin", "kim"}
    await desk.company.invite(case, "lin", "boss")
    assert await readers(app, case) == {"lin", "kim", "boss"}
    await desk.decline(case, "boss")
    await desk.transfers.offer(case, "lin", "sam")
    assert await readers(app, case) == {"lin", "sam", "kim"}
    await desk.transfers.accept(case, "sam")
    assert await readers(app, case) == {"sam", "kim"}, "who passed it on reads no further"
    await desk.release(case, "sam", "calmer")
    assert await readers(app, case) == {"sam", "kim"}


async def test_who_closed_a_case_reads_no_more_once_the_person_is_with_somebody_else(app: App) -> None:
    first = await opened(app)
    await app.desk.claim(first, "lin")
    await app.desk.release(first, "lin", "calmer")
    await app.intake.receive([says("1", "this is urgent again")])
    ((second, _),) = await app.desk.queue()
    await app.desk.claim(second.id, "sam")
    assert await readers(app, first) == await readers(app, second.id) == {"sam", "kim"}


async def test_a_conversation_that_was_never_handed_off_is_open_to_supervisors_alone(app: App, store: Store) -> None:
    await app.intake.receive([says("1", "good morning")])
    async with store.reading() as tx:
        allowed = {c.id for c in app.roster.counsellors if await may_read(app.desk, tx, c, 1)}
    assert allowed == {"kim"}


async def test_the_page_of_a_case_that_does_not_exist_is_open_to_say_so(app: App) -> None:
    assert await may_open(app.desk, person(app, "lin"), 999)


async def test_deciding_is_no_look_and_looking_is_recorded(app: App, store: Store) -> None:
    case = await opened(app)
    await readers(app, case)
    async with store.reading() as tx:
        assert await handoffs.looking(tx, 1) == []
    await app.desk.case(case, "kim")
    async with store.reading() as tx:
        assert await handoffs.looking(tx, 1) == ["kim"]


async def test_an_attachment_is_for_those_who_may_read_the_conversation(app: App, store: Store) -> None:
    photo = Attachment(Kind.PHOTO, "file-1")
    await app.intake.receive([replace(says("1", "this is urgent"), attachments=(photo,))])
    ((case, _),) = await app.desk.queue()
    await app.desk.claim(case.id, "lin")
    accounts = Accounts(store, app.roster)
    site = FastAPI()
    site.include_router(media_routes(app.desk, accounts, app.adapters))
    answers = {}
    async with AsyncClient(transport=ASGITransport(site), base_url="http://desk") as client:
        assert (await client.get("/console/media/1/0")).status_code == 401
        for name in ("lin", "sam", "kim", "boss"):
            token = await accounts.set_up(await accounts.invite(name), "correct horse battery")
            answers[name] = (
                await client.get("/console/media/1/0", headers={"Cookie": f"{COOKIE}={token}"})
            ).status_code
    # The platform in memory gives nobody a file, which only those hear who may have it.
    assert answers == {"lin": 502, "sam": 404, "kim": 502, "boss": 404}
