"""Second opinions on the whole path: they raise what the screener missed, never lower, and nobody waits for them."""

import asyncio
import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY, generate_latest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from adapters import Kind
from bot.app import App
from bot.server import readiness
from bot.store import Store, conversations, handoffs, messages
from bot.store.conversations import Conversation
from bot.store.handoffs import Handoff
from bot.store.migrate import upgrade
from bot.store.schema import assessment, opinion
from config import Language, load_texts
from engine import About, Assessment, Category, Evidence, Level, OpinionError, SecondOpinion, Turn
from engine.screening.corpora import Row
from tests.emulators.openai_server import OpenAIServer
from tests.support import EchoGenerator, MemoryAdapter, address, make_app, says, until

WORDS = load_texts(Language.EN)
SECRET = "xylophonesecret"


class ScriptedOpinion:
    """Finds the level that a text names after `really`, and what `found` says besides; waits at `gate`."""

    name = "scripted"
    at_once = 4

    def __init__(self, category: Category | None = Category.ABUSE) -> None:
        self.category = category
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()
        self.asked: list[tuple[str, list[str]]] = []
        self.fault: Exception | None = None
        self.load_fault: Exception | None = None

    async def start(self) -> None:
        if self.load_fault:
            raise self.load_fault

    async def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        self.asked.append((text, [turn.text for turn in context]))
        self.began.set()
        await self.gate.wait()
        if self.fault:
            raise self.fault
        level = Level(text.rpartition("really ")[2]) if "really" in text else Level.NONE
        evidence = (Evidence(0, len(text), text, "opinion:scripted"),)
        return Assessment(level, self.category, 0.9, evidence, "scripted@1", About.SELF)

    async def close(self) -> None:
        """Nothing to free."""


class LevelScreener:
    """Finds the level that a text begins with; else none."""

    version = "first word"

    def assess(self, text: str, context: Sequence[Turn] = ()) -> Assessment:
        first = text.split()[0] if text.split() else ""
        level = Level(first) if first in set(Level) else Level.NONE
        category = Category.SUICIDE if level >= Level.ELEVATED else None
        return Assessment(level, category, 0.5, version=self.version, about=About.OTHER)


@pytest.fixture
def platform() -> MemoryAdapter:
    return MemoryAdapter()


@pytest.fixture
def desk() -> MemoryAdapter:
    return MemoryAdapter("telegram")


@pytest.fixture
def generator() -> EchoGenerator:
    return EchoGenerator()


@pytest.fixture
def second() -> ScriptedOpinion:
    return ScriptedOpinion()


Make = Callable[..., App]


@pytest.fixture
def make(store: Store, tmp_path: Path, platform: MemoryAdapter, desk: MemoryAdapter, generator: EchoGenerator) -> Make:
    def made(second: SecondOpinion | None = None, **values: object) -> App:
        settings = {"telegram": {"token": "12:test"}} | values
        return make_app(store, tmp_path, [platform, desk], generator, LevelScreener(), second, **settings)

    return made


@pytest.fixture
async def app(make: Make, second: ScriptedOpinion) -> AsyncIterator[App]:
    running = make(second)
    async with running.running():
        await running.responder.loaded()
        yield running


async def user_says(app: App, text: str, kind: Kind = Kind.TEXT) -> None:
    await app.intake.receive([says("a", text, kind)])


async def state(app: App) -> tuple[Conversation, Handoff | None]:
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        assert person
        return person, await handoffs.open_of(tx, person.id)


async def judged(app: App) -> list[Assessment]:
    """What stands about each of the user's messages."""
    async with app.store.reading() as tx:
        person = await conversations.at(tx, address("a"))
        assert person
        said = [m for m in await messages.every(tx, person.id) if m.author == messages.USER]
        found = await messages.assessments(tx, [m.id for m in said])
    return [found[m.id] for m in said]


async def settled(app: App) -> None:
    """Wait until every opinion was given."""

    async def none_left() -> bool:
        async with app.store.reading() as tx:
            return not await tx.connection.scalar(select(func.count()).select_from(opinion))

    await until(app.store, none_left)


def given_so_far(outcome: str) -> float:
    return REGISTRY.get_sample_value("psyllm_second_opinions_total", {"outcome": outcome}) or 0.0


async def test_what_the_screener_missed_gets_its_handoff_safety_text_and_one_alert(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter
) -> None:
    before = given_so_far("raised")
    await user_says(app, "really urgent")
    (alert,) = await desk.wait("900")
    await settled(app)
    person, handoff = await state(app)
    assert handoff
    assert (handoff.level, handoff.category, handoff.state) == (Level.URGENT, Category.ABUSE, handoffs.WAITING)
    assert (person.holder, person.level) == (conversations.WAITING, Level.URGENT)
    (found,) = await judged(app)
    assert [e.rule for e in found.evidence] == ["opinion:scripted"]
    assert "really urgent" in alert
    async with app.store.reading() as tx:
        sources = list(await tx.connection.scalars(select(assessment.c.source).order_by(assessment.c.id)))
    assert sources == ["screen", "opinion:scripted"]
    beginning = WORDS.get("safety.urgent.abuse", lines="{").partition("{")[0]
    await until(app.store, lambda: _heard(platform, beginning))
    await user_says(app, "and then")
    await settled(app)
    assert len(desk.of("900")) == 1
    assert given_so_far("raised") == before + 1


async def _heard(platform: MemoryAdapter, beginning: str) -> bool:
    return any(text.startswith(beginning) for text in platform.of("a"))


async def test_an_emergency_calls_every_step_and_raises_an_open_handoff(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter
) -> None:
    await user_says(app, "urgent really emergency")
    await desk.wait("901")
    await settled(app)
    person, handoff = await state(app)
    assert handoff
    assert handoff.level is person.level is Level.EMERGENCY
    assert len(desk.of("901")) == 1


async def test_distress_without_danger_is_noted_and_calls_nobody(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter, generator: EchoGenerator
) -> None:
    await user_says(app, "really elevated")
    await settled(app)
    await platform.wait("a")
    person, handoff = await state(app)
    assert handoff is None
    assert (person.holder, person.level) == (conversations.BOT, Level.ELEVATED)
    assert desk.heard == []


LEVELS = st.sampled_from(list(Level))


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_opinion_never_lowers_anything(pairs: list[tuple[Level, Level]]) -> None:
    """Whatever the screener and then the opinion say of some messages in a row."""
    asyncio.run(_never_lowers(pairs))


async def _never_lowers(pairs: list[tuple[Level, Level]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Store(f"sqlite+aiosqlite:///{folder}/test.db") as store:
            await upgrade(store)
            made = make_app(
                store, Path(folder), [MemoryAdapter()], EchoGenerator(), LevelScreener(), ScriptedOpinion(None)
            )
            await made.intake.receive([says("a", f"{screened} really {second}") for screened, second in pairs])
            by_screener, (before, opened) = await judged(made), await state(made)
            async with made.running():
                await settled(made)
            by_both, (after, raised) = await judged(made), await state(made)
    assert [a.level for a in by_screener] == [screened for screened, _ in pairs]
    assert [a.level for a in by_both] == [max(pair) for pair in pairs]
    assert after.level >= before.level
    assert after.fence >= before.fence
    gravest = max(max(pair) for pair in pairs)
    assert (raised.level if raised else Level.NONE) == (gravest if gravest.needs_human else Level.NONE)
    assert raised is not None or opened is None
    for (screened, _), found in zip(pairs, by_both, strict=True):
        known = screened >= Level.ELEVATED
        assert (found.category, found.about) == (Category.SUICIDE if known else None, About.OTHER)


async def test_the_first_alert_and_the_safety_text_do_not_wait_for_an_opinion(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter, second: ScriptedOpinion
) -> None:
    second.gate.clear()
    await user_says(app, "urgent really emergency")
    await second.began.wait()
    await desk.wait("900")
    await platform.wait("a")
    assert desk.of("901") == []
    second.gate.set()
    await desk.wait("901")
    await settled(app)
    assert len(desk.of("900")) == 2, "the new level pages again, once"


async def test_an_answer_does_not_wait_for_an_opinion_and_the_safety_text_follows_it(
    app: App, platform: MemoryAdapter, second: ScriptedOpinion
) -> None:
    second.gate.clear()
    await user_says(app, "really urgent")
    assert await platform.wait("a") == ["echo: really urgent."]
    second.gate.set()
    texts = await platform.wait("a", 2)
    assert texts[1].startswith(WORDS.get("safety.urgent.abuse", lines="{").partition("{")[0])


async def test_an_answer_under_way_when_the_level_rises_never_leaves(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter, generator: EchoGenerator, second: ScriptedOpinion
) -> None:
    generator.gate = asyncio.Event()
    second.gate.clear()
    await user_says(app, "really urgent")
    await generator.began.wait()
    second.gate.set()
    await desk.wait("900")
    generator.gate.set()
    await user_says(app, "are you there")
    await platform.wait("a", 2)
    await settled(app)
    assert platform.of("a", "bot") == []


async def test_a_counsellor_in_charge_is_paged_at_a_new_level_and_the_user_hears_nothing(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter
) -> None:
    await user_says(app, "urgent")
    _, handoff = await state(app)
    assert handoff
    await app.desk.claim(handoff.id, "lin")
    await platform.wait("a", 2)
    pages = len(desk.of("900"))
    await user_says(app, "really emergency")
    texts = await desk.wait("900", pages + 2)
    await settled(app)
    assert len([text for text in texts[pages:] if WORDS.get("level.emergency") in text]) == 1
    assert len(platform.of("a")) == 2
    person, raised = await state(app)
    assert raised
    assert (person.holder, raised.counsellor, raised.level) == (conversations.HUMAN, "lin", Level.EMERGENCY)


async def test_an_opinion_that_takes_too_long_changes_nothing(
    make: Make, platform: MemoryAdapter, desk: MemoryAdapter, second: ScriptedOpinion
) -> None:
    second.gate.clear()
    before = given_so_far("timed_out")
    app = make(second, judge={"timeout_seconds": 0.05})
    async with app.running():
        await app.responder.loaded()
        await user_says(app, "really urgent")
        assert await platform.wait("a") == ["echo: really urgent."]
        await settled(app)
        await user_says(app, "next")
        assert (await platform.wait("a", 2))[1] == "echo: next."
    person, handoff = await state(app)
    assert (person.holder, person.level, handoff) == (conversations.BOT, Level.NONE, None)
    assert desk.heard == []
    assert given_so_far("timed_out") >= before + 1


@pytest.mark.parametrize("fault", [OpinionError("the judge is down"), RuntimeError(SECRET)])
async def test_an_opinion_that_fails_changes_nothing(
    app: App, platform: MemoryAdapter, second: ScriptedOpinion, fault: Exception
) -> None:
    second.fault = fault
    before = given_so_far("failed")
    await user_says(app, "really urgent")
    assert await platform.wait("a") == ["echo: really urgent."]
    await settled(app)
    assert (await state(app))[1] is None
    assert given_so_far("failed") == before + 1


async def test_without_its_model_the_bot_goes_on_and_says_why(
    make: Make, platform: MemoryAdapter, second: ScriptedOpinion
) -> None:
    second.load_fault = OpinionError("classifier.model: there is no folder /nowhere")
    app = make(second)
    async with app.running():
        await app.responder.loaded()
        await user_says(app, "really urgent")
        await platform.wait("a")
        check = (await readiness(app))["second_opinion"]
    assert check == {"ok": True, "detail": "classifier.model: there is no folder /nowhere"}
    assert second.asked == []


async def test_opinions_that_were_not_given_when_a_process_died_are_given_by_the_next(
    make: Make, desk: MemoryAdapter, second: ScriptedOpinion
) -> None:
    await make(ScriptedOpinion()).intake.receive([says("a", "before"), says("a", "really urgent")])
    app = make(second)
    async with app.running():
        await desk.wait("900")
        await settled(app)
    assert ("really urgent", ["before"]) in second.asked


async def test_who_asked_to_be_forgotten_meanwhile_stays_forgotten(
    app: App, platform: MemoryAdapter, desk: MemoryAdapter, second: ScriptedOpinion
) -> None:
    second.gate.clear()
    before = given_so_far("overtaken")
    await user_says(app, "really emergency")
    await second.began.wait()
    await user_says(app, "forget yes", Kind.ACTION)

    async def gone() -> bool:
        async with app.store.reading() as tx:
            return await conversations.at(tx, address("a")) is None

    await until(app.store, gone)
    await settled(app)
    second.gate.set()

    async def dropped() -> bool:
        return given_so_far("overtaken") == before + 1

    await until(app.store, dropped)
    async with app.store.reading() as tx:
        assert not await tx.connection.scalar(select(func.count()).select_from(assessment))
    assert desk.heard == []


async def test_only_a_user_s_words_that_can_rise_are_judged_again(
    app: App, platform: MemoryAdapter, second: ScriptedOpinion
) -> None:
    for text, kind in (("help", Kind.COMMAND), ("language en", Kind.ACTION), ("", Kind.PHOTO), ("  ", Kind.TEXT)):
        await user_says(app, text, kind)
    await user_says(app, "emergency")
    await app.intake.receive([says("900", "cases", Kind.TEXT, platform="telegram")])
    await user_says(app, "a caption", Kind.PHOTO)
    await settled(app)
    assert [text for text, _ in second.asked] == ["a caption"]


async def test_texts_stay_out_of_logs_and_metrics_and_lie_encrypted(
    app: App, tmp_path: Path, platform: MemoryAdapter, desk: MemoryAdapter, second: ScriptedOpinion,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with capture_logs() as captured:
        await user_says(app, f"{SECRET} really urgent")
        await desk.wait("900")
        second.fault = RuntimeError(SECRET)
        await user_says(app, f"{SECRET} once more")
        await settled(app)
    assert [line for line in captured if line["event"] == "opinions.assess_failed"]
    assert SECRET not in repr(captured) + caplog.text + generate_latest().decode()
    assert not holding_secret(tmp_path)


async def test_a_judge_over_http_raises_a_level(make: Make, platform: MemoryAdapter, desk: MemoryAdapter) -> None:
    async with OpenAIServer() as server:
        server.answer = ('{"level": "emergency", "category": "medical", "about": "other"}',)
        app = make(second_opinion="judge", judge={"base_url": server.url, "model": "m"})
        async with app.running():
            await app.responder.loaded()
            await user_says(app, "my sister ate the whole box and sleeps now")
            await desk.wait("901")
            await settled(app)
        _, handoff = await state(app)
    assert handoff
    assert (handoff.level, handoff.category, handoff.about) == (Level.EMERGENCY, Category.MEDICAL, About.OTHER)


async def test_a_fine_tuned_classifier_raises_a_level(
    make: Make, tmp_path: Path, platform: MemoryAdapter, desk: MemoryAdapter
) -> None:
    pytest.importorskip("torch")
    from engine.screening.finetune import FinetuneSettings, finetune
    from tests.emulators.tiny_model import save_classifier

    texts = {"the river is calling": Level.URGENT, "我把书还了": Level.NONE}
    rows = [Row(text, "", frozenset({level}), block=n) for n in range(10) for text, level in texts.items()]
    base = save_classifier(tmp_path / "base", list(texts))
    finetune(str(base), rows, tmp_path / "model", FinetuneSettings(epochs=10, batch=8, rate=5e-3, device="cpu"))
    app = make(second_opinion="classifier", classifier={"model": str(tmp_path / "model"), "device": "cpu"})
    async with app.running():
        await app.responder.loaded()
        await user_says(app, "我把书还了")
        await user_says(app, "the river is calling")
        await desk.wait("900")
        await settled(app)
    calm, grave = await judged(app)
    assert (calm.level, grave.level) == (Level.NONE, Level.URGENT)
    assert grave.version.startswith("model@")


def test_off_by_default_nobody_is_asked_and_no_model_library_is_loaded(tmp_path: Path) -> None:
    program = """
import sys
from bot.app import build
from config import Settings
app = build(Settings(data_dir="."))
assert app.opinions is None
web = build(Settings(data_dir=".", second_opinion="classifier", classifier={"model": "./none"}), ["web"])
assert web.opinions is None
sys.exit("torch" in sys.modules or "transformers" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=60)


async def test_off_by_default_nothing_is_kept_for_it(make: Make, platform: MemoryAdapter) -> None:
    app = make()
    async with app.running():
        await app.responder.loaded()
        await user_says(app, "hello")
        await platform.wait("a")
    async with app.store.reading() as tx:
        assert not await tx.connection.scalar(select(func.count()).select_from(opinion))
    assert "second_opinion" not in await readiness(app)


def holding_secret(folder: Path) -> list[Path]:
    """Database files in which the secret can be read."""
    return [p for p in folder.rglob("*.db*") if SECRET.encode() in p.read_bytes()]
