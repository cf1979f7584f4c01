"""Chromium at the counsellors' desk, with a visitor at the chat page: the whole way from an alert to the hand-back."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from bot.console.gate import COOKIE
from tests.e2e.console_house import EN, PASSWORD, ZH, House, house, narrow, own_menu, running, word

__all__ = ["house", "running"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_the_alert_to_the_hand_back(house: House) -> None:
    desk = await house.counsellor("lin")
    await expect(desk.locator(".queue .empty")).to_have_text(word("empty"))

    visitor = await house.visitor("good morning")
    await expect(visitor.locator("#log .bot .bubble")).to_have_text("echo: good morning.")
    await visitor.get_by_role("textbox").fill("<b>this</b> is urgent")
    await visitor.keyboard.press("Enter")
    card = desk.locator(".card.level-urgent")
    await expect(card).to_be_visible()
    await expect(card.locator(".clock")).to_have_text(re.compile(r"\d+:\d\d"))
    await desk.wait_for_function("document.documentElement.dataset.alarm?.includes('Urgent')")

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
    winner = lin if loser is sam else sam
    await loser.goto(winner.url)
    await expect(loser.locator(".head .empty")).to_have_text(word("private"))
    await expect(loser.locator(".said, .reply, .quote")).to_have_count(0)


async def test_an_emergency_stands_first(house: House) -> None:
    desk = await house.counsellor("lin")
    await house.visitor("this is urgent")
    await house.visitor("this is an emergency")
    await expect(desk.locator(".card")).to_have_count(2)
    await expect(desk.locator(".card").first).to_have_class("card level-emergency")


async def test_signing_in_and_out(house: House) -> None:
    page = await house.counsellor("lin")
    await own_menu(page, word("sign_out"))
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
    await expect(page.locator("[aria-current=page]")).to_have_text(re.compile(ZH.get("console.page.desk")))


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
    await own_menu(other, word("sign_out"))
    await other.wait_for_url("**/console/login")
    await claim.click()
    await desk.wait_for_url("**/console/login")
    sam = await house.counsellor("sam")
    await expect(sam.locator(".card .q-btn")).to_be_visible()


async def test_the_desk_fits_a_phone_and_speaks_chinese(house: House) -> None:
    desk = await house.counsellor("lin", viewport={"width": 390, "height": 800}, color_scheme="dark")
    await house.visitor("this is urgent " + "w" * 300)
    await own_menu(desk, "中文")
    await expect(desk.locator("[aria-current=page]")).to_have_text(re.compile(ZH.get("console.page.desk")))
    await desk.locator(".card .danger").click()
    await expect(desk.locator(".take")).to_have_text(ZH.get("console.claim"))
    assert await narrow(desk)
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
