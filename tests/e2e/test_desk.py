"""What counsellors do with a case, on both databases: pass it on, come along, note, plan, close, draft, review."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from adapters import Capabilities, Kind, Unit
from bot.app import App
from bot.desk import DeskError
from bot.desk.drafting import distance
from bot.packet_text import as_text, sections
from bot.quota import quota_of
from bot.store import Cipher, Store, conversations, drafts, handoffs, messages, offers, people
from bot.store.cipher import new_key
from bot.store.migrate import upgrade
from bot.store.plans import PLAN_FIELDS
from bot.store.schema import metadata
from config import Language, load_texts
from tests.e2e.test_escalation import Clock
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says, until

WORDS = load_texts(Language.EN)


@dataclass
class House:
    app: App
    clock: Clock
    user: MemoryAdapter
    desk: MemoryAdapter
    generator: EchoGenerator

    async def says(self, *texts: str, kind: Kind = Kind.TEXT) -> None:
        for text in texts:
            await self.app.intake.receive([says("a", text, kind)])

    async def person(self) -> conversations.Conversation:
        async with self.app.store.reading() as tx:
            found = await conversations.at(tx, address("a"))
        assert found
        return found

    async def claimed(self, by: str = "lin") -> int:
        """Somebody urgent, taken over by a counsellor who has been announced."""
        await self.says("urgent")
        async with self.app.store.reading() as tx:
            found = await handoffs.open_of(tx, (await self.person()).id)
        assert found
        assert (await self.app.desk.claim(found.id, by)).won
        return found.id

    async def handoff(self, handoff_id: int) -> handoffs.Handoff:
        async with self.app.store.reading() as tx:
            found = await handoffs.get(tx, handoff_id)
        assert found
        return found

    async def heard(self, text: str) -> None:
        """Wait until the user was told something."""
        await until(self.app.store, lambda: self._heard(self.user, "a", text))

    async def told(self, chat: str, text: str) -> None:
        """Wait until a counsellor was told something."""
        await until(self.app.store, lambda: self._heard(self.desk, chat, text))

    async def _heard(self, platform: MemoryAdapter, chat: str, text: str) -> bool:
        return any(text in one for one in platform.of(chat))


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async for made in open_house(database_url, tmp_path):
        yield made


async def open_house(
    url: str, folder: Path, able: Capabilities | None = None, review: bool = False
) -> AsyncIterator[House]:
    clock, user, desk, generator = Clock(), MemoryAdapter(capabilities=able), MemoryAdapter("telegram"), EchoGenerator()
    async with Store(url, Cipher.from_keys(new_key()), clock) as store:
        await upgrade(store)
        limits = {"roster": folder / "roster.toml", "review": review, "review_seconds": 60}
        app = make_app(store, folder, [user, desk], generator, telegram={"token": "12:test"}, handoff=limits)
        async with app.running():
            await app.responder.loaded()
            yield House(app, clock, user, desk, generator)


def refusal(error: pytest.ExceptionInfo[DeskError]) -> str:
    """The refusal's words exist; gives its key."""
    assert WORDS.get(f"desk.{error.value.key}", **error.value.fields)
    return error.value.key


@pytest.mark.parametrize("words", ["I want to talk to a real person", "我想找真人聊聊"])
async def test_plain_words_ask_for_a_person_behind_those_in_danger(house: House, words: str) -> None:
    await house.says(words)
    await house.user.wait("a", 1)
    await house.app.intake.receive([says("b", "urgent")])
    queue = [found for found, _ in await house.app.desk.queue()]
    assert [(found.reason, found.rank > 0) for found in queue] == [("screen", True), ("request", False)]


# Passing on


async def test_a_case_held_out_stays_with_its_holder_until_it_is_accepted(house: House) -> None:
    case = await house.claimed()
    await house.app.desk.transfers.offer(case, "lin", "sam", "needs a calm voice")
    await house.told("901", "needs a calm voice")
    assert (await house.handoff(case)).counsellor == "lin"
    await house.app.desk.say(case, "lin", "still me")
    before = (await house.person()).fence
    await house.app.desk.transfers.accept(case, "sam")
    assert (await house.handoff(case)).counsellor == "sam"
    assert (await house.person()).fence > before
    await house.heard(WORDS.get("handoff.transferred", before="Lin", name="Sam"))
    await house.told("900", WORDS.get("desk.transferred", name="Sam"))
    with pytest.raises(DeskError) as error:
        await house.app.desk.say(case, "lin", "me again")
    assert refusal(error) == "too_late"
    await house.app.desk.say(case, "sam", "hello from Sam")


async def test_who_declines_leaves_the_case_where_it_is(house: House) -> None:
    case = await house.claimed()
    await house.app.desk.transfers.offer(case, "lin", "sam")
    await house.app.desk.decline(case, "sam")
    await house.told("900", WORDS.get("desk.offer_declined", name="Sam"))
    assert (await house.handoff(case)).counsellor == "lin"
    with pytest.raises(DeskError) as error:
        await house.app.desk.transfers.accept(case, "sam")
    assert refusal(error) == "too_late"


async def test_an_offer_nobody_answers_lapses_and_the_holder_keeps_the_case(house: House) -> None:
    case = await house.claimed()
    await house.app.desk.transfers.offer(case, "lin", "sam")
    house.clock.advance(181)
    await house.told("900", WORDS.get("desk.offer_lapsed", name="Sam"))
    assert (await house.handoff(case)).counsellor == "lin"
    await house.app.desk.transfers.offer(case, "lin", "sam")  # and may be held out again


async def test_an_offer_is_for_whom_it_was_made_and_one_at_a_time(house: House) -> None:
    case = await house.claimed()
    with pytest.raises(DeskError) as error:
        await house.app.desk.transfers.offer(case, "sam", "lin")
    assert refusal(error) == "too_late"
    with pytest.raises(DeskError) as error:
        await house.app.desk.transfers.offer(case, "lin", "nobody")
    assert refusal(error) == "nobody_there"
    await house.app.desk.transfers.offer(case, "lin", "sam")
    with pytest.raises(DeskError) as error:
        await house.app.desk.transfers.offer(case, "lin", "sam")
    assert refusal(error) == "offer_open"
    assert [o.to for o in (await house.app.desk.inbox("sam")).offers] == ["sam"]
    assert not (await house.app.desk.inbox("lin")).offers
    await house.app.desk.transfers.withdraw(case, "lin")
    assert not (await house.app.desk.inbox("sam")).offers


async def test_of_many_accepts_of_a_team_one_wins(house: House) -> None:
    case = await house.claimed()
    async with house.app.store.transaction() as tx:  # an offer to a team of two that does not include Lin
        await offers.add(tx, case, "lin", "sam", "", tx.now + house.app.desk._floor.offer_time)
    results = await asyncio.gather(
        *(house.app.desk.transfers.accept(case, "sam") for _ in range(10)), return_exceptions=True
    )
    assert sum(r is None for r in results) == 1
    assert all(isinstance(r, DeskError) for r in results if r is not None)


async def test_when_the_holder_falls_silent_an_offer_ends_with_the_claim(house: House) -> None:
    case = await house.claimed()
    house.clock.advance(595)
    await house.app.desk.transfers.offer(case, "lin", "sam")
    house.clock.advance(10)
    await house.told("900", WORDS.get("desk.lapsed"))
    with pytest.raises(DeskError) as error:
        await house.app.desk.transfers.accept(case, "sam")
    assert refusal(error) == "offer_gone"
    assert (await house.app.desk.claim(case, "sam")).won


# Company


async def test_a_second_who_was_invited_writes_under_their_own_name(house: House) -> None:
    case = await house.claimed()
    desk = house.app.desk
    with pytest.raises(DeskError) as error:
        await desk.say(case, "sam", "hello")
    assert refusal(error) == "too_late"
    with pytest.raises(DeskError) as error:
        await desk.company.join(case, "sam")
    assert refusal(error) == "not_invited"
    await desk.company.invite(case, "lin", "sam")
    await house.told("901", WORDS.get("desk.invited", name="Lin"))
    await desk.company.join(case, "sam")
    await house.heard(WORDS.get("handoff.joined", name="Sam"))
    await desk.say(case, "sam", "hello from Sam")
    seen = await desk.case(case, "lin")
    assert seen
    assert [m.counsellor for m in seen.messages if m.author == messages.COUNSELLOR] == ["sam"]
    assert seen.may_write("sam")
    assert (await house.handoff(case)).counsellor == "lin"
    await desk.company.leave(case, "sam")
    with pytest.raises(DeskError):
        await desk.say(case, "sam", "and another thing")


async def test_a_supervisor_watches_in_silence_and_whispers_to_the_counsellor_alone(house: House) -> None:
    case = await house.claimed(by="sam")
    desk = house.app.desk
    await house.user.wait("a", 2)
    with pytest.raises(DeskError) as error:
        await desk.company.whisper(case, "lin", "ask about the pills")
    assert refusal(error) == "too_late"
    await desk.company.watch(case, "lin")
    await desk.company.whisper(case, "lin", "ask about the pills")
    await house.told("901", "ask about the pills")
    assert not any("pills" in text for text in house.user.of("a"))
    assert len(house.user.of("a")) == 2
    for viewer, expected in (("sam", ["ask about the pills"]), ("lin", ["ask about the pills"]), ("other", [])):
        seen = await desk.case(case, viewer)
        assert seen
        assert [w.text for w in seen.whispers] == expected
        assert "watches" in [e.event for e in seen.events]


async def test_only_supervisors_watch(house: House) -> None:
    case = await house.claimed()
    with pytest.raises(DeskError) as error:
        await house.app.desk.company.watch(case, "sam")
    assert refusal(error) == "supervisors_only"


# Records


async def test_notes_and_how_it_ended_are_there_when_the_person_comes_again(house: House) -> None:
    desk = house.app.desk
    case = await house.claimed()
    await desk.records.note(case, "lin", "has a brother in Leeds")
    await desk.release(case, "lin", "sleeping now", "referred", {"where": "GP on Monday"})
    again = await house.claimed(by="sam")
    assert again != case
    seen = await desk.case(again, "sam")
    assert seen
    assert [(n.author, n.text) for n in seen.notes] == [("lin", "has a brother in Leeds")]
    (earlier,) = seen.packet.earlier
    assert (earlier.outcome, earlier.note, earlier.counsellor) == ("referred", "sleeping now", "lin")
    assert earlier.disposition
    assert earlier.disposition.fields == {"where": "GP on Monday"}
    assert not any("Leeds" in text for text in house.user.of("a"))


async def test_a_safety_plan_keeps_its_versions_and_is_shown_when_wished(house: House) -> None:
    desk = house.app.desk
    await house.says("plan", kind=Kind.COMMAND)
    await house.heard(WORDS.get("plan.none"))
    case = await house.claimed()
    with pytest.raises(DeskError) as error:
        await desk.records.write_plan(case, "lin", {"signs": "  "})
    assert refusal(error) == "plan_empty"
    await desk.records.write_plan(case, "lin", {"signs": "I stop eating"})
    await desk.records.write_plan(case, "lin", {"signs": "I stop eating", "people": "my aunt"})
    assert [p.version for p in await desk.records.plans(case, "lin")] == [2, 1]
    await desk.records.show_plan(case, "lin")
    await house.heard("my aunt")
    (shown,) = [text for text in house.user.of("a") if "my aunt" in text]
    assert WORDS.get("plan.field.people") in shown
    assert WORDS.get("plan.field.alone") not in shown  # empty fields are left out
    await desk.release(case, "lin", "", "safe_for_now")
    await house.says("plan", kind=Kind.COMMAND)
    await until(house.app.store, lambda: shown_twice(house))


async def shown_twice(house: House) -> bool:
    return sum("my aunt" in text for text in house.user.of("a")) == 2


@pytest.mark.parametrize(
    ("outcome", "details", "empty"),
    [
        ("referred", {}, "where"),
        ("emergency_called", {"service": "ambulance"}, "who_called"),
        ("emergency_arrived", {"service": "ambulance", "who_called": "Lin"}, "arrived_at"),
        ("no_contact", {"tried": "  "}, "tried"),
    ],
)
async def test_a_case_is_not_closed_before_the_form_is_filled(
    house: House, outcome: str, details: dict[str, str], empty: str
) -> None:
    case = await house.claimed()
    with pytest.raises(DeskError) as error:
        await house.app.desk.release(case, "lin", "", outcome, details)
    assert (refusal(error), error.value.fields) == ("field_missing", {"field": empty})
    assert (await house.handoff(case)).state == handoffs.CLAIMED
    await house.app.desk.release(case, "lin", "", outcome, details | {empty: "filled"})
    assert (await house.handoff(case)).outcome == outcome


async def test_danger_again_soon_after_is_greeted_as_a_return(house: House) -> None:
    case = await house.claimed(by="sam")
    await house.app.desk.release(case, "sam", "", "safe_for_now")
    before = len(house.desk.of("901"))
    await house.says("urgent")
    await house.heard(WORDS.get("handoff.reopened"))
    await house.desk.wait("901", before + 1)  # Sam, who is on the second rung only, is paged at once


async def test_erasing_takes_everything_along_and_export_shows_it(house: House) -> None:
    desk = house.app.desk
    case = await house.claimed()
    await desk.records.note(case, "lin", "secret note")
    await desk.records.write_plan(case, "lin", {"alone": "secret plan"})
    await desk.company.whisper(case, "lin", "secret whisper")
    await desk.release(case, "lin", "", "referred", {"where": "secret place"})
    person = await house.person()
    async with house.app.store.transaction() as tx:
        text = json.dumps(await people.export(tx, person.person_id))
        assert all(f"secret {what}" in text for what in ("note", "plan", "whisper", "place"))
        assert await people.erase(tx, person.person_id)
    async with house.app.store.reading() as tx:
        for table in ("note", "plan", "companion", "offer", "disposition", "draft"):
            left = await tx.connection.scalar(select(func.count()).select_from(metadata.tables[table]))
            assert left == 0, table


# Drafts


async def test_a_counsellor_gets_a_draft_and_what_became_of_it_is_kept(house: House) -> None:
    desk = house.app.desk
    case = await house.claimed()
    await house.says("I cannot sleep")
    for text, state in ((None, "sent"), ("quite another answer", "edited")):
        draft = await desk.drafts.make(case, "lin")
        assert draft.text
        assert "I cannot sleep" in draft.asked
        assert not any(draft.text in one for one in house.user.of("a", "counsellor"))
        await desk.say(case, "lin", text or draft.text, draft_id=draft.id)
        await house.heard(text or draft.text)
        async with house.app.store.reading() as tx:
            kept = await drafts.get(tx, draft.id)
        assert kept
        assert (kept.state, kept.text) == (state, "")
        await house.says("I still cannot sleep, I said: I cannot sleep")
    thrown = await desk.drafts.make(case, "lin")
    await desk.drafts.discard(thrown.id, "lin")
    with pytest.raises(DeskError) as error:
        await desk.drafts.discard(thrown.id, "lin")
    assert refusal(error) == "draft_gone"
    async with house.app.store.reading() as tx:
        assert {f.state: f.number for f in await drafts.fates(tx)} == {"sent": 1, "edited": 1, "discarded": 1}


async def test_only_who_has_the_case_gets_drafts_of_it(house: House) -> None:
    case = await house.claimed()
    with pytest.raises(DeskError) as error:
        await house.app.desk.drafts.make(case, "sam")
    assert refusal(error) == "too_late"


def test_the_distance_counts_what_a_counsellor_changed() -> None:
    assert distance("", "") == 0
    assert distance("same", "same") == 0
    assert distance("", "four") == 4
    assert distance("a cat sat", "a dog sat") == 3


# Review mode


@pytest.fixture
async def reviewed(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async for made in open_house(database_url, tmp_path, review=True):
        yield made


async def test_in_review_mode_an_answer_leaves_only_when_a_counsellor_approved_it(reviewed: House) -> None:
    await reviewed.says("hello")
    await reviewed.heard(WORDS.get("review.held"))
    await reviewed.told("900", "echo: hello.")
    (draft,) = (await reviewed.app.desk.inbox("lin")).drafts
    assert reviewed.user.of("a", "bot") == []
    await reviewed.app.desk.drafts.approve(draft.id, "lin", "echo, but kinder")
    assert await reviewed.user.wait("a", 1, "bot") == ["echo, but kinder"]
    with pytest.raises(DeskError) as error:
        await reviewed.app.desk.drafts.approve(draft.id, "lin")
    assert refusal(error) == "draft_gone"


async def test_crisis_texts_do_not_wait_for_approval_and_overtake_what_did(reviewed: House) -> None:
    await reviewed.says("hello")
    await reviewed.told("900", "echo: hello.")
    (draft,) = (await reviewed.app.desk.inbox("lin")).drafts
    await reviewed.says("urgent")
    await until(reviewed.app.store, lambda: lines_given(reviewed))
    with pytest.raises(DeskError) as error:
        await reviewed.app.desk.drafts.approve(draft.id, "lin")
    assert refusal(error) == "draft_gone"


async def lines_given(house: House) -> bool:
    return any("116 123" in text for text in house.user.of("a"))


async def test_when_nobody_approves_the_user_hears_so_once_and_the_draft_still_waits(reviewed: House) -> None:
    await reviewed.says("hello")
    await reviewed.heard(WORDS.get("review.held"))
    reviewed.clock.advance(61)
    await reviewed.heard(WORDS.get("review.late"))
    await reviewed.app.due.step()
    (draft,) = (await reviewed.app.desk.inbox("lin")).drafts
    await reviewed.app.desk.drafts.approve(draft.id, "lin")
    assert await reviewed.user.wait("a", 1, "bot") == ["echo: hello."]
    assert reviewed.user.of("a").count(WORDS.get("review.late")) == 1


async def test_one_conversation_can_be_reviewed_alone(house: House) -> None:
    await house.says("hello")
    await house.user.wait("a", 1, "bot")
    await house.app.desk.drafts.set_review((await house.person()).id, "lin", on=True)
    await house.says("and now")
    await house.told("900", "echo: and now.")
    assert house.user.of("a", "bot") == ["echo: hello."]


# Little room


@pytest.fixture
async def narrow(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    able = Capabilities(200, Unit.BYTES, window_hours=48, window_messages=5)
    async for made in open_house(database_url, tmp_path, able):
        yield made


async def test_a_counsellors_quick_lines_share_a_message_when_few_are_left(narrow: House) -> None:
    case = await narrow.claimed()
    await until(narrow.app.store, lambda: said_all(narrow))
    for line in ("hello", "I am Lin", "how are you"):
        await narrow.app.desk.say(case, "lin", line)
    narrow.clock.advance(7)
    narrow.app.store.wake.ring("outbox")
    assert await narrow.user.wait("a", 1, "counsellor") == ["hello\nI am Lin\nhow are you"]
    seen = await narrow.app.desk.case(case, "lin")
    assert seen
    assert [m.text for m in seen.messages if m.author == messages.COUNSELLOR] == ["hello\nI am Lin\nhow are you"]


async def said_all(house: House) -> bool:
    """Whether everything of the bot has left, so that only the counsellor's lines wait."""
    return await left_of(house) <= 2 and bool(house.user.of("a")) and house.user.of("a")[-1].startswith("Lin")


async def left_of(house: House) -> int:
    person = await house.person()
    async with house.app.store.reading() as tx:
        quota = await quota_of(tx, person, house.user.capabilities)
    assert quota
    return quota.messages_left


async def test_the_quota_counts_down_and_begins_anew_with_the_users_next_word(narrow: House) -> None:
    await narrow.says("hi")
    await narrow.user.wait("a", 1)
    assert await left_of(narrow) == 4
    await narrow.says("ho")
    await narrow.user.wait("a", 2)
    assert await left_of(narrow) == 4


async def test_the_packet_says_what_is_known_in_the_readers_language(house: House) -> None:
    await house.says("I'm 15 and my mum is here with me")
    case = await house.claimed()
    await house.says("urgent")
    seen = await house.app.desk.case(case, "lin")
    assert seen
    packet = seen.packet
    assert (packet.level.value, packet.reason, packet.version, packet.rules) == ("urgent", "screen", "words", ("word",))
    assert {k.topic: k.answer for k in packet.known if k.topic in ("minor", "alone")} == {"minor": "yes", "alone": "no"}
    assert {"999", "116 123"} <= set(packet.lines_given) or not any(s.sent for s in packet.bot_said)
    assert packet.looking == ("lin",)
    for language in Language:
        words = load_texts(language)
        text = as_text(sections(packet, words, house.clock(), house.app.desk.name))
        assert words.get("topic.minor") in text
        assert words.get("packet.open") in text
        assert "Europe/London" in text


def test_a_plan_has_six_fields_with_headings() -> None:
    for language in Language:
        assert len({load_texts(language).get(f"plan.field.{name}") for name in PLAN_FIELDS}) == 6
