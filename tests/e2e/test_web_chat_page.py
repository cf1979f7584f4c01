"""Chromium at the chat page: what a visitor sees, and that nothing they write is lost or shown twice."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from adapters.base import Address, Button, Kind, Thumbs
from adapters.web import WebAdapter
from config.language import Language
from config.texts import Texts, load_texts
from tests.e2e.browser import chromium
from tests.e2e.web_room import Room, Site, say, web_chat

EN = load_texts(Language.EN)
ZH = load_texts(Language.ZH)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def room() -> Room:
    return Room()


@pytest_asyncio.fixture(loop_scope="module")
async def chat(room: Room) -> AsyncIterator[tuple[WebAdapter, Site]]:
    async with web_chat(room) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, chat: tuple[WebAdapter, Site]) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="en-GB")
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    await enter(page, chat[1])
    yield page
    await context.close()
    assert faults == []


async def enter(page: Page, site: Site) -> None:
    """Open the page and wait until it is connected."""
    await page.goto(site.url)
    await page.wait_for_selector("#log[aria-live=polite]", state="attached")


async def write(page: Page, text: str) -> None:
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")


async def hello(page: Page, room: Room) -> Address:
    """Write once, so that the visitor's address is known."""
    await write(page, "hello")
    (message,) = await room.wait_for(1)
    return message.address


async def bubbles(page: Page) -> list[str]:
    return await page.locator("#log .bubble").all_inner_texts()


async def test_a_message_goes_out_and_the_answer_comes(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    adapter, _ = chat
    address = await hello(page, room)
    await expect(page.locator("#log .item.user .tick.sent")).to_be_visible()
    await adapter.typing(address)
    await expect(page.locator("#typing")).to_be_visible()
    await adapter.draft(address, "I am")
    await expect(page.locator("#draft")).to_have_text("I am")
    await expect(page.locator("#typing")).to_be_hidden()
    await say(adapter, room, address, "I am listening.")
    await expect(page.locator("#log .item.bot .bubble", has_text="I am listening.")).to_be_visible()
    await expect(page.locator("#draft")).to_be_hidden()
    await expect(page.locator("#log .item.bot .ai")).to_have_text(EN.get("web.ai_label"))
    await say(adapter, room, address, "Hello, I am Lin.", "counsellor", name="Lin")
    await expect(page.locator("#log .item.counsellor .who")).to_have_text(f"Lin · {EN.get('web.counsellor')}")
    assert await bubbles(page) == ["hello", "I am listening.", "Hello, I am Lin."]


async def test_what_was_written_while_the_server_was_away_arrives_once_and_in_order(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    adapter, site = chat
    address = await hello(page, room)
    await expect(page.locator(".tick.sent")).to_be_visible()
    await site.stop()
    await write(page, "one")
    await write(page, "two")
    await expect(page.locator("#offline")).to_have_text(EN.get("web.offline"))
    await expect(page.locator("[data-state=sending]")).to_have_count(2)
    room.add(address, "bot", "Said while you were away.")
    await site.start()
    await expect(page.locator("#offline")).to_be_hidden()
    await expect(page.locator(".tick.sent")).to_have_count(3)
    assert [message.text for message in room.received] == ["hello", "one", "two"]
    assert await bubbles(page) == ["hello", "Said while you were away.", "one", "two"]
    await say(adapter, room, address, "Welcome back.")
    await expect(page.locator("#log .item.bot")).to_have_count(2)


async def test_unsent_texts_survive_a_reload(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    room.gate = asyncio.Event()
    await write(page, "please do not lose me")
    await page.reload()
    await expect(page.locator("#log .item.user")).to_have_text(re.compile("please do not lose me"))
    room.gate.set()
    await expect(page.locator(".tick.sent")).to_be_visible()
    await page.reload()
    await expect(page.locator("#log .item.user")).to_have_count(1)
    assert [message.text for message in room.received] == ["please do not lose me"]


async def test_a_message_that_is_not_stored_says_so_and_can_be_sent_again(page: Page, room: Room) -> None:
    room.failures = 1
    await write(page, "hello")
    await page.get_by_role("button", name=EN.get("web.failed")).click()
    await expect(page.locator(".tick.sent")).to_be_visible()
    assert len(room.received) == 1


def thumb(page: Page, words: Texts, key: str) -> Locator:
    """One of the thumbs under the last answer, found as a screen reader finds it."""
    return page.get_by_role("group", name=words.get("web.feedback")).last.get_by_role(
        "button", name=words.get(f"web.{key}"), exact=True
    )


async def test_a_thumb_is_pressed_by_keyboard_stays_and_can_be_changed(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    address = await hello(page, room)
    await say(chat[0], room, address, "An answer.", thumbs=Thumbs(17))
    await say(chat[0], room, address, EN.get("privacy"), "system")
    await expect(page.get_by_role("group", name=EN.get("web.feedback"))).to_have_count(1)
    up, down = thumb(page, EN, "helpful"), thumb(page, EN, "unhelpful")
    await up.focus()
    await page.keyboard.press("Enter")
    await expect(up).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".noted")).to_have_text(EN.get("web.noted"))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(down).to_have_attribute("aria-pressed", "true")
    await expect(up).to_have_attribute("aria-pressed", "false")
    await down.click()  # pressed already: nothing more to say
    presses = (await room.wait_for(3))[1:]
    assert [(m.kind, m.text) for m in presses] == [(Kind.ACTION, "feedback up 17"), (Kind.ACTION, "feedback down 17")]
    assert await bubbles(page) == ["hello", "An answer.", EN.get("privacy")], "a thumb is no part of the talk"
    await page.get_by_role("button", name="中文").click()
    await expect(thumb(page, ZH, "unhelpful")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".noted")).to_have_text(ZH.get("web.noted"))


async def test_a_thumb_shows_what_was_said_before_and_outlives_a_broken_connection(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    adapter, site = chat
    address = await hello(page, room)
    await say(adapter, room, address, "An answer.", thumbs=Thumbs(17, helpful=False))
    await expect(thumb(page, EN, "unhelpful")).to_have_attribute("aria-pressed", "true")
    await site.stop()
    await thumb(page, EN, "helpful").click()
    await site.start()
    assert (await room.wait_for(2))[1].text == "feedback up 17"
    await expect(page.locator("#log .item")).to_have_count(2)


async def test_the_crisis_button_works_online_and_shows_the_numbers_offline(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    adapter, site = chat
    button = page.get_by_role("button", name=EN.get("web.crisis_button"))
    await button.click()
    (message,) = await room.wait_for(1)
    assert (message.kind, message.text) == (Kind.COMMAND, "crisis")
    await say(adapter, room, message.address, "Police: 110. Not a line: 12345678.")
    await expect(page.locator(".bubble a")).to_have_attribute("href", "tel:110")
    await expect(page.locator("#lines")).to_be_hidden()
    await site.stop()
    await button.click()
    await expect(page.locator("#lines a", has_text="12356")).to_have_attribute("href", "tel:12356")


async def test_buttons_and_the_menu_reach_the_bot(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    address = await hello(page, room)
    await page.get_by_role("button", name=EN.get("menu.help")).click()
    await page.get_by_role("button", name=EN.get("web.delete")).click()
    await say(chat[0], room, address, "Sure?", buttons=((Button("Yes, delete", "forget yes"),),))
    await page.get_by_role("button", name="Yes, delete").click()
    await page.get_by_role("button", name=EN.get("web.human_button")).click()
    messages = (await room.wait_for(4))[1:]
    assert [(m.kind, m.text) for m in messages] == [
        (Kind.COMMAND, "forget"),
        (Kind.ACTION, "forget yes"),
        (Kind.COMMAND, "human"),
    ]


async def test_an_erased_conversation_leaves_the_page(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    address = await hello(page, room)
    await expect(page.locator(".tick.sent")).to_be_visible()
    room.erase(address)
    await say(chat[0], room, address, EN.get("forget.done"))
    await expect(page.locator("#log .item.user")).to_have_count(0)
    assert await bubbles(page) == [EN.get("forget.done")]


async def test_two_tabs_show_the_same(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    other = await page.context.new_page()
    await enter(other, chat[1])
    address = await hello(page, room)
    await write(other, "from the other tab")
    await say(chat[0], room, address, "To both.")
    for tab in (page, other):
        await expect(tab.locator("#log .item.bot")).to_be_visible()
        await expect(tab.locator(".tick.sent")).to_have_count(2)
        assert await bubbles(tab) == ["hello", "from the other tab", "To both."]


async def test_the_language_switch_changes_every_word(page: Page, room: Room) -> None:
    await hello(page, room)
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("h1")).to_have_text(ZH.get("web.title"))
    assert await page.locator("html").get_attribute("lang") == "zh-CN"
    await expect(page.locator(".day")).to_have_text("今天")
    words = await page.locator("[data-word]").all_inner_texts()
    assert not [word for word in words if re.search(r"[A-Za-z]{4}", word)]
    await page.reload()
    await expect(page.locator("h1")).to_have_text(ZH.get("web.title"))


async def test_days_are_separated_and_old_lines_stay_in_order(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    address = await hello(page, room)
    await expect(page.locator(".tick.sent")).to_be_visible()  # else the page would send it again, above the old lines
    now = datetime.now(UTC)
    room.erase(address)
    for days in (3, 3, 1, 0):
        room.add(address, "bot", f"{days} days ago", at=now - timedelta(days=days))
    await page.reload()
    await expect(page.locator("#log .item", has_text="days ago")).to_have_count(4)
    await expect(page.locator(".day")).to_have_count(3)
    assert (await page.locator(".day").all_inner_texts())[1:] == ["yesterday", "today"]


async def test_reading_above_is_not_disturbed_by_new_messages(
    page: Page, room: Room, chat: tuple[WebAdapter, Site]
) -> None:
    address = await hello(page, room)
    for number in range(40):
        await say(chat[0], room, address, f"line {number}\n" * 3)
    await expect(page.locator("#log .item.bot")).to_have_count(40)
    chip = page.get_by_role("button", name=EN.get("web.new_messages"))
    await expect(chip).to_be_hidden()
    await page.locator("#scroller").evaluate("e => { e.scrollTop = 0; }")
    await page.wait_for_function("document.getElementById('scroller').scrollTop === 0")
    await say(chat[0], room, address, "the newest")
    await expect(chip).to_be_visible()
    assert await page.locator("#scroller").evaluate("e => e.scrollTop") == 0
    await chip.click()
    await expect(page.get_by_text("the newest")).to_be_in_viewport()
    await expect(chip).to_be_hidden()


async def test_enter_in_an_input_method_does_not_send(page: Page, room: Room) -> None:
    box = page.get_by_role("textbox")
    await box.fill("ni hao")
    await box.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})
    assert await box.input_value() == "ni hao"
    await page.keyboard.press("Shift+Enter")
    assert await box.input_value() == "ni hao\n"
    await page.keyboard.press("Enter")
    assert (await room.wait_for(1))[0].text == "ni hao"


async def test_markup_is_shown_as_text(page: Page, room: Room, chat: tuple[WebAdapter, Site]) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script> javascript:alert(3)"
    await write(page, attack)
    (message,) = await room.wait_for(1)
    assert message.text == attack
    await say(chat[0], room, message.address, attack, "counsellor", name="<b>Lin</b>")
    await expect(page.locator(".counsellor .who")).to_contain_text("<b>Lin</b>")
    assert await bubbles(page) == [attack, attack]
    assert await page.locator("#log img, #log script, #log b").count() == 0


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
async def test_a_narrow_phone_shows_everything_without_sideways_scrolling(
    browser: Browser, room: Room, chat: tuple[WebAdapter, Site], language: str
) -> None:
    context = await browser.new_context(locale=language, viewport={"width": 320, "height": 568}, has_touch=True)
    page = await context.new_page()
    await enter(page, chat[1])
    await page.get_by_role("textbox").fill("w" * 500)
    await page.locator(".send").click()
    (message,) = await room.wait_for(1)
    await say(chat[0], room, message.address, "https://example.org/" + "x" * 300, thumbs=Thumbs(17))
    await page.locator(".thumbs .helpful").click()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    assert await page.locator("#scroller").evaluate("e => e.scrollWidth - e.clientWidth") == 0
    for name in (".crisis", ".human", "#text", ".send", ".thumbs .helpful", ".thumbs .unhelpful"):
        box = await page.locator(name).bounding_box()
        assert box
        assert box["height"] >= 40, "large enough for a thumb"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
    await context.close()


async def test_the_page_works_by_keyboard_alone(page: Page, room: Room) -> None:
    await page.locator("body").press("Shift+Tab")
    reached = set()
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("document.activeElement.className || document.activeElement.id"))
    assert {"crisis", "human", "text"} <= reached
    await page.get_by_role("button", name=EN.get("menu.help")).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.dataset.command") == "/breathe"
    await page.keyboard.press("Escape")
    await expect(page.locator("#menu")).to_be_hidden()
    assert await page.evaluate("document.activeElement.id") == "menu-button"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_texts_have_enough_contrast(
    browser: Browser, room: Room, chat: tuple[WebAdapter, Site], scheme: str
) -> None:
    """WCAG 2.2 AA: at least 4.5 to 1 between every text and the nearest background behind it."""
    context = await browser.new_context(locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]  # a literal
    page = await context.new_page()
    await enter(page, chat[1])
    address = await hello(page, room)
    await say(chat[0], room, address, "Call 110", buttons=((Button("Yes", "yes"),),), thumbs=Thumbs(17))
    await say(chat[0], room, address, "Hello", "counsellor", name="Lin")
    await page.locator(".thumbs .helpful").click()
    await page.locator(".human").click()
    await page.locator("#menu-button").click()
    await expect(page.locator(".counsellor")).to_be_visible()
    await page.get_by_role("textbox").fill("x")
    await expect(page.locator("[data-state=sending]")).to_have_count(0)
    assert await page.evaluate(LOW_CONTRAST) == []
    await context.close()


LOW_CONTRAST = """() => {
  const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const color = rgb(getComputedStyle(at).backgroundColor);
      if ((color[3] ?? 1) > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.closest(".unseen, noscript")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.push(`${e.className || e.tagName} ${ratio.toFixed(2)}`);
  }
  return low;
}"""
