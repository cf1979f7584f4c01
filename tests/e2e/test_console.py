"""Chromium at the counsellors' desk, with a visitor at the chat page: the whole way from an alert to the hand-back."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.console.gate import COOKIE
from config.language import Language
from config.texts import load_texts
from tests.e2e.browser import chromium

EN = load_texts(Language.EN)
ZH = load_texts(Language.ZH)
PASSWORD = "correct horse battery"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class House:
    """A running bot and a browser."""

    url: str
    invites: dict[str, str]
    browser: Browser

    async def visitor(self, *texts: str) -> Page:
        """Somebody at the chat page who has written these texts."""
        page = await (await self.browser.new_context(locale="en-GB")).new_page()
        await page.goto(self.url)
        await page.wait_for_selector("#log[aria-live=polite]", state="attached")
        for number, text in enumerate(texts, 1):
            await page.get_by_role("textbox").fill(text)
            await page.keyboard.press("Enter")
            await expect(page.locator(".tick.sent")).to_have_count(number)
        return page

    async def counsellor(self, name: str, **context: object) -> Page:
        """A counsellor who has set a password with the invitation and sees the queue."""
        page = await (await self.browser.new_context(**({"locale": "en-GB"} | context))).new_page()  # type: ignore[arg-type]  # playwright's keywords
        await page.goto(f"{self.url}/console/setup#{self.invites[name]}")
        await page.locator("#password").fill(PASSWORD)
        await page.locator("#submit").click()
        await page.wait_for_url("**/console/")
        await expect(page.locator(".queue h2").first).to_be_visible()
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Browser]]:
    """The bot's process and a browser, for all tests of this file."""
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.e2e.console_process", str(tmp_path_factory.mktemp("console"))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        yield process, await stack.enter_async_context(chromium())


@pytest_asyncio.fixture(loop_scope="module")
async def house(running: tuple[Process, Browser]) -> AsyncIterator[House]:
    process, browser = running
    assert process.stdin
    assert process.stdout
    while not (line := await process.stdout.readline()).startswith(b"{"):
        assert line, "the process ended before it was at work"
    said = json.loads(line)
    yield House(f"http://127.0.0.1:{said['port']}", said["invites"], browser)
    for context in browser.contexts:
        await context.close()
    process.stdin.write(b"forget\n")


async def test_from_the_alert_to_the_hand_back(house: House) -> None:
    desk = await house.counsellor("lin")
    await expect(desk.locator(".queue .empty")).to_have_text(EN.get("console.empty"))

    visitor = await house.visitor("good morning")
    await expect(visitor.locator("#log .bot .bubble")).to_have_text("echo: good morning.")
    await visitor.get_by_role("textbox").fill("<b>this</b> is urgent")
    await visitor.keyboard.press("Enter")
    card = desk.locator(".card.level-urgent")
    await expect(card).to_be_visible()
    await expect(card.locator(".clock")).to_have_text(re.compile(r"\d+:\d\d"))
    await desk.wait_for_function("document.documentElement.dataset.alarm.includes('Urgent')")

    await card.locator(".danger").click()
    await expect(desk.locator("mark")).to_have_text("urgent")
    await expect(desk.locator(".said.user .bubble").last).to_have_text("<b>this</b> is urgent")
    await expect(desk.locator(".evidence .quote")).to_have_text("“urgent”")
    await expect(desk.locator(".said.bot .bubble").first).to_have_text("echo: good morning.")
    await expect(desk.locator(".reply")).to_have_count(0)

    await desk.locator(".take").click()
    reply = desk.locator(".reply textarea")
    await reply.fill("Hello, I am Lin.")
    await reply.press("Control+Enter")
    await expect(reply).to_have_value("")
    await expect(visitor.locator(".counsellor .bubble")).to_have_text("Hello, I am Lin.")
    await expect(visitor.locator(".counsellor .who")).to_have_text(f"Lin · {EN.get('web.counsellor')}")

    await reply.fill("I am still writing this")
    await visitor.get_by_role("textbox").fill("thank you")
    await visitor.keyboard.press("Enter")
    await expect(desk.locator(".said.user .bubble").last).to_have_text("thank you")
    await expect(reply).to_have_value("I am still writing this")
    await desk.reload()
    await expect(reply).to_have_value("I am still writing this")
    await desk.locator(".send").click()
    await expect(visitor.locator(".counsellor .bubble").last).to_have_text("I am still writing this")
    await desk.reload()
    await expect(reply).to_have_value("")

    await desk.locator(".foot .release").click()
    await desk.locator(".note-box textarea").fill("calmer now")
    await desk.locator(".confirm").click()
    await expect(desk.locator(".foot .state")).to_have_text(EN.get("console.closed"))
    await expect(desk.locator(".note")).to_contain_text("calmer now")
    await expect(desk.locator(".card")).to_have_count(0)

    await visitor.get_by_role("textbox").fill("are you there")
    await visitor.keyboard.press("Enter")
    await expect(visitor.locator("#log .bot .bubble").last).to_have_text("echo: are you there.")
    assert "calmer now" not in await visitor.content()


async def test_of_two_counsellors_one_wins_and_the_other_learns_who(house: House) -> None:
    lin, sam = await house.counsellor("lin"), await house.counsellor("sam")
    await house.visitor("this is urgent")
    for page in (lin, sam):
        await expect(page.locator(".card .q-btn")).to_be_visible()
    await asyncio.gather(*(page.evaluate("document.querySelector('.card .q-btn')?.click()") for page in (lin, sam)))
    await asyncio.gather(*(expect(page.locator(".card .q-btn")).to_have_count(0) for page in (lin, sam)))
    taken = [asyncio.ensure_future(page.wait_for_url("**/case/*")) for page in (lin, sam)]
    _, waiting = await asyncio.wait(taken, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    loser, name = (sam, "Lin") if "/case/" in lin.url else (lin, "Sam")
    await expect(loser.locator(".card .holder")).to_have_text(EN.get("console.claimed_by", name=name))
    assert "/case/" not in loser.url
    await loser.locator(".card .danger").click()
    await expect(loser.locator(".foot .state")).to_have_text(EN.get("console.claimed_by", name=name))
    await expect(loser.locator(".reply")).to_have_count(0)


async def test_an_emergency_stands_first(house: House) -> None:
    desk = await house.counsellor("lin")
    await house.visitor("this is urgent")
    await house.visitor("this is an emergency")
    await expect(desk.locator(".card")).to_have_count(2)
    await expect(desk.locator(".card").first).to_have_class("card level-emergency")


async def test_signing_in_and_out(house: House) -> None:
    page = await house.counsellor("lin")
    await page.get_by_role("button", name=EN.get("console.sign_out")).click()
    await page.wait_for_url("**/console/login")
    await page.goto(f"{house.url}/console/case/1")
    assert page.url.endswith("/console/login")
    await page.locator("#name").fill("lin")
    await page.locator("#password").fill("wrong password")
    await page.locator("#submit").click()
    await expect(page.locator("#refusal")).to_have_text(EN.get("console.wrong"))
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("#refusal")).to_have_text(ZH.get("console.wrong"))
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#submit").click()
    await page.wait_for_url("**/console/")
    await expect(page.locator(".home")).to_have_text(ZH.get("console.title"))


async def test_an_invitation_opens_once(house: House) -> None:
    await house.counsellor("lin")
    page = await (await house.browser.new_context(locale="en-GB")).new_page()
    await page.goto(f"{house.url}/console/setup#{house.invites['lin']}")
    await expect(page.locator("#refusal")).to_have_text(EN.get("console.setup_expired"))


async def test_a_page_whose_session_ended_shows_and_does_nothing_more(house: House) -> None:
    desk = await house.counsellor("lin")
    await house.visitor("this is urgent")
    claim = desk.locator(".card .q-btn")
    await expect(claim).to_be_visible()
    other = await desk.context.new_page()
    await other.goto(f"{house.url}/console/")
    await other.get_by_role("button", name=EN.get("console.sign_out")).click()
    await other.wait_for_url("**/console/login")
    await claim.click()
    await desk.wait_for_url("**/console/login")
    sam = await house.counsellor("sam")
    await expect(sam.locator(".card .q-btn")).to_be_visible()


async def test_the_desk_fits_a_phone_and_speaks_chinese(house: House) -> None:
    desk = await house.counsellor("lin", viewport={"width": 360, "height": 720}, color_scheme="dark")
    await house.visitor("this is urgent " + "w" * 300)
    await desk.get_by_role("button", name="中文").click()
    await expect(desk.locator(".home")).to_have_text(ZH.get("console.title"))
    await desk.locator(".card .danger").click()
    await expect(desk.locator(".take")).to_have_text(ZH.get("console.claim"))
    assert await desk.evaluate("document.documentElement.scrollWidth") == 360
    assert await desk.evaluate("document.documentElement.lang") == "zh-CN"
    await desk.locator(".back").click()
    await expect(desk.locator(".card")).to_be_visible()


async def test_nothing_comes_from_another_host(house: House) -> None:
    context = await house.browser.new_context(locale="en-GB")
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{house.url}/console/setup#{house.invites['lin']}")
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#submit").click()
    await expect(page.locator(".queue h2")).to_be_visible()
    assert len(asked) > 10
    assert not [url for url in asked if not url.startswith((house.url, "data:", house.url.replace("http", "ws")))]
    assert not [url for url in asked if house.invites["lin"] in url.partition("#")[0]]
    cookies = {cookie["name"]: cookie for cookie in await context.cookies()}
    assert cookies[COOKIE]["httpOnly"]
    assert cookies[COOKIE]["sameSite"] == "Strict"


async def test_a_case_that_does_not_exist_says_so(house: House) -> None:
    desk = await house.counsellor("lin")
    await desk.goto(f"{house.url}/console/case/999999")
    await expect(desk.locator(".head .empty")).to_have_text(EN.get("console.closed"))
    for number, status in (("0", 422), ("-1", 422), ("9" * 30, 422), ("abc", 422), ("1/2", 404)):
        answer = await desk.goto(f"{house.url}/console/case/{number}")
        assert answer
        assert answer.status == status
        assert "Traceback" not in await desk.content()
