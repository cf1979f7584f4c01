"""What the store promises, on SQLite and on PostgreSQL alike."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from bot.store import Cipher, CipherError, Store, conversations, handoffs, messages, opinions, outbox, turns
from bot.store.cipher import new_key
from bot.store.migrate import HEAD, differences, upgrade, version
from bot.store.outbox import Kind, Outcome, Outgoing
from bot.store.schema import message, view
from engine import About, Level
from tests.support import address

LEASE = timedelta(seconds=30)


async def a_conversation(store: Store, chat: str = "1") -> conversations.Conversation:
    async with store.transaction() as tx:
        return (await conversations.find_or_create(tx, [address(chat)]))[address(chat)]


async def write(
    store: Store, of: conversations.Conversation, *texts: str, kind: Kind = Kind.REPLY, fence: int | None = None
) -> None:
    async with store.transaction() as tx:
        await outbox.add(tx, [Outgoing(of.id, of.address, kind, text, fence=fence) for text in texts])


async def claim(store: Store, limit: int = 10, open_now: frozenset[str] = frozenset()) -> list[outbox.Claimed]:
    async with store.transaction() as tx:
        return await outbox.claim(tx, "me", ["memory"], limit, LEASE, open_now)


async def record(store: Store, *outcomes: Outcome) -> None:
    async with store.transaction() as tx:
        await outbox.record(tx, outcomes)


async def test_the_tables_are_those_of_the_schema(store: Store) -> None:
    assert await version(store) == HEAD
    assert await differences(store) == []
    assert await upgrade(store) is False


async def test_a_text_is_sealed_at_rest_and_opens_with_the_old_key_after_rotation(store: Store) -> None:
    person = await a_conversation(store)
    async with store.transaction() as tx:
        await messages.add(tx, [messages.New(person.id, "user", "我的秘密", tx.now, seq=1)])
        body = await tx.connection.scalar(select(message.c.body))
    assert "我的秘密".encode() not in bytes(body or b"")
    assert "secret" not in repr(Cipher.from_keys(new_key()))


def test_keys_rotate_and_a_missing_one_is_named() -> None:
    old, new = new_key(), new_key()
    sealed = Cipher.from_keys(old).seal("hello")
    assert Cipher.from_keys(f"{new},{old}").open(sealed) == "hello"
    with pytest.raises(CipherError, match="PSYLLM_SECRET_KEYS"):
        Cipher.from_keys(new).open(sealed)
    with pytest.raises(CipherError, match="changed"):
        Cipher.from_keys(old).open(sealed[:-1] + bytes([sealed[-1] ^ 1]))


async def test_two_who_meet_an_address_at_once_make_one_conversation(store: Store) -> None:
    made = await asyncio.gather(*(a_conversation(store, "same") for _ in range(8)))
    assert len({c.id for c in made}) == 1


async def test_one_row_of_an_address_is_under_way_at_a_time_and_in_order(store: Store) -> None:
    person, other = await a_conversation(store, "a"), await a_conversation(store, "b")
    await write(store, person, "1", "2")
    await write(store, other, "3")
    first = await claim(store)
    assert [row.reply.text for row in first] == ["1", "3"]
    assert await claim(store) == []
    await record(store, Outcome(first[0].id, "sent"))
    assert [row.reply.text for row in await claim(store)] == ["2"]


async def test_a_crisis_text_overtakes_what_waits_for_a_retry(store: Store) -> None:
    person = await a_conversation(store)
    await write(store, person, "reply")
    (row,) = await claim(store)
    await record(store, Outcome(row.id, "waiting", "later", due_at=store.clock() + timedelta(hours=1)))
    await write(store, person, "crisis", kind=Kind.CRISIS)
    assert [row.reply.text for row in await claim(store)] == ["crisis"]


async def test_a_retry_holds_back_what_was_written_after_it(store: Store) -> None:
    person = await a_conversation(store)
    await write(store, person, "1")
    (row,) = await claim(store)
    await record(store, Outcome(row.id, "waiting", "later", due_at=store.clock() + timedelta(hours=1)))
    await write(store, person, "2")
    assert await claim(store) == []


async def test_a_held_row_leaves_only_while_its_window_is_open(store: Store) -> None:
    person = await a_conversation(store)
    await write(store, person, "held")
    (row,) = await claim(store)
    await record(store, Outcome(row.id, "waiting", "window", due_at=None))
    assert await claim(store) == []
    assert [r.reply.text for r in await claim(store, open_now=frozenset([str(person.address)]))] == ["held"]


async def test_a_raised_fence_drops_what_the_bot_wrote_and_takes_it_out_of_the_transcript(store: Store) -> None:
    person = await a_conversation(store)
    await write(store, person, "bot", fence=person.fence)
    async with store.transaction() as tx:
        locked = (await conversations.lock(tx, [person.id]))[person.id]
        locked.fence += 1
        await conversations.save(tx, [locked])
    await write(store, person, "human")
    assert await claim(store) == []
    assert [row.reply.text for row in await claim(store)] == ["human"]
    async with store.reading() as tx:
        assert [m.text for m in await messages.every(tx, person.id)] == ["human"]


async def test_rows_of_a_dead_sender_are_found_after_the_lease_crisis_texts_to_be_repeated(store: Store) -> None:
    person, other = await a_conversation(store, "a"), await a_conversation(store, "b")
    await write(store, person, "reply")
    await write(store, other, "crisis", kind=Kind.CRISIS)
    assert len(await claim(store)) == 2
    async with store.transaction() as tx:
        tx.now += LEASE + timedelta(seconds=1)
        assert [r.reply.text for r in await outbox.lapsed(tx, repeat=True)] == ["crisis"]
        assert [r.reply.text for r in await outbox.lapsed(tx, repeat=False)] == ["reply"]


async def test_a_turn_is_claimed_once_until_its_lease_ends(store: Store) -> None:
    person = await a_conversation(store)
    async with store.transaction() as tx:
        locked = (await conversations.lock(tx, [person.id]))[person.id]
        locked.turn_due_at = tx.now
        await conversations.save(tx, [locked])
        await messages.add(tx, [messages.New(person.id, "user", "hi", tx.now, seq=1, state=messages.PENDING)])
    async with store.transaction() as tx:
        (first,) = await turns.claim(tx, 10, LEASE)
    async with store.transaction() as tx:
        assert await turns.claim(tx, 10, LEASE) == []
        tx.now += LEASE + timedelta(seconds=1)
        (second,) = await turns.claim(tx, 10, LEASE)
        assert second.attempts == 1
    async with store.transaction() as tx:
        assert (await conversations.lock(tx, [person.id]))[person.id].turn_owner == second.owner
        assert first.owner != second.owner


async def open_handoff(store: Store, chat: str) -> handoffs.Handoff:
    person = await a_conversation(store, chat)
    async with store.transaction() as tx:
        return await handoffs.add(tx, person.id, Level.URGENT, 2, None, About.SELF, "screen", None, tx.now)


async def test_of_fifty_who_claim_one_wins(store: Store) -> None:
    opened = await open_handoff(store, "1")

    async def one(name: str) -> bool:
        async with store.transaction() as tx:
            return await handoffs.claim(tx, opened.id, name, LEASE)

    assert sum(await asyncio.gather(*(one(f"c{n}") for n in range(50)))) == 1


async def test_the_table_refuses_an_open_handoff_without_a_next_step(store: Store) -> None:
    opened = await open_handoff(store, "1")
    with pytest.raises(IntegrityError):
        async with store.transaction() as tx:
            await handoffs.change(tx, opened.id, next_step_at=None)


async def test_a_conversation_has_one_open_handoff(store: Store) -> None:
    await open_handoff(store, "1")
    with pytest.raises(IntegrityError):
        await open_handoff(store, "1")


async def test_a_commit_wakes_waiters_here_and_a_failed_one_does_not(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as tx:
            tx.ring("turns")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await store.wake.wait("turns", 0.01) is False
    async with store.transaction() as tx:
        tx.ring("turns")
    assert await store.wake.wait("turns", 5) is True


async def test_a_commit_wakes_other_processes_on_postgresql(postgres_database: str) -> None:
    async with Store(postgres_database) as one, Store(postgres_database) as two:
        await upgrade(one)
        await two.listening()
        async with one.transaction() as tx:
            tx.ring("outbox")
        assert await two.wake.wait("outbox", 10) is True


async def test_lone_surrogates_and_nulls_are_kept_as_well_as_can_be(store: Store) -> None:
    person = await a_conversation(store)
    async with store.transaction() as tx:
        await messages.add(tx, [messages.New(person.id, "user", "a\ud800\x00b", tx.now, seq=1)])
    async with store.reading() as tx:
        assert (await messages.every(tx, person.id))[0].text == "a?\x00b"


async def test_what_waits_for_an_open_request_leaves_together_in_order(store: Store) -> None:
    person = await a_conversation(store)
    await write(store, person, "1", "2", "3")
    rows = await claim(store, open_now=frozenset([str(person.address)]))
    assert [row.reply.text for row in rows] == ["1", "2", "3"]


async def test_a_look_at_a_conversation_is_recorded_once_while_it_lasts(store: Store) -> None:
    person = await a_conversation(store)
    for viewer in ("lin", "lin", "sam"):
        async with store.transaction() as tx:
            await handoffs.viewed(tx, person.id, viewer)
    async with store.transaction() as tx:
        tx.now += handoffs.SAME_LOOK
        await handoffs.viewed(tx, person.id, "lin")
        looks = list(await tx.connection.scalars(select(view.c.counsellor).order_by(view.c.id)))
    assert looks == ["lin", "sam", "lin"]


async def due_opinions(store: Store, count: int) -> list[int]:
    """So many messages on which a second opinion is to come."""
    person = await a_conversation(store)
    async with store.transaction() as tx:
        said = [messages.New(person.id, messages.USER, "x", tx.now, seq=n) for n in range(1, count + 1)]
        ids = await messages.add(tx, said)
        await opinions.expect(tx, ids)
    return ids


async def claim_opinions(store: Store, owner: str, limit: int = 10, lease: timedelta = LEASE) -> list[int]:
    async with store.transaction() as tx:
        return await opinions.claim(tx, owner, limit, lease)


async def settle_opinion(store: Store, message_id: int, owner: str) -> bool:
    async with store.transaction() as tx:
        return await opinions.settle(tx, message_id, owner)


async def test_an_opinion_is_one_worker_s_to_give_and_is_given_once(store: Store) -> None:
    ids = await due_opinions(store, 3)
    assert await claim_opinions(store, "first", limit=2) == ids[:2]
    assert await claim_opinions(store, "second") == ids[2:]
    assert not await settle_opinion(store, ids[0], "second")
    assert await settle_opinion(store, ids[0], "first")
    assert not await settle_opinion(store, ids[0], "first")


async def test_the_opinion_of_a_worker_that_died_is_asked_for_again_but_not_for_ever(store: Store) -> None:
    ids = await due_opinions(store, 1)
    dead = timedelta(seconds=-1)
    assert await claim_opinions(store, "first", lease=dead) == ids
    assert await claim_opinions(store, "second", lease=dead) == ids
    assert not await settle_opinion(store, ids[0], "first"), "it was overtaken"
    assert await claim_opinions(store, "third") == []


async def test_an_opinion_nobody_gave_in_time_is_given_up_and_one_goes_with_its_message(store: Store) -> None:
    ids = await due_opinions(store, 2)
    async with store.transaction() as tx:
        await messages.forget(tx, ids[:1])
        assert await opinions.give_up(tx, tx.now - LEASE) == 0
        assert await opinions.give_up(tx, tx.now + LEASE) == 1
    assert await claim_opinions(store, "late") == []
