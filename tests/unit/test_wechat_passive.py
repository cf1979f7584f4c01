"""The desk: texts and open requests of a chat meet, whatever happens in between."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.wechat.passive import Desk, Slot


def desk(limit: int = 20) -> Desk:
    return Desk(limit, linger=0.01, grace=0.02, memory=30.0)


def until(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def answered(d: Desk, slot: Slot, within: float = 5.0) -> str:
    """One request's life: committed, waited for, answered, over."""
    d.commit(slot)
    answer = await d.answer(slot, until(within))
    if answer:
        d.left(slot, answer)
    d.release(slot)
    return answer


async def test_without_a_request_there_is_no_place() -> None:
    d = desk()
    assert d.offer("chat", "text") is None
    slot = d.open("chat", "k")
    assert d.offer("another", "text") is None
    d.release(slot)
    assert d.offer("chat", "text") is None


async def test_texts_join_while_they_fit_and_the_first_that_does_not_closes_the_answer() -> None:
    d = desk(limit=10)
    slot = d.open("chat", "k")
    d.commit(slot)
    handed = [d.offer("chat", text) for text in ("aaa", "bbbbb")]  # 3 + 2 + 5 = 10
    assert d.open_chats() == {"chat"}
    assert d.offer("chat", "c") is None
    assert d.open_chats() == frozenset()
    assert await answered(d, slot) == "aaa\n\nbbbbb"
    assert [await h for h in handed if h] == [True, True]


async def test_length_is_counted_in_bytes() -> None:
    d = desk(limit=9)
    d.open("chat", "k")
    assert d.offer("chat", "你好吗啊") is None
    assert d.offer("chat", "你好吗") is not None


async def test_a_chat_is_named_only_once_its_message_is_stored() -> None:
    d = desk()
    slot = d.open("chat", "k")
    assert d.open_chats() == frozenset()
    d.commit(slot)
    assert d.open_chats() == {"chat"}
    d.release(slot)
    assert d.open_chats() == frozenset()


async def test_the_oldest_request_is_answered_first() -> None:
    d = desk()
    first, second = d.open("chat", "k1"), d.open("chat", "k2")
    d.offer("chat", "text")
    assert await answered(d, first) == "text"
    assert await answered(d, second, within=0.0) == ""


async def test_a_text_whose_sender_gives_up_does_not_leave() -> None:
    d = desk()
    slot = d.open("chat", "k")
    withdrawn, kept = d.offer("chat", "withdrawn"), d.offer("chat", "kept")
    assert withdrawn is not None
    withdrawn.cancel()
    assert await answered(d, slot) == "kept"
    assert kept is not None
    assert await kept


async def test_a_text_of_a_cut_request_leaves_with_the_next_one_at_once() -> None:
    d = Desk(20, linger=30.0, grace=30.0)
    cut = d.open("chat", "k")
    d.commit(cut)
    handed = d.offer("chat", "text")
    d.release(cut)
    assert handed is not None
    assert not handed.done()
    assert await asyncio.wait_for(answered(d, d.open("chat", "k"), within=60), 5) == "text"
    assert await handed


async def test_a_text_of_a_cut_request_moves_to_another_that_is_open() -> None:
    d = Desk(20, linger=0.01, grace=30.0)
    cut, other = d.open("chat", "k1"), d.open("chat", "k2")
    handed = d.offer("chat", "text")
    d.release(cut)
    assert await answered(d, other) == "text"
    assert handed is not None
    assert await handed


async def test_a_text_of_a_cut_request_is_given_back_if_no_other_comes() -> None:
    d = desk()
    cut = d.open("chat", "k")
    handed = d.offer("chat", "text")
    d.release(cut)
    assert handed is not None
    assert not await handed
    await d.settled("chat")
    assert await answered(d, d.open("chat", "k"), within=0.0) == ""


async def test_an_answer_that_left_is_remembered_for_its_message() -> None:
    d = desk()
    slot = d.open("chat", "k")
    d.offer("chat", "text")
    await answered(d, slot)
    assert d.remembered("k") == "text"
    assert d.remembered("another") == ""
    forgetful = Desk(20, linger=0.0, memory=0.0)
    slot = forgetful.open("chat", "k")
    forgetful.offer("chat", "text")
    await answered(forgetful, slot)
    assert forgetful.remembered("k") == ""


async def test_shutting_lets_every_request_go() -> None:
    d = Desk(20, linger=30.0)
    empty, full = d.open("a", "k1"), d.open("b", "k2")
    d.offer("b", "text")
    waiting = [asyncio.create_task(answered(d, slot, within=60)) for slot in (empty, full)]
    await asyncio.sleep(0)
    d.shut()
    assert await asyncio.gather(*waiting) == ["", "text"]


STEPS = st.lists(
    st.tuples(st.just("open"), st.sampled_from("abc"))
    | st.tuples(st.just("offer"), st.sampled_from(["x" * 3, "y" * 9, "z" * 20]))
    | st.tuples(st.sampled_from(["answer", "cut", "commit", "withdraw"]), st.integers(0, 9)),
    max_size=25,
)


@given(STEPS)
@settings(deadline=None)
def test_no_text_is_lost_or_leaves_for_two_messages_whatever_happens(steps: list[tuple[str, str | int]]) -> None:
    """Each text ends as left, given back or withdrawn; what left stands in the answer to one message, in order."""

    async def play() -> None:
        d = Desk(20, linger=0.0, grace=0.0)
        open_requests: list[Slot] = []
        offers: list[tuple[str, asyncio.Future[bool]]] = []
        answers: dict[int, str] = {}
        for number, (step, value) in enumerate(steps):
            if step == "open":
                open_requests.append(d.open("chat", str(value)))
            elif step == "offer":
                text = f"{number:02}{value}"[:20]
                if (handed := d.offer("chat", text)) is not None:
                    offers.append((text, handed))
            elif step == "withdraw" and offers:
                offers[int(value) % len(offers)][1].cancel()
            elif open_requests:
                slot = open_requests[int(value) % len(open_requests)]
                if step == "commit":
                    d.commit(slot)
                else:
                    open_requests.remove(slot)
                    if step == "answer" and (answer := await d.answer(slot, 0.0)):
                        d.left(slot, answer)
                        answers[id(slot)] = answer
                    d.release(slot)
        for slot in open_requests:
            d.release(slot)
        await asyncio.wait_for(d.settled("chat"), 5)
        said = "\n\n".join(answers.values())
        assert all(len(answer) <= 20 for answer in answers.values())
        for text, handed in offers:
            assert handed.done()
            left = not handed.cancelled() and handed.result()
            assert said.count(text) == left
        assert d.open_chats() == frozenset()

    asyncio.run(play())
