"""Chromium at the operators' page for follow-ups, with a visitor who gets what they send and does an exercise."""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from bot.store import Store, broadcasts
from tests.e2e.browser import chromium
from tests.e2e.console_house import EN, ZH, House, choose, house, narrow, own_menu, sheet, word, writes

__all__ = ["house"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

CHINESE = "周末愉快。出去走走也好，在家歇着也好。"
ENGLISH = "Have a gentle weekend, whether you go out or stay in."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the process keeps its database."""
    return tmp_path_factory.mktemp("follow-ups")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(folder: Path) -> AsyncIterator[tuple[Process, Browser]]:
    """The bot's process and a browser, for all tests of this file."""
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.e2e.console_process", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        yield process, await stack.enter_async_context(chromium())


async def its_time_comes(folder: Path, title: str) -> None:
    """What is planned for tomorrow is due now, as if a day had passed."""
    async with Store(f"sqlite+aiosqlite:///{folder / 'psyllm.db'}") as store, store.transaction() as tx:
        (found,) = [b for b in await broadcasts.every(tx) if b.title == title]
        await broadcasts.change(tx, found.id, next_at=tx.now)


async def page_of(house: House, **context: object) -> Page:
    """The page, opened by an operator."""
    boss = await house.counsellor("boss", **context)
    await boss.locator('.page-link[data-key="4"]').click()
    await expect(boss.locator(".plans > li").first).to_be_visible()
    return boss


def said(visitor: Page) -> Locator:
    """What the bot has said."""
    return visitor.locator("#log .item:not(.user) .bubble")


async def joined(house: House) -> Page:
    """A visitor who agreed to a programme and whom any hour suits."""
    visitor = await house.visitor("hello")
    for text, answer in (
        ("/checkins join breathing_space yes", "The first one comes"),
        ("/checkins quiet off", EN.get("followup.quiet_off")),
    ):
        await writes(visitor, text)
        await expect(said(visitor).last).to_contain_text(answer)
    return visitor


def of_title(page: Page, title: str) -> Locator:
    """A message to many in the list."""
    return page.locator(".sends li", has_text=title)


def form(page: Page) -> Locator:
    """The form opened last; the one before may still be on its way out."""
    return sheet(page).last


async def fill(page: Page, **fields: str) -> None:
    """Fill fields of the open form."""
    for key, value in fields.items():
        await form(page).get_by_label(word(f"followups.{key}"), exact=True).fill(value)


async def test_a_message_is_written_tried_confirmed_and_arrives_once(house: House, folder: Path) -> None:
    visitor, boss = await joined(house), await page_of(house)
    await boss.locator(".new").click()
    await form(boss).locator(".confirm").click()
    await expect(form(boss).get_by_text(word("field_needed"))).to_have_count(3)
    await fill(boss, title="Weekend", text_zh=CHINESE, text_en=ENGLISH, at="2020-01-01T10:00")
    await form(boss).locator(".confirm").click()
    await expect(form(boss)).to_contain_text(word("followups.wrong_time"))
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    await fill(boss, at=f"{tomorrow}T10:00")
    await form(boss).locator(".confirm").click()

    await expect(form(boss)).to_contain_text(word("followups.would_get", count="1"))
    await expect(form(boss).locator('[lang="zh-CN"] .text')).to_have_text(CHINESE)
    await expect(form(boss).locator('[lang="en"] .text')).to_have_text(ENGLISH)
    await expect(form(boss).locator("li")).to_contain_text("10:00")
    await expect(of_title(boss, "Weekend").locator(".state-chip")).to_have_text(word("followups.state_draft"))
    await form(boss).locator(".confirm").click()
    await expect(of_title(boss, "Weekend").locator(".state-chip")).to_have_text(word("followups.state_active"))
    await expect(sheet(boss)).to_have_count(0)

    await its_time_comes(folder, "Weekend")
    await expect(said(visitor).last).to_have_text(ENGLISH)
    await expect(of_title(boss, "Weekend")).to_contain_text(re.compile(r"last sent out .*; people: 1"))
    await expect(of_title(boss, "Weekend").locator(".state-chip")).to_have_text(word("followups.state_done"))
    await expect(visitor.get_by_text(ENGLISH)).to_have_count(1)


async def test_a_repeating_message_is_paused_and_cancelled(house: House) -> None:
    boss = await page_of(house)
    await boss.locator(".new").click()
    await fill(boss, title="Mondays", text_zh=CHINESE, text_en=ENGLISH)
    await form(boss).get_by_role("button", name=word("followups.again"), exact=True).click()
    await choose(boss, word("followups.rhythm"), word("followups.rhythm_weekly", what="Mon"))
    await fill(boss, time="18:30")
    await form(boss).locator(".confirm").click()
    await expect(form(boss)).to_contain_text(word("followups.nobody_yet"))
    await expect(form(boss).locator("li")).to_have_text([re.compile(r"^Mon .* 18:30$")] * 3)
    await form(boss).get_by_role("button", name=word("followups.keep")).click()

    mine = of_title(boss, "Mondays")
    await mine.locator(".do-check").click()
    await form(boss).locator(".confirm").click()
    await expect(mine).to_contain_text("Every week on Mon 18:30")
    await mine.locator(".do-pause").click()
    await expect(mine.locator(".state-chip")).to_have_text(word("followups.state_paused"))
    await mine.locator(".do-go").click()
    await expect(mine.locator(".state-chip")).to_have_text(word("followups.state_active"))
    await mine.locator(".do-end").click()
    await form(boss).locator(".confirm").click()
    await expect(mine.locator(".state-chip")).to_have_text(word("followups.state_done"))
    await expect(mine.locator("button")).to_have_count(0)


async def test_a_programme_is_previewed_in_two_languages_at_local_times_and_held(house: House) -> None:
    boss = await page_of(house, viewport={"width": 390, "height": 800})
    assert await boss.evaluate(
        """() => document.querySelector(".pages").lastElementChild.getBoundingClientRect().right
              <= document.querySelector(".tools").getBoundingClientRect().left"""
    ), "the pages leave room for the tools"
    await own_menu(boss, "中文")
    plan = boss.locator('[data-programme="sleep_week"]')
    await expect(plan.locator(".what")).to_have_text("七个晚上，慢慢睡好")
    assert await narrow(boss)
    await plan.locator(".do-preview").press("Enter")
    steps = form(boss).locator(".step")
    await expect(steps).to_have_count(7)
    await expect(steps.first.locator('[lang="zh-CN"]')).to_contain_text("第一晚")
    await expect(steps.first.locator('[lang="en"]')).to_contain_text("First evening")
    await expect(steps.last.locator("h3")).to_have_text(re.compile(r"第 7 天 · .* 21:00$"))
    assert await narrow(boss)
    zone = form(boss).get_by_label(ZH.get("console.followups.zone"))
    await zone.fill("nowhere")
    await zone.press("Enter")
    await expect(form(boss)).to_contain_text(ZH.get("console.followups.wrong_zone"))
    await boss.keyboard.press("Escape")
    await expect(sheet(boss)).to_have_count(0)

    await plan.locator(".do-pause").click()
    await form(boss).locator(".confirm").click()
    await expect(plan.locator(".state-chip")).to_have_text(ZH.get("console.followups.state_paused"))
    await plan.locator(".do-go").click()
    await expect(plan.locator(".state-chip")).to_have_text(ZH.get("console.followups.state_active"))


@pytest.mark.parametrize("name", ["lin", "kim"])
async def test_who_is_no_operator_is_refused(house: House, name: str) -> None:
    page = await house.counsellor(name)
    await expect(page.locator('.page-link[data-key="4"]')).to_have_count(0)
    answer = await page.goto(f"{house.url}/console/follow-ups")
    assert answer
    assert answer.status == 403
    await expect(page.locator("h1")).to_have_text(word("not_yours"))
    await expect(page.locator(".plans, .sends, button")).to_have_count(0)


async def press(visitor: Page, label: str) -> None:
    """Press the newest button with a label."""
    await visitor.locator("#log").get_by_role("button", name=label, exact=True).last.click()


async def test_an_exercise_step_by_step_with_the_mood_and_its_picture(house: House) -> None:
    visitor = await house.visitor("hello")
    await writes(visitor, "/exercise begin feet_floor 0")
    await expect(said(visitor).last).to_have_text(EN.get("followup.mood_before"))
    await press(visitor, "3")
    for step in (1, 2, 3, 4):
        await expect(said(visitor).last).to_contain_text(f"Step {step} of 4")
        await press(visitor, EN.get("button.exercise_next"))
    await expect(said(visitor).last).to_have_text(EN.get("followup.mood_after"))
    await press(visitor, "6")
    await expect(said(visitor).last).to_have_text(EN.get("followup.exercise_done"))
    await writes(visitor, "/mood")
    picture = said(visitor).locator("img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth > 200; }")
    await expect(said(visitor).last).to_contain_text(EN.get("followup.mood_picture", count=2))
    await expect(visitor.locator("#log .choice").last).to_be_in_viewport()
