"""The desk in a counsellor's private chat: every action by a command or a button, and a refusal in words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters import Kind
from bot.store import handoffs, notes
from config import Language
from config.canned import load_canned
from tests.e2e.test_desk import WORDS, House, open_house
from tests.support import Heard, says

LIN, SAM = "900", "901"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async for made in open_house(f"sqlite+aiosqlite:///{tmp_path / 'chat.db'}", tmp_path):
        yield made


async def sends(house: House, chat: str, text: str, kind: Kind = Kind.COMMAND) -> None:
    await house.app.intake.receive([says(chat, text, kind, platform="telegram")])


async def offered(house: House, chat: str, text: str) -> Heard:
    """What the counsellor was told, with its buttons."""
    await house.told(chat, text)
    return [h for h in house.desk.heard if h.chat == chat and text in h.text][-1]


async def press(house: House, chat: str, shown: Heard, wanted: str) -> None:
    """Press the button whose action begins or ends with this."""
    (action,) = [a for a in shown.actions if a.startswith(wanted) or a.endswith(wanted)]
    await sends(house, chat, action, Kind.ACTION)


async def test_a_case_is_passed_on_and_closed_by_buttons_and_commands(house: House) -> None:
    case = await house.claimed()
    await sends(house, LIN, "transfer")
    await press(house, LIN, await offered(house, LIN, WORDS.get("desk.choose")), " sam")
    await press(house, SAM, await offered(house, SAM, WORDS.get("desk.offered", name="Lin", note="-")), "accept")
    await house.told(SAM, WORDS.get("desk.transferred_to_you", name="Lin"))
    await sends(house, SAM, "note keep it short")
    await house.told(SAM, WORDS.get("desk.noted"))
    await sends(house, SAM, "packet")
    await house.told(SAM, "keep it short")
    await sends(house, SAM, "close referred")
    await house.told(SAM, "/close referred; Where to")
    await sends(house, SAM, "close referred; GP on Monday; sleeping now")
    await house.told(SAM, WORDS.get("desk.released"))
    assert (await house.handoff(case)).outcome == "referred"
    async with house.app.store.reading() as tx:
        (earlier,) = await handoffs.closed_of(tx, (await house.person()).person_id)
        assert [n.text for n in await notes.of_handoff(tx, earlier.id)] == ["keep it short"]


async def test_a_colleague_comes_along_by_button_and_goes_again(house: House) -> None:
    await house.claimed()
    await sends(house, LIN, "invite sam")
    await press(house, SAM, await offered(house, SAM, WORDS.get("desk.invited", name="Lin")), "join")
    await house.told(SAM, WORDS.get("desk.joined_by_you"))
    await sends(house, SAM, "hello from Sam", Kind.TEXT)
    assert await house.user.wait("a", 1, "counsellor") == ["hello from Sam"]
    await house.says("glad you are both here")
    for chat in (LIN, SAM):
        await house.told(chat, "glad you are both here")
    await sends(house, SAM, "leave")
    await house.told(SAM, WORDS.get("desk.left"))


async def test_ready_made_words_are_chosen_by_topic_and_sent(house: House) -> None:
    await house.claimed()
    await sends(house, LIN, "canned")
    await press(house, LIN, await offered(house, LIN, WORDS.get("desk.choose")), " safety")
    plan = next(r for r in load_canned(Language.EN) if r.id == "safety.plan")
    await press(house, LIN, await offered(house, LIN, plan.text), " safety.plan")
    assert await house.user.wait("a", 1, "counsellor") == [plan.text]


async def test_a_refusal_is_said_in_words(house: House) -> None:
    await sends(house, LIN, "note nobody there")
    await house.told(LIN, WORDS.get("desk.no_case"))
    await house.claimed()
    await sends(house, LIN, "plan")
    await house.told(LIN, WORDS.get("desk.no_plan"))
    await sends(house, SAM, "accept 1", Kind.ACTION)
    await house.told(SAM, WORDS.get("desk.too_late", name="Lin"))
    await sends(house, SAM, "approve 99", Kind.ACTION)
    await house.told(SAM, WORDS.get("desk.draft_gone"))


async def test_an_answer_is_approved_by_button(tmp_path: Path) -> None:
    async for house in open_house(f"sqlite+aiosqlite:///{tmp_path / 'review.db'}", tmp_path, review=True):
        await house.says("hello")
        await press(house, LIN, await offered(house, LIN, "echo: hello."), "approve")
        assert await house.user.wait("a", 1, "bot") == ["echo: hello."]
