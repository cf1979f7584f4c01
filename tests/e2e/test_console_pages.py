"""Chromium at the pages beside the desk: who may open which, who is on call, the board, the second factor."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.e2e.console_house import PASSWORD, House, choose, house, narrow, own_menu, running, says, sheet, word

__all__ = ["house", "running"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("name", "pages", "board", "schedule"), [("lin", 2, 403, False), ("kim", 3, 200, False), ("boss", 4, 200, True)]
)
async def test_each_role_sees_its_own_pages(house: House, name: str, pages: int, board: int, schedule: bool) -> None:
    page = await house.counsellor(name)
    await expect(page.locator(".page-link")).to_have_count(pages)
    answer = await page.goto(f"{house.url}/console/board")
    assert answer
    assert answer.status == board
    if board == 403:
        await expect(page.locator("h1")).to_have_text(word("not_yours"))
        await expect(page.locator(".tile, .figure")).to_have_count(0)
    await page.goto(f"{house.url}/console/oncall")
    await expect(page.locator(".ladder li").first).to_be_visible()
    await expect(page.get_by_role("button", name=word("oncall.leave"))).to_have_count(int(schedule))


async def test_of_the_others_only_a_supervisor_reads_a_conversation(house: House) -> None:
    lin, _ = await house.holder("lin", "this is urgent")
    for name in ("sam", "boss"):
        page = await house.counsellor(name)
        await expect(page.locator(".card .holder")).to_have_text(word("claimed_by", name="Lin"))
        await expect(page.locator(".card a")).to_have_count(0)
        await page.goto(lin.url)
        await expect(page.locator(".head .empty")).to_have_text(word("private"))
        assert "this is urgent" not in await page.content()
    kim = await house.counsellor("kim")
    await kim.goto(lin.url)
    await expect(kim.locator(".said.user .bubble")).to_have_text("this is urgent")


async def fill_span(page: Page, start: str, end: str) -> None:
    """Fill the times of an open form."""
    await sheet(page).get_by_label(word("oncall.start")).fill(start)
    await sheet(page).get_by_label(word("oncall.end")).fill(end)


async def test_an_operator_changes_who_is_on_call_and_everybody_sees_it_at_once(house: House) -> None:
    boss, kim = await house.counsellor("boss"), await house.counsellor("kim")
    for page in (boss, kim):
        await page.goto(f"{house.url}/console/oncall")
        await expect(page.locator(".ladder li")).to_have_count(3)
    days = (datetime.now(UTC).date() - timedelta(days=1), datetime.now(UTC).date() + timedelta(days=1))
    start, end = (f"{day.isoformat()}T00:00" for day in days)

    await boss.get_by_role("button", name=word("oncall.cover")).click()
    await choose(boss, word("oncall.change"), word("oncall.kind.add"))
    await choose(boss, word("oncall.who"), "Kim")
    await sheet(boss).locator(".confirm").click()
    await expect(sheet(boss).locator(".problem")).to_have_text(word("oncall.incomplete"))
    await fill_span(boss, end, start)
    await sheet(boss).locator(".confirm").click()
    await expect(sheet(boss).locator(".problem")).to_contain_text("ends before it starts")
    await fill_span(boss, start, end)
    await sheet(boss).locator(".confirm").click()
    await expect(sheet(boss)).to_have_count(0)
    for page in (boss, kim):
        await expect(page.locator(".ladder li").first).to_contain_text("Kim")
        await expect(page.locator(".changes")).to_contain_text(word("oncall.is_added", name="Kim", what="day"))
    await expect(kim.locator(".changes button")).to_have_count(0)
    await boss.locator(".changes button").click()
    await expect(kim.locator(".ladder li").first).not_to_contain_text("Kim")


async def test_a_change_that_leaves_nobody_is_asked_about_and_then_loud(house: House) -> None:
    boss = await house.counsellor("boss")
    await boss.goto(f"{house.url}/console/oncall")
    days = (datetime.now(UTC).date() + timedelta(days=1), datetime.now(UTC).date() + timedelta(days=3))
    start, end = (f"{day.isoformat()}T12:00" for day in days)
    for name, gap in (("Lin", False), ("Sam", True)):
        await boss.get_by_role("button", name=word("oncall.leave"), exact=True).click()
        await choose(boss, word("oncall.who"), name)
        await fill_span(boss, start, end)
        await sheet(boss).locator(".confirm").click()
        if gap:
            await expect(boss.locator(".sheet.alarm")).to_contain_text(word("oncall.makes_gap"))
            await boss.locator(".confirm-gap").click()
        await expect(sheet(boss)).to_have_count(0)
    await expect(boss.locator(".page .alarm")).to_be_visible()
    await expect(boss.locator(".changes li")).to_have_count(2)


async def test_the_calendar_is_for_those_who_are_signed_in(house: House) -> None:
    lin = await house.counsellor("lin")
    every = await lin.request.get(f"{house.url}/console/oncall.ics")
    mine = await lin.request.get(f"{house.url}/console/oncall.ics?mine=1")
    assert every.headers["content-type"].startswith("text/calendar")
    assert "Sam" in await every.text()
    assert "BEGIN:VEVENT" in await mine.text()
    stranger = await house.browser.new_context()
    assert (await stranger.request.get(f"{house.url}/console/oncall.ics")).status == 401


async def test_the_board_counts_what_happened_in_charts_and_in_tables(house: House) -> None:
    lin, _ = await house.holder("lin", "this is urgent")
    await says(lin, "Hello")
    await house.visitor("this is an emergency")
    kim = await house.counsellor("kim")
    await kim.goto(f"{house.url}/console/board")
    await expect(kim.locator(".tile .value")).to_have_text(["1", "0", "1", "2"])
    await expect(kim.locator(".chart svg")).to_have_count(2)
    rows = kim.locator(".figure").first.locator("tbody tr")
    await expect(rows).to_have_count(3)
    await lin.locator(".foot .release").click()
    await sheet(lin).locator(".confirm").click()
    await expect(kim.locator(".chart svg")).to_have_count(3)
    await expect(kim.locator(".figure").last.locator("tbody")).to_contain_text("1")
    await kim.set_viewport_size({"width": 390, "height": 800})
    assert await narrow(kim)


async def test_a_second_factor_is_set_up_and_then_asked_for(house: House) -> None:
    lin = await house.counsellor("lin")
    await own_menu(lin, word("page.account"))
    await lin.get_by_role("button", name=word("factor_begin")).click()
    await expect(lin.locator(".qr")).to_be_visible()
    phone = pyotp.TOTP((await lin.locator(".secret").inner_text()).replace(" ", ""))
    await lin.locator(".code-box input").fill("000000")
    await lin.locator(".factor .confirm").click()
    await expect(lin.locator(".factor")).to_contain_text(word("code_wrong"))
    await lin.locator(".code-box input").fill(phone.now())
    await lin.locator(".factor .confirm").click()
    await expect(lin.locator(".recovery li")).to_have_count(8)
    recovery = await lin.locator(".recovery li").first.inner_text()

    await own_menu(lin, word("sign_out"))
    await lin.wait_for_url("**/console/login")
    await lin.locator("#name").fill("lin")
    await lin.locator("#password").fill(PASSWORD)
    await expect(lin.locator("#code")).to_be_hidden()
    await lin.locator("#submit").click()
    await expect(lin.locator("#code")).to_be_focused()
    await lin.locator("#code").fill("111111")
    await lin.locator("#submit").click()
    await expect(lin.locator("#refusal")).to_have_text(word("code_wrong"))
    await lin.locator("#code").fill(recovery)
    await lin.locator("#submit").click()
    await lin.wait_for_url("**/console/")
