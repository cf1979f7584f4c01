"""Composition: builds every part from the settings, and runs them together until told to stop."""

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from adapters import Adapter
from adapters.console import ConsoleAdapter
from adapters.web import WebAdapter
from bot.answers import Answers
from bot.auditor import Auditor
from bot.clock import Clock, system_clock
from bot.commands import Commands
from bot.consent import Consents
from bot.delivery import Delivery
from bot.desk import Desk
from bot.desk.drafting import Drafting, ReviewMode
from bot.desk.due import Due
from bot.desk.floor import Floor
from bot.desk_chat import DeskChat
from bot.desks import Desks
from bot.escalation import Escalation
from bot.feedback import Feedback
from bot.followups import FollowUpParts, make_follow_ups
from bot.handoff import Handoffs
from bot.intake import Intake
from bot.memory import Memories
from bot.opinions import Opinions
from bot.page_answers import PageAnswers
from bot.page_channels import make_operators, page_adapters
from bot.pager import Pager
from bot.plan import PlanCommand
from bot.rota import Rota
from bot.speak import Speaker
from bot.store import OUTBOX, Cipher, Store
from bot.store.migrate import upgrade
from bot.transcript import StoreTranscript
from bot.turn import Turns
from bot.waiting import Waiting
from bot.wording import Wording
from config import ConfigError, Roster, Settings, load_crisis_lines, load_roster
from engine import Generator, Screener, SecondOpinion
from engine.generators import make_generator
from engine.guard import Guard
from engine.library import Library, LibraryGenerator, load_library
from engine.responder import Responder, Search
from engine.screening import load_screener
from engine.screening.opinions import make_second_opinion

log = structlog.get_logger(__name__)

ROLES = ("web", "telegram", "wechat", "worker")
"""What a process may do: serve the web chat and console, talk to a platform, handle turns and escalations."""

_ROLE_OF = {"telegram": "telegram", "wechat": "wechat", "email": "worker", "wecom": "worker", "webhook": "worker"}


@dataclass(slots=True)
class App:
    """Every part of a running process. Build with `build`, run with `run`."""

    settings: Settings
    roles: frozenset[str]
    store: Store
    roster: Roster  # the file's; `rota` knows the one in force
    rota: Rota
    adapters: dict[str, Adapter]
    console: ConsoleAdapter
    desk: Desk
    page_answers: PageAnswers
    intake: Intake
    turns: Turns
    delivery: Delivery
    escalation: Escalation
    auditor: Auditor
    due: Due
    responder: Responder
    opinions: Opinions | None
    followups: FollowUpParts

    @contextlib.asynccontextmanager
    async def running(self, without: Sequence[Adapter] = ()) -> AsyncIterator[None]:
        """The workers and adapters at work for as long as the block lasts. The store must be open.

        Adapters in `without` send, and are run by the caller.
        """
        await self.rota.refresh()
        tasks = [
            asyncio.create_task(self.rota.run(), name="rota"),
            asyncio.create_task(self.delivery.run(), name="delivery"),
        ]
        if "worker" in self.roles:
            await self.responder.start()
            tasks.append(asyncio.create_task(self.turns.run(), name="turns"))
            tasks.append(asyncio.create_task(self.escalation.run(), name="escalation"))
            tasks.append(asyncio.create_task(self.auditor.run(), name="auditor"))
            tasks.append(asyncio.create_task(self.due.run(), name="desk-due"))
            tasks.append(asyncio.create_task(self.followups.worker.run(), name="followups"))
            tasks.append(asyncio.create_task(self.followups.clock.run(), name="clock"))
            if self.opinions:
                tasks.append(asyncio.create_task(self.opinions.run(), name="opinions"))
        for adapter in [a for a in self.adapters.values() if a not in without]:
            tasks.append(asyncio.create_task(_serve(adapter, self.intake), name=f"adapter-{adapter.platform}"))
        try:
            yield
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if "worker" in self.roles:
                await self.responder.close()


async def _serve(adapter: Adapter, intake: Intake) -> None:
    """Run an adapter; one that breaks is started again, so that a fault of one platform never takes the others down."""
    while True:
        try:
            await adapter.run(intake.receive)
            return
        except Exception as error:
            log.error("adapter.failed", platform=adapter.platform, error=type(error).__name__)
            await asyncio.sleep(5)


def open_store(settings: Settings, clock: Clock = system_clock) -> Store:
    """The store the settings name, not opened yet."""
    keys = settings.secret_keys.get_secret_value() if settings.secret_keys else ""
    return Store(settings.database, Cipher.from_keys(keys), clock)


async def prepare(store: Store) -> None:
    """Open the store and bring its tables up to date."""
    await store.open()
    if await upgrade(store):
        log.info("store.upgraded")


def build(
    settings: Settings,
    roles: Sequence[str] = ROLES,
    *,
    store: Store | None = None,
    screener: Screener | None = None,
    generator: Generator | None = None,
    second_opinion: SecondOpinion | None = None,
    extra: Sequence[Adapter] = (),
) -> App:
    """Put a process together. Nothing is started or opened yet.

    `screener`, `generator`, `second_opinion` and `extra` adapters replace or add to what the settings name. Raises
    ConfigError.
    """
    if unknown := set(roles) - set(ROLES):
        raise ConfigError(f"--roles: {', '.join(sorted(unknown))}: no such role; there are {', '.join(ROLES)}")
    store = store or open_store(settings)
    roster = load_roster(settings.handoff.roster)
    desks = Desks(roster, _telegram_account(settings))
    wording = Wording(load_crisis_lines(), settings.language, settings.country)
    console = ConsoleAdapter()
    known = [*_adapters(settings, store, desks), *page_adapters(settings, roster), console, *extra]
    adapters = {a.platform: a for a in known if _ROLE_OF.get(a.platform, "web") in roles or a in extra}
    speaker = Speaker({a.platform: a.capabilities for a in known})
    operators = make_operators(settings, desks)
    waiting = Waiting(speaker, wording, timedelta(seconds=settings.handoff.reassure_seconds))
    pager = Pager(desks, speaker, operators, waiting, settings.web.public_url.rstrip("/"))
    handoffs = Handoffs(desks, speaker, wording, pager)
    page_answers = PageAnswers(store, desks, timedelta(minutes=settings.handoff.ack_minutes))
    responder = make_responder(settings, generator)
    desk = _desk(settings, store, desks, speaker, wording, responder)
    memories = Memories(store, speaker, wording)
    capabilities = {a.platform: a.capabilities for a in known}
    follow_ups = make_follow_ups(settings, store, wording, speaker, desks, handoffs, capabilities)
    more = {
        **follow_ups.commands,
        "memory": memories.shown,
        "remember": memories.answered,
        "feedback": Feedback(speaker, wording).taken,
        "plan": PlanCommand(speaker, wording).shown,
        "share": Consents(speaker, wording).asked,
    }
    answers = Answers(
        store,
        responder,
        wording,
        speaker,
        desks,
        handoffs,
        Commands(store, handoffs, speaker, wording, more),
        memories,
        DeskChat(store, desk, speaker, page_answers),
        desk.drafts,
        adapters,
        follow_ups.words,
        follow_ups.offers,
        gather=settings.turn.gather_seconds > 0,
    )
    work = settings.work
    return App(
        settings=settings,
        roles=frozenset(roles),
        store=store,
        roster=roster,
        rota=Rota(store, desks, roster),
        adapters=adapters,
        console=console,
        desk=desk,
        page_answers=page_answers,
        intake=Intake(
            store,
            screener or load_screener(),
            handoffs,
            desks,
            settings.turn.gather_seconds,
            ("wechat",),
            second_opinion=second_opinion is not None or settings.second_opinion != "none",
        ),
        turns=Turns(
            store,
            answers,
            settings.turn.history_messages,
            settings.turn.concurrency,
            work.lease_seconds,
            work.poll_seconds,
        ),
        delivery=Delivery(store, adapters, handoffs, work.lease_seconds, work.poll_seconds),
        escalation=Escalation(
            store, handoffs, settings.handoff.lease_seconds, settings.handoff.overdue_seconds, work.poll_seconds
        ),
        auditor=Auditor(store, handoffs, adapters, settings.operator),
        due=Due(desk, work.poll_seconds),
        responder=responder,
        opinions=_opinions(settings, roles, store, handoffs, second_opinion),
        followups=follow_ups,
    )


def _desk(
    settings: Settings, store: Store, desks: Desks, speaker: Speaker, wording: Wording, responder: Responder
) -> Desk:
    limits = settings.handoff
    lease, offer_time = timedelta(seconds=limits.lease_seconds), timedelta(seconds=limits.transfer_seconds)
    floor = Floor(store, desks, speaker, wording, lease, offer_time)
    mode = ReviewMode(limits.review, timedelta(seconds=limits.review_seconds))
    return Desk(floor, Drafting(floor, responder, load_library(), mode))


def make_responder(settings: Settings, generator: Generator | None = None) -> Responder:
    """Who answers: the generator that the settings name (or this one), with the library and the guard behind it."""
    library = load_library()
    return Responder(
        generator or make_generator(settings),
        LibraryGenerator(library),
        Guard(),
        settings.turn.reply_timeout_seconds,
        _make_search(settings, library),
    )


def _make_search(settings: Settings, library: Library) -> Search:
    """How passages are found for a model to ground its answer on. The model libraries are imported only if needed."""
    if not settings.embeddings.model or settings.generator == "library":
        return library.search
    if importlib.util.find_spec("transformers") is None or importlib.util.find_spec("torch") is None:
        raise ConfigError("embeddings.model: torch or transformers is missing; run pip install 'psyllm-bot[llm]'")
    from engine.library.embeddings import EmbeddingSearch

    return EmbeddingSearch(library, settings.embeddings)


def _opinions(
    settings: Settings, roles: Sequence[str], store: Store, handoffs: Handoffs, given: SecondOpinion | None
) -> Opinions | None:
    """Who asks for second opinions: the workers, if the settings name one. Its libraries are imported only then."""
    opinion = given or (make_second_opinion(settings) if "worker" in roles else None)
    if opinion is None:
        return None
    return Opinions(store, opinion, handoffs, settings.opinion_timeout_seconds, settings.work.poll_seconds)


def _adapters(settings: Settings, store: Store, desks: Desks) -> list[Adapter]:
    """The adapters that have credentials. Their libraries are imported only if they are used."""
    web = WebAdapter(StoreTranscript(store, desks), country=settings.country, public_url=settings.web.public_url)
    prefix = "page:web:web:"
    store.wake.listen(lambda channel: web.notify(channel[len(prefix) :]) if channel.startswith(prefix) else None)
    found: list[Adapter] = [web]
    if settings.telegram.token:
        from adapters.telegram import TelegramAdapter

        found.append(TelegramAdapter(settings.telegram, settings.language))
    if settings.wechat.app_id:
        from adapters.wechat import WeChatAdapter

        wechat = WeChatAdapter(settings.wechat)
        wechat.on_sendable = lambda: store.wake.ring(OUTBOX)
        found.append(wechat)
    return found


def _telegram_account(settings: Settings) -> str:
    """The bot's own id, the part of its token before the colon."""
    return settings.telegram.token.get_secret_value().partition(":")[0] if settings.telegram.token else ""
