"""The whole bot with its real screener and library on Telegram and WeChat, over HTTP against the emulated platforms."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from adapters import Kind, Rejected
from adapters.telegram import TelegramAdapter
from adapters.wechat import WeChatAdapter
from bot.app import App, build, open_store, prepare
from bot.server import make_server
from config import Language, Settings, load_crisis_lines, load_texts
from tests.emulators.telegram import TelegramEmulator
from tests.emulators.wechat import Mode, WeChatEmulator
from tests.emulators.wechat_api import SEND
from tests.emulators.wechat_serve import serve
from tests.support import settings

ZH, EN = load_texts(Language.ZH), load_texts(Language.EN)
LIN, USER = 900, 7


@asynccontextmanager
async def at_work(made: Settings, roles: list[str]) -> AsyncIterator[App]:
    app = build(made, roles, store=open_store(made))
    try:
        await prepare(app.store)
        async with app.running():
            yield app
    finally:
        await app.store.close()


@asynccontextmanager
async def on_telegram(folder: Path) -> AsyncIterator[tuple[App, TelegramEmulator]]:
    async with TelegramEmulator() as telegram:
        telegram.add_chat(LIN)
        telegram.add_chat(901)
        made = settings(folder, telegram={"token": telegram.token, "api_base": telegram.url})
        async with at_work(made, ["telegram", "worker"]) as app:
            assert isinstance(app.adapters["telegram"], TelegramAdapter)
            yield app, telegram


async def test_a_person_in_danger_on_telegram_is_taken_over_by_button_and_given_back(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (_, telegram):
        telegram.push_text(USER, "I have been so stressed about work lately")
        await telegram.wait_sent(1, chat=USER)
        telegram.push_text(USER, "I want to kill myself")
        (_, safety) = await telegram.wait_sent(2, chat=USER)
        assert any(line.number in safety.text for line in load_crisis_lines().of("GB", "crisis"))
        (alert,) = await telegram.wait_sent(1, chat=LIN)
        assert "kill myself" in alert.text
        button = json.loads(alert.params["reply_markup"])["inline_keyboard"][0][0]
        telegram.push_callback(LIN, alert.result["message_id"], button["callback_data"])
        await telegram.wait_until(lambda: any("Lin" in text for text in telegram.texts(USER)))
        await telegram.wait_called("answerCallbackQuery")
        telegram.push_text(LIN, "Hello, I am Lin. Are you safe right now?")
        await telegram.wait_until(lambda: "Hello, I am Lin. Are you safe right now?" in telegram.texts(USER))
        telegram.push_text(USER, "yes, my sister is here")
        await telegram.wait_until(lambda: any("my sister is here" in text for text in telegram.texts(LIN)))
        telegram.push_text(LIN, "/release sister is with them tonight")
        await telegram.wait_until(lambda: EN.get("handoff.released", name="Lin") in telegram.texts(USER))
        before = len(telegram.texts(USER))
        telegram.push_text(USER, "I feel a bit calmer now")
        await telegram.wait_sent(before + 1, chat=USER)


async def test_a_photo_and_a_voice_message_reach_the_counsellor_on_telegram_as_they_are(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (app, telegram):
        telegram.push_text(USER, "I want to kill myself")
        await telegram.wait_sent(1, chat=USER)
        ((found, _),) = await app.desk.queue()
        assert (await app.desk.claim(found.id, "lin")).won
        telegram.push_media(USER, "photo")
        telegram.push_media(USER, "voice")
        copies = await telegram.wait_called("copyMessage", 2)
        assert [call.chat for call in copies] == [LIN, LIN]
        case = await app.desk.case(found.id, "lin")
        assert case
        photo = next(m for m in case.messages if m.kind is Kind.PHOTO)
        file = await app.adapters["telegram"].fetch(photo.attachments[0])
        assert (file.data, file.mime) == (b"0123456789", "image/jpeg")


async def test_an_edit_on_telegram_that_turns_urgent_is_handed_off(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (_, telegram):
        telegram.push_text(USER, "hello")
        await telegram.wait_sent(1, chat=USER)
        telegram.push_edit(USER, 1, "I am going to kill myself tonight")
        await telegram.wait_sent(1, chat=LIN)
        await telegram.wait_until(lambda: any("999" in text for text in telegram.texts(USER)))


async def test_a_429_for_one_chat_does_not_hold_up_another(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (_, telegram):
        telegram.add_chat(8)
        telegram.fail("sendMessage", 429, chat=USER, retry_after=1, times=1)
        telegram.push_text(USER, "hello")
        await telegram.wait_called("sendMessage", 1, chat=USER)
        telegram.push_text(8, "hello")
        await telegram.wait_sent(1, chat=8)
        assert telegram.texts(USER) == []
        await telegram.wait_sent(1, chat=USER)


async def test_both_languages_are_answered_in_kind_on_telegram(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (_, telegram):
        telegram.push_text(USER, "最近总是睡不着，很焦虑")
        (answer,) = await telegram.wait_sent(1, chat=USER)
        assert any("\u4e00" <= c <= "\u9fff" for c in answer.text)
        telegram.push_text(USER, "/crisis")
        (_, crisis) = await telegram.wait_sent(2, chat=USER)
        assert ZH.get("crisis.intro") in crisis.text


@asynccontextmanager
async def on_wechat(
    folder: Path, mode: Mode = "aes", customer_service: bool = True, cuts: tuple[float, ...] = (5.0,), **more: object
) -> AsyncIterator[tuple[App, WeChatEmulator]]:
    async with WeChatEmulator(mode=mode, cuts=cuts).running() as platform:
        account = {
            "app_id": platform.app_id,
            "app_secret": platform.secret,
            "token": platform.token,
            "aes_key": None if mode == "plain" else platform.aes_key,
            "api_base": platform.api_base,
            "customer_service": customer_service,
        }
        made = settings(folder, wechat=account, language="zh", country="CN", **more)
        async with at_work(made, ["wechat", "worker"]) as app, serve(make_server(app)) as base:
            assert isinstance(app.adapters["wechat"], WeChatAdapter)
            platform.callback = f"{base}/wechat"
            yield app, platform


@pytest.mark.parametrize("mode", ["plain", "aes"])
async def test_the_crisis_text_is_the_passive_answer_on_wechat(tmp_path: Path, mode: Mode) -> None:
    async with on_wechat(tmp_path, mode, customer_service=False) as (app, platform):
        person = platform.person()
        await person.writes("我不想活了，药已经买好了")
        (seen,) = await person.sees(1)
        assert seen.how == "passive"
        assert "120" in seen.text
        assert "12356" in seen.text
        assert [h.level.value for h, _ in await app.desk.queue()] == ["emergency"]


async def test_the_second_message_on_wechat_is_kept_screened_and_answered(tmp_path: Path) -> None:
    async with on_wechat(tmp_path) as (app, platform):
        person = platform.person()
        first = person.writes("最近压力很大，睡不着")
        second = person.writes("我想死")
        await asyncio.gather(first, second)
        assert len(await app.desk.queue()) == 1
        await person.sees(1)


async def test_a_counsellor_s_words_reach_wechat_by_customer_service(tmp_path: Path) -> None:
    async with on_wechat(tmp_path) as (app, platform):
        person = platform.person()
        await person.writes("我想死")
        await person.sees(1)
        ((found, _),) = await app.desk.queue()
        assert (await app.desk.claim(found.id, "lin")).won
        await app.desk.say(found.id, "lin", "我是 Lin，我在。")
        await platform.api.arrived(SEND, 2)
        assert "我是 Lin，我在。" in [seen.text for seen in person.seen]


async def test_without_the_right_to_write_the_counsellor_is_told_and_the_text_waits_for_the_user(
    tmp_path: Path,
) -> None:
    async with on_wechat(tmp_path, customer_service=False) as (app, platform):
        person = platform.person()
        await person.writes("我想死")
        await person.sees(1)
        ((found, _),) = await app.desk.queue()
        await app.desk.claim(found.id, "lin")
        await app.desk.say(found.id, "lin", "我是 Lin，我在。")
        await person.writes("有人吗")
        seen = await person.sees(2)
        assert any("我是 Lin" in s.text or "Lin" in s.text for s in seen[1:])


async def test_a_picture_on_wechat_can_be_fetched_for_the_counsellor(tmp_path: Path) -> None:
    async with on_wechat(tmp_path) as (app, platform):
        platform.api.media["m1"] = b"\xff\xd8 picture"
        person = platform.person()
        await person.writes("我想死")
        await person.sends("image", PicUrl="http://127.0.0.1/p", MediaId="m1")
        ((found, _),) = await app.desk.queue()
        case = await app.desk.case(found.id, "lin")
        assert case
        picture = next(m for m in case.messages if m.kind is Kind.PHOTO)
        wechat = app.adapters["wechat"]
        assert (await wechat.fetch(picture.attachments[0])).data == b"\xff\xd8 picture"
        del platform.api.media["m1"]
        with pytest.raises(Rejected):
            await wechat.fetch(picture.attachments[0])


async def test_forged_requests_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    async with on_wechat(tmp_path) as (app, platform):
        bodies = [b"", b"<xml>", b"\xff\xfe", b"<!DOCTYPE x [<!ENTITY a 'b'>]><xml>&a;</xml>", b"x" * 100_000]
        async with httpx.AsyncClient() as client:
            for body in bodies:
                answer = await client.post(f"{platform.callback}?signature=0&timestamp=1&nonce=2", content=body)
                assert answer.status_code in (400, 403, 413)
                assert "Traceback" not in answer.text
        assert await app.desk.queue() == []
