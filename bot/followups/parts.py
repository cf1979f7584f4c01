"""The parts of follow-ups, put together once for the app, the command line and the tests."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters import Capabilities
from bot.commands import Run
from bot.desks import Desks
from bot.followups.broadcasts import Broadcasts
from bot.followups.checkins import CheckIns
from bot.followups.clock import Clock
from bot.followups.content import Content
from bot.followups.enrolments import Enrolments
from bot.followups.exercises import Exercises
from bot.followups.forms import Forms
from bot.followups.moods import Moods
from bot.followups.offers import Offers
from bot.followups.voice import Voice
from bot.followups.words import Words
from bot.followups.worker import FollowUps
from bot.handoff import Handoffs
from bot.speak import Speaker
from bot.store import Store
from bot.wording import Wording
from config import Settings
from config.programmes import Programmes, load_programmes
from engine.library import load_library


@dataclass(frozen=True, slots=True)
class FollowUpParts:
    """What the rest of the bot uses of follow-ups.

    `worker` and `clock` run in a worker process; `commands` are for `bot.commands`; `words` and `offers` for answers;
    `enrolments`, `offers.propose` and `broadcasts` for consoles and the command line.
    """

    programmes: Programmes
    enrolments: Enrolments
    content: Content
    worker: FollowUps
    clock: Clock
    commands: Mapping[str, Run]
    words: Words
    offers: Offers
    broadcasts: Broadcasts


def make_follow_ups(
    settings: Settings,
    store: Store,
    wording: Wording,
    speaker: Speaker,
    desks: Desks,
    handoffs: Handoffs,
    capabilities: Mapping[str, Capabilities],
) -> FollowUpParts:
    """Put the parts together. Raises ConfigError for a programme that cannot be read."""
    programmes, library = load_programmes(settings.followups.programmes), load_library()
    enrolments = Enrolments(programmes, settings.followups, settings.country)
    content = Content(wording, speaker, library)
    voice = Voice(content, speaker, desks, enrolments)
    checkins = CheckIns(voice)
    broadcasts = Broadcasts(store, programmes)
    per_second, poll = settings.followups.per_second, settings.work.poll_seconds
    return FollowUpParts(
        programmes=programmes,
        enrolments=enrolments,
        content=content,
        worker=FollowUps(store, enrolments, content, capabilities, per_second, poll),
        clock=Clock(broadcasts),
        commands={
            "checkins": checkins.run,
            "exercise": Exercises(voice, checkins).run,
            "mood": Moods(voice).run,
            "form": Forms(voice, handoffs).run,
        },
        words=Words(store),
        offers=Offers(store, voice, library),
        broadcasts=broadcasts,
    )
