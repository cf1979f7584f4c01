"""A running bot with visitors and counsellors in Chromium: one process and one browser for a whole file of tests."""

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
from playwright.async_api import Browser, Locator, Page, expect

from config.language import Language
from config.texts import load_texts
from tests.e2e.browser import chromium

EN = load_texts(Language.EN)
ZH = load_texts(Language.ZH)
PASSWORD = "correct horse battery"


def word(key: str, **fields: str) -> str:
    """A text of the console in English."""
    return EN.get(f"console.{key}", **fields)


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

    async def holder(self, name: str, *texts: str) -> tuple[Page, Page]:
        """A counsellor who has taken the case of a visitor with these texts, and the visitor."""
        desk = await self.counsellor(name)
        visitor = await self.visitor(*texts)
        await desk.locator(".card .q-btn").first.click()
        await expect(desk.locator(".reply textarea")).to_be_visible()
        return desk, visitor


async def writes(visitor: Page, text: str) -> None:
    """A visitor writes."""
    await visitor.get_by_role("textbox").fill(text)
    await visitor.keyboard.press("Enter")


async def says(desk: Page, text: str) -> None:
    """A counsellor writes to the visitor."""
    reply = desk.locator(".reply textarea")
    await reply.fill(text)
    await reply.press("Control+Enter")
    await expect(reply).to_have_value("")


async def choose(desk: Page, label: str, option: str) -> None:
    """Choose from a list of an open form."""
    field = desk.locator(".sheet label.q-field", has=desk.get_by_text(label, exact=True))
    await field.click()
    await desk.locator(".q-menu").get_by_text(option, exact=True).click()
    await expect(desk.locator(".q-menu")).to_have_count(0)


async def own_menu(desk: Page, entry: str) -> None:
    """Choose from the menu under one's own name."""
    await desk.locator(".me").click()
    await desk.locator(".q-menu").get_by_text(entry, exact=True).click()


def sheet(desk: Page) -> Locator:
    """The open form."""
    return desk.locator(".sheet")


async def narrow(desk: Page) -> bool:
    """Whether nothing on the page is wider than the screen."""
    return bool(await desk.evaluate("document.documentElement.scrollWidth <= innerWidth"))


TAB = re.compile(r"^(\(\d+\) )?" + re.escape(word("title")) + "$")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Process, Browser]]:
    """The bot's process and a browser, for all tests of a file."""
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
    """The house, with nobody in it at the start of each test."""
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
