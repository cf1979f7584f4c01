"""Takes the pictures in docs/images: `python -m tests.e2e.screenshots`. Needs Chromium; reaches no other machine."""

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.e2e.browser import chromium

FOLDER = Path(__file__).parents[2] / "docs" / "images"
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1200, "height": 900}
QUEUE = {"width": 900, "height": 440}


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


SCENES = (
    Scene(
        "zh",
        "zh-CN",
        "CN",
        ("最近总是睡不着，一躺下脑子就停不下来", "主要是工作，还有点怕第二天起不来"),
        "真的撑不住了，有时候觉得死了算了",
        "你好，我是小林。你前面说的我都看了，一个人扛了这么久，很不容易。现在身边有人吗？",
        "嗯，室友在隔壁。谢谢你在",
    ),
    Scene(
        "en",
        "en-GB",
        "GB",
        ("I can't sleep lately, my head won't stop as soon as I lie down", "mostly work, and I dread the mornings"),
        "I can't go on like this, sometimes I think I'd be better off dead",
        "Hello, I'm Lin. I've read what you wrote. That is a lot to carry alone. Is anyone with you right now?",
        "my flatmate is next door. thank you for being here",
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


async def photograph(browser: Browser, url: str, invite: str, scene: Scene) -> None:
    """All pictures of one language."""
    chat = await browser.new_context(locale=scene.locale, viewport=PHONE, device_scale_factor=2)  # type: ignore[arg-type]  # a size
    page = await visitor(chat, url, *scene.everyday)
    await page.screenshot(path=FOLDER / f"web-chat-{scene.language}.png")

    desk = await browser.new_context(locale=scene.locale, viewport=DESK)  # type: ignore[arg-type]  # a size
    console = await desk.new_page()
    await console.goto(f"{url}/console/setup#{invite}")
    await console.locator("#password").fill("correct horse battery")
    await console.locator("#submit").click()
    await expect(console.locator(".queue h2").first).to_be_visible()

    others = [await browser.new_context(locale=scene.locale, viewport=PHONE) for _ in range(2)]  # type: ignore[arg-type]  # a size
    in_need = await visitor(others[0], url, scene.everyday[0], scene.urgent)
    asking = await visitor(others[1], url, scene.everyday[1])
    await asking.locator(".human").click()
    await expect(console.locator(".card")).to_have_count(2)
    await console.locator(".q-notification").first.wait_for(state="hidden", timeout=30_000)
    await console.set_viewport_size(QUEUE)  # type: ignore[arg-type]  # a size
    await console.screenshot(path=FOLDER / f"console-queue-{scene.language}.png")
    await console.set_viewport_size(DESK)  # type: ignore[arg-type]  # a size

    await console.locator(".card .danger").first.click()
    await console.locator(".take").click()
    await console.locator(".reply textarea").fill(scene.greeting)
    await console.keyboard.press("Control+Enter")
    await expect(in_need.locator(".counsellor")).to_be_visible()
    await in_need.get_by_role("textbox").fill(scene.thanks)
    await in_need.locator(".send").click()
    await expect(console.locator(".said.user", has_text=scene.thanks)).to_be_visible()
    await console.screenshot(path=FOLDER / f"console-case-{scene.language}.png")
    for context in (chat, desk, *others):
        await context.close()


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
        await photograph(browser, f"http://127.0.0.1:{said['port']}", said["invites"]["lin"], scene)
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
