"""Takes the pictures in docs/images: `python -m tests.e2e.screenshots`. Needs Chromium; reaches no other machine."""

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect
from sqlalchemy import func, select

from bot.store import Store, practices
from bot.store.schema import person
from tests.e2e.browser import chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1360, "height": 860}


@dataclass(frozen=True)
class Scene:
    """What is said in the pictures of one language."""

    language: str
    locale: str
    country: str
    everyday: tuple[str, ...]
    urgent: str
    greeting: str
    thanks: str
    note: str
    weekend: str
    evening: str


SCENES = (
    Scene(
        "zh",
        "zh-CN",
        "CN",
        ("最近总是睡不着，一躺下脑子就停不下来", "主要是工作，还有点怕第二天起不来"),
        "真的撑不住了，有时候觉得死了算了",
        "你好，我是小林。你前面说的我都看了，一个人扛了这么久，很不容易。现在身边有人吗？",
        "嗯，有室友在，谢谢",
        "有室友在家，愿意今晚陪着。睡不好有一个月了。",
        "周末问候",
        "傍晚一句",
    ),
    Scene(
        "en",
        "en-GB",
        "GB",
        ("I can't sleep lately, my head won't stop as soon as I lie down", "mostly work, and I dread the mornings"),
        "I can't go on like this, sometimes I think I'd be better off dead",
        "Hello, I'm Lin. I've read what you wrote. That is a lot to carry alone. Is anyone with you right now?",
        "yes, my flatmate is home. thank you",
        "Flatmate at home, will stay up tonight. Hasn't slept well for a month.",
        "A weekend greeting",
        "A word for the evening",
    ),
)


async def visitor(context: BrowserContext, url: str, *texts: str) -> Page:
    """Somebody who writes these texts, each after the answer to the one before."""
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector("#log[aria-live=polite]", state="attached")
    for text in texts:
        answers = await page.locator("#log .bot, #log .system").count()
        await page.get_by_role("textbox").fill(text)
        await page.locator(".send").click()
        await expect(page.locator("#log .bot, #log .system").nth(answers)).to_be_visible(timeout=20_000)
    return page


async def counsellor(browser: Browser, url: str, invite: str, scene: Scene, **context: object) -> Page:
    """A counsellor who has just signed in."""
    wanted = {"locale": scene.locale, "viewport": DESK} | context
    page = await (await browser.new_context(**wanted)).new_page()  # type: ignore[arg-type]  # playwright's keywords
    await page.goto(f"{url}/console/setup#{invite}")
    await page.locator("#password").fill("correct horse battery")
    await page.locator("#submit").click()
    await expect(page.locator(".queue h2").first).to_be_visible()
    return page


async def shoot(page: Page, name: str, scene: Scene) -> None:
    """One picture, once nothing moves and no notice covers anything."""
    await expect(page.locator(".q-notification")).to_have_count(0, timeout=30_000)
    await page.wait_for_timeout(600)
    await page.screenshot(path=FOLDER / f"{name}-{scene.language}.png")


async def photograph(browser: Browser, url: str, invites: dict[str, str], scene: Scene) -> None:
    """All pictures of one language."""
    chat = await browser.new_context(locale=scene.locale, viewport=PHONE, device_scale_factor=2)  # type: ignore[arg-type]  # a size
    page = await visitor(chat, url, *scene.everyday)
    await page.screenshot(path=FOLDER / f"web-chat-{scene.language}.png")

    desk = await counsellor(browser, url, invites["lin"], scene)
    others = [await browser.new_context(locale=scene.locale, viewport=PHONE) for _ in range(2)]  # type: ignore[arg-type]  # a size
    in_need = await visitor(others[0], url, scene.everyday[0], scene.urgent)
    asking = await visitor(others[1], url, scene.everyday[1])
    await asking.locator(".human").click()
    await expect(desk.locator(".card")).to_have_count(2)
    await desk.set_viewport_size({"width": 900, "height": 420})
    await shoot(desk, "console-queue", scene)
    await desk.set_viewport_size(DESK)  # type: ignore[arg-type]  # a size
    await talk(desk, in_need, scene)
    await shoot(desk, "console-case", scene)
    await desk.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a size
    await shoot(desk, "console-phone", scene)
    await plan_and_figures(browser, url, invites, scene)


async def talk(desk: Page, in_need: Page, scene: Scene) -> None:
    """The counsellor takes the first case, greets, is answered, and keeps a note."""
    await desk.locator(".card .q-btn").first.click()
    await desk.locator(".reply textarea").fill(scene.greeting)
    await desk.keyboard.press("Control+Enter")
    await expect(in_need.locator(".counsellor")).to_be_visible()
    await in_need.get_by_role("textbox").fill(scene.thanks)
    await in_need.locator(".send").click()
    await expect(desk.locator(".said.user", has_text=scene.thanks)).to_be_visible()
    await desk.get_by_role("tab").nth(1).click()
    await desk.locator(".note_entry textarea").fill(scene.note)
    await desk.locator(".note_entry button").click()
    await expect(desk.locator(".kept")).to_be_visible()
    await desk.get_by_role("tab").first.click()


async def plan_and_figures(browser: Browser, url: str, invites: dict[str, str], scene: Scene) -> None:
    """Who is on call, seen by an operator in the dark, and the board of a supervisor."""
    operator = await counsellor(browser, url, invites["boss"], scene, color_scheme="dark")
    await operator.goto(f"{url}/console/oncall")
    await expect(operator.locator(".timeline")).to_be_visible()
    await shoot(operator, "console-oncall", scene)
    supervisor = await counsellor(browser, url, invites["kim"], scene)
    await supervisor.goto(f"{url}/console/board")
    await expect(supervisor.locator(".chart svg")).to_have_count(2)
    await shoot(supervisor, "console-board", scene)


WEEKEND = (
    "周末愉快。出去走走也好，在家歇着也好，都不用勉强。",
    "Have a gentle weekend, whether you go out or stay in. Neither has to be forced.",
)
EVENING = (
    "一天快过去了。有一件还过得去的小事，就够了。",
    "The day is nearly over. One small thing that went all right is enough.",
)
MOODS = (3, 2, 4, 3, 5, 4, 4, 6, 5, 7)


async def follow_ups(browser: Browser, url: str, invites: dict[str, str], scene: Scene, folder: Path) -> None:
    """A visitor's moods, what operators send to many, and the preview of a programme."""
    chat = await browser.new_context(locale=scene.locale, viewport=PHONE, device_scale_factor=2)  # type: ignore[arg-type]  # a size
    page = await visitor(chat, url, scene.everyday[0], "/checkins join breathing_space yes")
    await felt(folder)
    await page.get_by_role("textbox").fill("/mood")
    await page.keyboard.press("Enter")
    await expect(page.locator("#log img.picture")).to_be_visible()
    await page.wait_for_timeout(600)
    await page.screenshot(path=FOLDER / f"web-mood-{scene.language}.png")

    operator = await counsellor(browser, url, invites["boss"], scene)
    await operator.goto(f"{url}/console/follow-ups")
    await write_to_many(operator, scene.evening, EVENING, daily=True)
    await operator.locator(".sheet").last.locator(".confirm").click()
    await expect(operator.locator(".sheet")).to_have_count(0)
    await write_to_many(operator, scene.weekend, WEEKEND)
    await shoot(operator, "console-broadcast", scene)
    await operator.keyboard.press("Escape")
    await expect(operator.locator(".sheet")).to_have_count(0)
    await shoot(operator, "console-follow-ups", scene)
    await operator.locator('[data-programme="sleep_week"] .do-preview').click()
    await shoot(operator, "console-preview", scene)


async def felt(folder: Path) -> None:
    """How the visitor who came last felt over the past weeks."""
    async with Store(f"sqlite+aiosqlite:///{folder / 'psyllm.db'}") as store:
        now = store.clock()
        for days_ago, value in zip(range(3 * len(MOODS), 0, -3), MOODS, strict=True):
            store.clock = partial(_at, now - timedelta(days=days_ago, hours=value))
            async with store.transaction() as tx:
                newest = await tx.connection.scalar(select(func.max(person.c.id)))
                assert newest is not None
                await practices.add_mood(tx, newest, value, "asked")


def _at(moment: datetime) -> datetime:
    return moment


async def write_to_many(operator: Page, title: str, texts: tuple[str, str], daily: bool = False) -> None:
    """Write a message to many, up to who would get it."""
    await operator.locator(".new").click()
    sheet = operator.locator(".sheet")
    await sheet.locator("input").first.fill(title)
    for number, text in enumerate(texts):
        await sheet.locator("textarea").nth(number).fill(text)
    if daily:
        await sheet.locator(".kind button").nth(1).click()
    await sheet.locator(".confirm").click()
    await expect(sheet.last.locator(".both")).to_be_visible()
    await expect(sheet).to_have_count(1)


async def picture(browser: Browser, scene: Scene, folder: str) -> None:
    """Start a bot, take the pictures of one language, stop it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.e2e.console_process", folder, scene.country),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        while not (line := await process.stdout.readline()).startswith(b"{"):
            assert line, "the bot ended before it was at work"
        said = json.loads(line)
        url = f"http://127.0.0.1:{said['port']}"
        await photograph(browser, url, said["invites"], scene)
        await follow_ups(browser, url, said["invites"], scene, Path(folder))
        for context in browser.contexts:
            await context.close()
    finally:
        process.kill()
        await process.wait()


async def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        for scene in SCENES:
            with tempfile.TemporaryDirectory() as folder:
                await picture(browser, scene, folder)


if __name__ == "__main__":
    asyncio.run(main())
