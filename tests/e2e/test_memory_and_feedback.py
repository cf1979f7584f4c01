"""Memory and feedback with the real screener and library: on Telegram and WeChat over HTTP, on the page in Chromium."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from playwright.async_api import Page, expect
from sqlalchemy import select

from bot.app import App
from bot.server import make_server
from bot.store.schema import fact, feedback
from config import Language, load_texts
from tests.e2e.browser import chromium
from tests.e2e.test_platforms import USER, at_work, on_telegram, on_wechat
from tests.e2e.web_room import Site
from tests.emulators.telegram import Call
from tests.support import settings, until

EN, ZH = load_texts(Language.EN), load_texts(Language.ZH)
PHONE = {"width": 390, "height": 844}
PICTURES = os.environ.get("PSYLLM_TEST_PICTURES")
"""A folder for pictures of the page, to be looked at by people."""


def actions(call: Call) -> list[str]:
    """What the buttons under a sent message do."""
    markup = call.result.get("reply_markup", {"inline_keyboard": []})
    return [button["callback_data"] for row in markup["inline_keyboard"] for button in row]


async def judged(app: App) -> list[tuple[bool, str, str, str]]:
    columns = (feedback.c.helpful, feedback.c.generator, feedback.c.language, feedback.c.level)
    async with app.store.reading() as tx:
        return [tuple(row) for row in await tx.connection.execute(select(*columns))]


async def asked(app: App) -> bool:
    async with app.store.reading() as tx:
        return bool((await tx.connection.execute(select(fact.c.id).where(fact.c.body.is_not(None)))).all())


async def test_on_telegram_a_name_is_remembered_and_an_answer_judged_by_one_press(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (app, telegram):
        telegram.push_text(USER, "Hi, call me Ann. I moved to a new city last month")
        (question,) = await telegram.wait_sent(1, chat=USER)
        assert EN.get("memory.ask_name", name="Ann") in question.text
        telegram.push_callback(USER, question.result["message_id"], actions(question)[0])
        assert (await telegram.wait_sent(2, chat=USER))[1].text == EN.get("memory.kept")
        telegram.push_text(USER, "I miss my old friends")
        answer = (await telegram.wait_sent(3, chat=USER))[2]
        telegram.push_callback(USER, answer.result["message_id"], actions(answer)[1])
        missing = (await telegram.wait_sent(4, chat=USER))[3]
        assert missing.text == EN.get("feedback.missing")
        (row,) = await judged(app)
        assert row[:3] == (False, "library", "en")
        telegram.push_callback(USER, missing.result["message_id"], actions(missing)[-1])
        assert (await telegram.wait_sent(5, chat=USER))[4].text == EN.get("handoff.requested")
        telegram.push_text(USER, "/memory")
        shown = (await telegram.wait_sent(6, chat=USER))[5]
        assert EN.get("memory.name", name="Ann") in shown.text
        telegram.push_callback(USER, shown.result["message_id"], actions(shown)[0])
        assert (await telegram.wait_sent(7, chat=USER))[6].text == EN.get("memory.forgotten")


async def test_somebody_in_danger_on_telegram_sees_neither_thumbs_nor_questions(tmp_path: Path) -> None:
    async with on_telegram(tmp_path) as (_, telegram):
        telegram.push_text(USER, "call me Ann. I want to kill myself")
        (safety,) = await telegram.wait_sent(1, chat=USER)
        assert actions(safety) == []
        telegram.push_text(USER, "the breathing helped")
        (_, stayed) = await telegram.wait_sent(2, chat=USER)
        assert actions(stayed) == []
        assert not any(EN.get("memory.ask_name", name="Ann") in text for text in telegram.texts(USER))


@pytest.mark.parametrize("customer_service", [True, False])
async def test_on_wechat_both_go_in_words(tmp_path: Path, customer_service: bool) -> None:
    async with on_wechat(tmp_path, customer_service=customer_service) as (app, platform):
        person = platform.person()
        await person.writes("你可以叫我小林，我上个月刚搬到一个新城市")
        (question,) = await person.sees(1)
        assert ZH.get("memory.ask_name", name="小林") in question.text
        assert question.text.endswith(ZH.get("memory.ask_in_words"))
        await person.writes("好")
        assert (await person.sees(2))[1].text == ZH.get("memory.kept")
        await person.writes("有点想以前的朋友")
        answer = (await person.sees(3))[2]
        assert "feedback" not in answer.text
        await person.writes("没用")
        assert (await person.sees(4))[3].text == ZH.get("feedback.missing_in_words")
        (row,) = await judged(app)
        assert row[:3] == (False, "library", "zh")
        await person.writes("忘掉我的名字")
        assert (await person.sees(5))[4].text == ZH.get("memory.forgotten")
        assert not await asked(app)


SCENES = {
    "en-GB": (
        EN,
        ("Hello, call me Ann", "I moved to a new city last month and I miss my old friends", "the breathing helped"),
    ),
    "zh-CN": (ZH, ("你好，叫我小林", "上个月刚搬到一个新城市，有点想以前的朋友", "那个呼吸法有用")),
}


@asynccontextmanager
async def at_a_port(web: FastAPI) -> AsyncIterator[str]:
    site = Site(web)
    await site.start()
    try:
        yield site.url
    finally:
        await site.stop()


async def write(page: Page, text: str) -> None:
    """Write, and wait until the bot has said something."""
    answers = await page.locator("#log .bot, #log .system").count()
    await page.get_by_role("textbox").fill(text)
    await page.locator(".send").click()
    await expect(page.locator("#log .bot, #log .system").nth(answers)).to_be_visible(timeout=20_000)


@pytest.mark.parametrize("locale", SCENES)
async def test_on_the_page_both_are_a_press_away(tmp_path: Path, locale: str) -> None:
    words, (name, trouble, helped) = SCENES[locale]
    made = settings(tmp_path)
    async with (
        at_work(made, ["web", "worker"]) as app,
        at_a_port(make_server(app)) as base,
        chromium() as browser,
        await browser.new_context(locale=locale, viewport=PHONE, has_touch=True, device_scale_factor=2) as context,  # type: ignore[arg-type]  # a size
    ):
        page = await context.new_page()
        await page.goto(base)
        await page.wait_for_selector("#log[aria-live=polite]", state="attached")
        await write(page, name)
        await expect(page.locator(".thumbs")).to_have_count(0)
        await page.get_by_role("button", name=words.get("button.remember_yes")).click()
        await expect(page.locator(".system .bubble")).to_have_text(words.get("memory.kept"))
        await write(page, trouble)
        thumbs = page.get_by_role("group", name=words.get("web.feedback"))
        down = thumbs.get_by_role("button", name=words.get("web.unhelpful"), exact=True)
        await down.click()
        await expect(page.locator(".system .bubble").last).to_have_text(words.get("feedback.missing"))
        await page.get_by_role("button", name=words.get("feedback.reason.general")).click()
        await expect(page.locator(".system .bubble").last).to_have_text(words.get("feedback.noted"))
        await picture(page, f"feedback-{locale}")
        await page.reload()
        await expect(down).to_have_attribute("aria-pressed", "true")
        assert [row[:2] for row in await judged(app)] == [(False, "library")]
        await write(page, helped)
        await page.get_by_role("button", name=words.get("button.remember_yes")).last.click()
        await until(app.store, lambda: asked(app))
        await page.locator("#menu-button").click()
        await page.get_by_role("button", name=words.get("menu.memory")).click()
        shown = page.locator(".system .bubble", has_text=words.get("memory.helped", thing=words.get("thing.breathing")))
        await expect(shown).to_be_visible()
        await picture(page, f"memory-{locale}")
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        await page.get_by_role("button", name=words.get("button.forget_facts")).click()
        await expect(page.locator(".system .bubble").last).to_have_text(words.get("memory.forgotten"))
        assert not await asked(app)


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png")
