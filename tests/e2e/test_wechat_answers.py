"""How a message comes in from WeChat and its answer gets back: the ladder from the passive answer down."""

import asyncio

import pytest

from adapters import Kind, Message, Rejected, Reply, Sent, WindowClosed
from tests.e2e.wechat_house import HOLD, house
from tests.emulators.wechat import UNAVAILABLE, Mode, Seen
from tests.emulators.wechat_api import MENU, SEND, TYPING

CRISIS = "你现在安全吗？如果有危险，请马上拨打 120 或 110。"


@pytest.mark.parametrize("mode", ["plain", "compatible", "aes"])
async def test_a_text_arrives_and_is_answered_in_the_same_request(mode: Mode) -> None:
    async with house(mode) as h:
        assert await h.platform.verify()
        h.answer_with("我在。想从哪里说起？😀")
        attempts = await h.person.writes("最近睡不着 😢")
        assert h.person.seen == [Seen("passive", "我在。想从哪里说起？😀")]
        assert [a.status for a in attempts] == [200]
        (message,) = h.intake.stored.values()
        assert (message.kind, message.text, message.address) == (Kind.TEXT, "最近睡不着 😢", h.address)
        assert await h.intake.outcomes() == [Sent()]
        assert h.platform.api.count(SEND) == 0


async def test_the_plain_part_of_compatible_mode_is_enough_without_the_key() -> None:
    async with house("compatible", aes=False) as h:
        h.answer_with("好")
        await h.person.writes("你好")
        assert h.person.seen == [Seen("passive", "好")]


async def test_the_crisis_text_is_the_passive_answer_and_needs_no_token_and_no_right() -> None:
    async with house("aes", customer_service=False) as h:
        h.answer_with(CRISIS)
        await h.person.writes("我不想活了")
        assert h.person.seen == [Seen("passive", CRISIS)]
        assert h.platform.api.calls == []


async def test_an_answer_that_comes_before_the_commit_is_reported_still_waits_for_it() -> None:
    async with house() as h:
        h.intake.gate = asyncio.Event()
        pushed = h.person.writes("我不想活了")
        await h.intake.called(1)
        said = asyncio.create_task(h.say(CRISIS))
        await asyncio.wait([pushed], timeout=0.1)
        assert not said.done()
        assert h.person.seen == []
        h.intake.gate.set()
        assert await said == Sent()
        assert await h.person.sees(1) == [Seen("passive", CRISIS)]


async def test_texts_for_one_request_join_in_order_if_they_fit() -> None:
    async with house() as h:
        h.answer_with("第一段", "第二段")
        await h.person.writes("你好")
        assert h.person.seen == [Seen("passive", "第一段\n\n第二段")]
        assert await h.intake.outcomes() == [Sent(), Sent()]


async def test_a_text_that_does_not_fit_follows_as_a_customer_service_message() -> None:
    async with house() as h:
        long, short = "长" * 600, "短" * 100
        h.answer_with(long, short)
        await h.person.writes("你好")
        assert await h.person.sees(2) == [Seen("passive", long), Seen("service", short)]


async def test_a_customer_service_message_does_not_overtake_a_passive_answer() -> None:
    async with house() as h:
        h.intake.gate = asyncio.Event()
        pushed = h.person.writes("你好")
        await h.intake.called(1)
        said = [asyncio.create_task(h.say("先" * 600)), asyncio.create_task(h.say("后" * 100))]
        await asyncio.wait(said, timeout=0.1)
        assert h.person.seen == []
        h.intake.gate.set()
        assert [s.how for s in await h.person.sees(2)] == ["passive", "service"]
        await asyncio.gather(pushed, *said)


async def test_the_longest_text_fits_and_one_byte_more_is_rejected() -> None:
    async with house() as h:
        longest = "长" * 682 + "a"
        assert len(longest.encode()) == 2047
        h.answer_with(longest)
        await h.person.writes("你好")
        assert h.person.seen == [Seen("passive", longest)]
        with pytest.raises(Rejected):
            await h.say(longest + "b")


async def test_a_late_answer_goes_by_customer_service() -> None:
    async with house() as h:
        attempts = await h.person.writes("你好")
        assert [(a.status, a.body) for a in attempts] == [(200, "success")]
        assert h.adapter.sendable_now() == frozenset()
        assert await h.say("想好了：“慢慢来”\n😀") == Sent()
        assert await h.person.sees(1) == [Seen("service", "想好了：“慢慢来”\n😀")]
        (call,) = await h.platform.api.arrived(SEND)
        assert "想好了：“慢慢来”\\n😀".encode() in call.body  # no \u escapes: they count, and some phones show them
        assert h.intake.calls == 1


@pytest.mark.parametrize("right", [True, False])
async def test_without_the_right_a_late_answer_waits_for_the_next_message_and_takes_nothing_from_it(
    right: bool,
) -> None:
    async with house(customer_service=right) as h:
        h.platform.api.standing[SEND] = 48001
        await h.person.writes("我很难过")
        with pytest.raises(WindowClosed):
            await h.say("迟到的回答")
        assert h.person.openid not in h.adapter.sendable_now()
        h.opened.clear()
        pushed = h.person.writes("我想死")
        await asyncio.wait_for(h.opened.wait(), 5)
        assert h.adapter.sendable_now() == {h.person.openid}
        sent = asyncio.gather(h.say("迟到的回答"), h.say(CRISIS))
        await pushed
        assert list(await sent) == [Sent(), Sent()]
        assert h.person.seen == [Seen("passive", f"迟到的回答\n\n{CRISIS}")]
        assert [m.text for m in h.intake.stored.values()] == ["我很难过", "我想死"]
        if right:
            assert h.adapter.health().ok
            assert "48001" in h.adapter.health().detail


async def test_a_held_text_that_does_not_fit_is_refused_once_and_the_chat_is_named_no_more() -> None:
    async with house(customer_service=False) as h:
        pushed = h.person.writes("你好")
        await asyncio.wait_for(h.opened.wait(), 5)
        first = asyncio.create_task(h.say("长" * 600))
        await asyncio.sleep(0)
        with pytest.raises(WindowClosed):
            await h.say("长" * 200)
        assert h.adapter.sendable_now() == frozenset()
        assert await first == Sent()
        await pushed


async def test_a_second_message_is_stored_while_the_first_is_being_answered() -> None:
    async with house() as h:
        first = h.person.writes("我睡不着")
        await h.intake.has(1)
        second = h.person.writes("我吃了一瓶安眠药")
        messages = await h.intake.has(2)
        assert not first.done()
        assert [m.text for m in messages] == ["我睡不着", "我吃了一瓶安眠药"]
        assert await h.say(CRISIS) == Sent()
        await asyncio.gather(first, second)
        assert h.person.seen == [Seen("passive", CRISIS)]


async def test_chats_do_not_wait_for_each_other() -> None:
    async with house(hold=4.5) as h:
        people = [h.platform.person(f"openid-{n}") for n in range(20)]
        pushes = [person.writes(f"你好 {n}") for n, person in enumerate(people)]
        await h.intake.has(20)
        for n, person in reversed(list(enumerate(people))):
            await h.say(f"回答 {n}", to=person)
        await asyncio.gather(*pushes)
        assert [p.seen for p in people] == [[Seen("passive", f"回答 {n}")] for n in range(20)]


async def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    async with house() as h:
        h.intake.faults = [OSError("disk full")]
        h.answer_with("收到")
        attempts = await h.person.writes("你好")
        assert [a.status for a in attempts] == [503, 200]
        assert "success" not in attempts[0].body
        assert "disk" not in attempts[0].body
        assert h.person.seen == [Seen("passive", "收到")]
        assert len(h.intake.stored) == 1


async def test_a_bot_that_cannot_store_leaves_the_platform_to_tell_the_user() -> None:
    async with house() as h:
        h.intake.faults = [OSError(), OSError(), OSError()]
        await h.person.writes("你好")
        assert h.person.seen == [Seen("notice", UNAVAILABLE)]


async def test_a_push_after_a_cut_is_recognised_and_gets_the_answer() -> None:
    async with house(hold=4.0, cuts=(0.3, 5.0), grace=5.0) as h:
        pushed = h.person.writes("你好")
        await h.intake.called(2)
        said = await h.say("我在")
        await pushed
        assert said == Sent()
        assert h.person.seen == [Seen("passive", "我在")]
        assert len(h.intake.stored) == 1
        assert h.platform.api.count(SEND) == 0


async def test_a_text_whose_request_is_cut_leaves_with_the_next_push() -> None:
    async with house(hold=4.0, cuts=(0.3, 5.0), linger=2.0, grace=5.0) as h:
        h.answer_with("我在")
        attempts = await h.person.writes("你好")  # the first push is cut while the answer lingers
        assert [a.status for a in attempts] == [None, 200]
        assert h.person.seen == [Seen("passive", "我在")]
        assert await h.intake.outcomes() == [Sent()]


async def test_a_text_whose_request_is_cut_for_good_goes_by_customer_service() -> None:
    async with house(hold=3.0, linger=1.0, grace=0.2) as h:
        h.platform.attempts = 1
        h.platform.cuts = (0.3,)
        h.answer_with("我在")
        await h.person.writes("你好")
        assert await h.person.sees(2) == [Seen("notice", UNAVAILABLE), Seen("service", "我在")]
        assert await h.intake.outcomes() == [Sent()]


async def test_a_text_whose_request_is_cut_for_good_is_held_without_customer_service() -> None:
    async with house(hold=3.0, linger=1.0, grace=0.2, customer_service=False) as h:
        h.platform.attempts = 1
        h.platform.cuts = (0.3,)
        h.answer_with("我在")
        await h.person.writes("你好")
        (outcome,) = await h.intake.outcomes()
        assert isinstance(outcome, WindowClosed)


async def test_a_repeat_after_the_answer_gets_the_same_answer() -> None:
    async with house() as h:
        h.answer_with("我在")
        xml = h.platform.message(h.person, "text", Content="你好")
        await h.platform.push(h.person, xml)
        await h.platform.push(h.person, xml)
        assert h.person.seen == [Seen("passive", "我在"), Seen("passive", "我在")]
        assert len(h.intake.stored) == 1


async def test_two_open_requests_about_one_message_both_carry_the_answer() -> None:
    async with house() as h:
        xml = h.platform.message(h.person, "text", Content="你好")
        calls = [h.platform.prepare(xml), h.platform.prepare(xml)]
        waiting = [asyncio.create_task(h.platform.post(call)) for call in calls]
        await h.intake.called(2)
        await h.say("我在")
        answers = await asyncio.gather(*waiting)
        texts = [h.platform.read_answer(c, a.text, h.person.openid) for c, a in zip(calls, answers, strict=True)]
        assert texts == ["我在", "我在"]
        assert len(h.intake.stored) == 1


async def test_a_text_cannot_break_out_of_the_answer() -> None:
    text = "]]></Content><MsgType><![CDATA[image]]></MsgType><Content><![CDATA[ & < > \x08]]>"
    async with house("plain") as h:
        h.answer_with(text)
        await h.person.writes("你好")
        assert h.person.seen == [Seen("passive", text.replace("\x08", ""))]


async def test_voice_arrives_as_audio_and_can_be_answered() -> None:
    async with house() as h:
        h.answer_with("我听不了语音，但这条语音会留给咨询师。")
        await h.person.sends("voice", MediaId="media-1", Format="amr", Recognition="")
        (message,) = h.intake.stored.values()
        assert message.kind is Kind.VOICE
        assert (message.text, message.attachments[0].reference) == ("", "media-1")
        assert h.person.seen[0].how == "passive"


async def test_events_arrive_and_only_some_wait_for_an_answer() -> None:
    async with house() as h:
        await h.person.does("unsubscribe")
        await h.person.does("VIEW", EventKey="https://example.org/")
        await h.person.does("a_new_event")
        welcome = h.person.does("subscribe")
        await asyncio.wait_for(h.opened.wait(), 5)
        await h.say("你好，我是心理支持助手，是人工智能。")
        await welcome
        pressed = h.person.does("CLICK", EventKey="crisis")
        messages = await h.intake.has(5)
        await pressed
        assert [m.kind for m in messages] == [Kind.LEFT, Kind.OTHER, Kind.OTHER, Kind.ARRIVED, Kind.COMMAND]
        assert messages[-1].text == "crisis"
        assert [s.how for s in h.person.seen] == ["passive"]


async def test_the_menu_is_in_place_after_the_start() -> None:
    async with house() as h:
        (call,) = await h.platform.api.arrived(MENU)
        assert call.errcode == 0
        assert h.adapter.health().ok


async def test_typing_is_shown_and_its_refusal_disturbs_nobody() -> None:
    async with house() as h:
        await h.person.writes("你好")
        for _ in range(2):
            await h.adapter.typing(h.address)
        assert [c.errcode for c in await h.platform.api.arrived(TYPING, 2)] == [0, 45081]


async def test_before_the_start_and_after_the_end_nothing_is_acknowledged() -> None:
    async with house() as h:
        await h.stop()
        response = await h.platform.post(h.platform.prepare(h.platform.message(h.person, "text", Content="你好")))
        assert response.status_code == 503
        assert h.intake.stored == {}


async def test_stopping_lets_open_requests_go() -> None:
    async with house(hold=30.0, cuts=(40.0,)) as h:
        pushed = h.person.writes("你好")
        await h.intake.has(1)
        await h.stop()
        assert [(a.status, a.body) for a in await pushed] == [(200, "success")]


async def test_hold_ends_before_the_platform_cuts() -> None:
    async with house() as h:
        started = asyncio.get_running_loop().time()
        (attempt,) = await h.person.writes("你好")
        assert attempt.body == "success"
        assert asyncio.get_running_loop().time() - started >= HOLD


async def test_a_message_is_what_the_bot_gets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with house() as h:
        await h.person.writes("谁都不该在日志里看到这句话")
        await h.say("也不该看到这句")
        (message,) = h.intake.stored.values()
        assert isinstance(message, Message)
        logged = "\n".join(record.getMessage() for record in caplog.records)
        for hidden in ("谁都不该", "也不该", "access_token=", h.platform.api.token, h.platform.secret):
            assert hidden not in logged
        await h.adapter.send(h.address, Reply("好"))
