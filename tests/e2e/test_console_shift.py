"""Chromium through a counsellor's shift: claim, talk, note, plan, pass on, bring in, whisper, draft, hand back."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.console_house import EN, TAB, House, choose, house, narrow, running, says, sheet, word, writes

__all__ = ["house", "running"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def press(desk: Page, key: str) -> None:
    """Press a key while no field has the focus."""
    await desk.evaluate("document.activeElement?.blur()")
    await desk.keyboard.press(key)


async def test_a_whole_shift_from_the_alert_to_the_hand_back(house: House) -> None:
    lin, sam = await house.counsellor("lin"), await house.counsellor("sam")
    visitor = await house.visitor("hello", "I hide and this is urgent")
    for desk in (lin, sam):
        await desk.wait_for_function("document.documentElement.dataset.alarm?.includes('Urgent')")
        assert "hide" not in await desk.evaluate("document.documentElement.dataset.alarm")
    await expect(lin).to_have_title(f"(1) {word('title')}")
    await press(lin, "c")
    await says(lin, "Hello, I am Lin.")
    await expect(visitor.locator(".counsellor .bubble")).to_have_text("Hello, I am Lin.")
    assert "hide" not in lin.url
    await expect(lin).to_have_title(TAB)

    await press(lin, "n")
    note = lin.locator(".note_entry textarea")
    await expect(note).to_be_focused()
    await note.fill("Lives with a flatmate.")
    await note.press("Control+Enter")
    await expect(lin.locator(".kept")).to_contain_text("Lives with a flatmate.")
    await expect(note).to_have_value("")

    await lin.get_by_role("tab", name=word("file.plan")).click()
    await lin.get_by_role("button", name=word("plan_write")).click()
    await sheet(lin).get_by_label(EN.get("plan.field.alone")).fill("Walk round the pond")
    await sheet(lin).locator(".confirm").click()
    await expect(lin.locator(".plan")).to_contain_text("Walk round the pond")
    await lin.get_by_role("button", name=word("plan_send")).click()
    await expect(visitor.locator("#log")).to_contain_text("Walk round the pond")

    await press(lin, "t")
    await choose(lin, word("to_whom"), f"Sam ({word('target.person')} · {word('on_duty')})")
    await sheet(lin).locator("textarea").fill("Asked for somebody with time.")
    await sheet(lin).locator(".confirm").click()
    await expect(lin.locator(".foot .offer")).to_have_text(word("offer_out", name="Sam"))
    await expect(sam.locator("[data-section=for_me] .count")).to_have_text("1")
    await sam.locator(".card .danger").first.click()
    await expect(sam.locator(".foot .note")).to_have_text("Asked for somebody with time.")
    await expect(sam.locator(".kept")).to_have_count(0)  # on a sheet that is not open
    await sam.locator(".take").click()
    await expect(sam.locator(".reply textarea")).to_be_visible()
    await expect(lin.locator(".head .empty")).to_have_text(word("private"))
    await expect(lin.locator(".said, .reply, .kept")).to_have_count(0)
    await says(sam, "Hello, this is Sam.")
    await expect(visitor.locator(".counsellor .who").last).to_have_text(f"Sam · {EN.get('web.counsellor')}")

    await press(sam, "h")
    await choose(sam, word("outcome"), EN.get("outcome.referred"))
    await sheet(sam).locator(".confirm").click()
    await expect(sheet(sam)).to_contain_text(word("field_needed"))
    await sheet(sam).get_by_label(EN.get("disposition.where")).fill("Their own doctor")
    await sheet(sam).locator(".note-box textarea").fill("Calmer now.")
    await sheet(sam).locator(".confirm").click()
    await expect(sam.locator(".foot .state")).to_have_text(word("closed"))
    await expect(sam.locator(".card")).to_have_count(0)
    await writes(visitor, "are you there")
    await expect(visitor.locator("#log .bot .bubble").last).to_have_text("echo: are you there.")
    for secret in ("Lives with a flatmate", "Asked for somebody", "Calmer now"):
        assert secret not in await visitor.content()


async def test_a_colleague_joins_and_a_supervisor_whispers_unseen(house: House) -> None:
    lin, visitor = await house.holder("lin", "this is urgent")
    sam, kim = await house.counsellor("sam"), await house.counsellor("kim")
    await press(lin, "i")
    await choose(lin, word("to_whom"), "Sam")
    await sheet(lin).locator(".confirm").click()
    await expect(lin.locator(".head .company")).to_have_text(word("company.invited", name="Sam"))
    await sam.locator(".card .danger").first.click()
    await sam.get_by_role("button", name=word("join")).click()
    await says(sam, "Sam here as well.")
    await expect(visitor.locator(".counsellor .bubble")).to_have_text("Sam here as well.")

    await kim.locator(".card .danger").first.click()
    await expect(kim.locator(".said.user .bubble")).to_have_text("this is urgent")
    await expect(kim.locator(".reply")).to_have_count(0)
    await kim.get_by_role("button", name=word("watch")).click()
    await expect(kim.locator(".foot .offer")).to_have_text(word("watching"))
    await kim.get_by_role("tab", name=word("file.notes")).click()
    await kim.locator(".entry.whisper textarea").fill("Ask about the tablets.")
    await kim.get_by_role("button", name=word("whisper_keep")).click()
    await lin.get_by_role("tab", name=word("file.notes")).click()
    await expect(lin.locator(".of-whisper")).to_contain_text("Ask about the tablets.")
    await expect(visitor.locator("#log .system").last).to_contain_text("Sam")
    content = await visitor.content()
    assert "tablets" not in content
    assert "Kim" not in content


async def test_a_draft_is_edited_and_sent_and_a_ready_made_reply_is_found(house: House) -> None:
    lin, visitor = await house.holder("lin", "this is urgent")
    await writes(visitor, "I cannot sleep")
    await expect(lin.locator(".said.user .bubble").last).to_have_text("I cannot sleep")
    await press(lin, "d")
    draft = lin.locator(".draft")
    await expect(draft).to_contain_text(word("draft_mark"))
    await expect(draft.locator(".text")).to_contain_text("I cannot sleep")
    await draft.get_by_role("button", name=word("use_draft")).click()
    reply = lin.locator(".reply textarea")
    await expect(reply).to_have_value(re.compile("I cannot sleep"))
    await reply.fill("How long has that been?")
    await reply.press("Control+Enter")
    await expect(draft).to_have_count(0)
    await expect(visitor.locator(".counsellor .bubble")).to_have_text("How long has that been?")
    assert "echo" not in await visitor.locator(".counsellor").inner_text()

    await press(lin, "/")
    search = sheet(lin).locator(".search input")
    await expect(search).to_be_focused()
    first = await sheet(lin).locator(".found button").last.inner_text()
    await search.fill(" ".join(first.split()[:5]))
    await expect(sheet(lin).locator(".found button")).to_have_count(1)
    await search.press("Enter")
    await expect(reply).to_have_value(re.compile(re.escape(first.strip()[:20])))
    await expect(reply).to_be_focused()


async def test_everything_by_keyboard_alone(house: House) -> None:
    lin = await house.counsellor("lin")
    await house.visitor("this is urgent")
    await house.visitor("this is an emergency")
    await expect(lin.locator(".card")).to_have_count(2)
    await press(lin, "?")
    await expect(sheet(lin).locator("kbd")).to_have_count(15)
    await lin.keyboard.press("c")
    await lin.keyboard.press("Escape")
    await expect(sheet(lin)).to_have_count(0)
    assert "/case/" not in lin.url, "no key acts behind an open form"
    await press(lin, "j")
    await expect(lin.locator(".card.level-emergency .danger")).to_be_focused()
    await lin.keyboard.press("j")
    await expect(lin.locator(".card.level-urgent .danger")).to_be_focused()
    await lin.keyboard.press("k")
    await lin.keyboard.press("Enter")
    await expect(lin.locator(".head .level-emergency")).to_be_visible()
    await press(lin, "c")
    reply = lin.locator(".reply textarea")
    await expect(reply).to_be_focused()
    await lin.keyboard.type("click here")
    await expect(reply).to_have_value("click here")
    await expect(sheet(lin)).to_have_count(0)
    await lin.keyboard.press("Control+Enter")
    await press(lin, "h")
    await expect(sheet(lin)).to_contain_text(word("outcome"))
    await lin.keyboard.press("Escape")
    await expect(sheet(lin)).to_have_count(0)
    await press(lin, "2")
    await lin.wait_for_url("**/console/oncall")
    await press(lin, "?")
    await sheet(lin).locator("[data-shortcuts]").click()
    await expect(sheet(lin).locator("[data-shortcuts]")).to_have_attribute("aria-pressed", "false")
    await lin.keyboard.press("Escape")
    await expect(sheet(lin)).to_have_count(0)
    await press(lin, "1")
    assert lin.url.endswith("/oncall"), "switched off"


async def test_nothing_takes_the_focus_from_somebody_who_types(house: House) -> None:
    lin, visitor = await house.holder("lin", "this is urgent")
    await press(lin, "n")
    note = lin.locator(".note_entry textarea")
    await note.fill("Half a sent")
    await writes(visitor, "one more thing")
    await expect(lin.locator(".said.user .bubble").last).to_have_text("one more thing")
    await house.visitor("this is an emergency")
    await expect(lin.locator(".card.level-emergency")).to_be_visible()
    await expect(note).to_be_focused()
    await lin.keyboard.type("ence")
    await expect(note).to_have_value("Half a sentence")


async def test_a_lost_connection_is_said_and_comes_back(house: House) -> None:
    lin, visitor = await house.holder("lin", "this is urgent")
    reply = lin.locator(".reply textarea")
    await reply.fill("Not sent yet")
    await lin.evaluate("window.socket.io.engine.close()")
    await expect(lin.locator("#popup")).to_have_attribute("aria-hidden", "false")
    await expect(lin.locator("#popup > :first-child")).to_have_text(word("connection_lost"))
    await writes(visitor, "while you were away")
    await expect(lin.locator(".said.user .bubble").last).to_have_text("while you were away")
    await expect(lin.locator("#popup")).to_have_attribute("aria-hidden", "true")
    await expect(reply).to_have_value("Not sent yet")


async def test_the_case_file_fits_a_phone(house: House) -> None:
    lin, _ = await house.holder("lin", "this is urgent " + "w" * 200)
    await lin.set_viewport_size({"width": 390, "height": 800})
    assert await narrow(lin)
    await expect(lin.locator(".file")).to_be_hidden()
    await lin.locator(".switch.to-file").click()
    await expect(lin.locator(".file")).to_be_visible()
    await expect(lin.locator(".reply")).to_be_hidden()
    assert await narrow(lin)
    await lin.locator(".switch.to-talk").click()
    await expect(lin.locator(".reply textarea")).to_be_visible()
    for name in ("release", "transfer", "invite", "key.canned", "key.draft", "send"):
        await expect(lin.locator(".foot").get_by_role("button", name=word(name), exact=True)).to_be_in_viewport()


async def test_with_approval_switched_on_an_answer_waits_for_a_counsellor(house: House) -> None:
    lin, visitor = await house.holder("lin", "this is urgent")
    await lin.get_by_role("button", name=word("review_on")).click()
    await expect(lin.get_by_role("button", name=word("review_off"))).to_be_visible()
    await press(lin, "h")
    await sheet(lin).locator(".confirm").click()
    await expect(lin.locator(".foot .state")).to_have_text(word("closed"))
    await writes(visitor, "good morning")
    await lin.get_by_role("link", name=word("review_answer")).click()
    await expect(lin.locator(".asked")).to_have_text("good morning")
    answer = lin.locator(".answer textarea")
    await expect(answer).to_have_value("echo: good morning.")
    assert "echo" not in await visitor.locator("#log").inner_text()
    await answer.fill("Good morning, and welcome back.")
    await lin.locator(".confirm").click()
    await expect(visitor.locator("#log .bot .bubble").last).to_have_text("Good morning, and welcome back.")
    await expect(lin.locator(".card.review")).to_have_count(0)
