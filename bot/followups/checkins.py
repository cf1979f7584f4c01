"""`/checkins`, its buttons, and the plain words for them: see, begin, stop, pause, another time, later, not today."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from adapters import Button
from bot.followups.enrolments import Refused, clock_text, minutes_of
from bot.followups.voice import Voice
from bot.speak import Buttons
from bot.store import Transaction, followups
from bot.store.conversations import Conversation
from bot.store.followups import ACTIVE, INVITED, PAUSED, Enrolment
from bot.store.messages import Stored
from config.zones import zone_named

LATER = timedelta(hours=1)
_TIMES = ("07:30", "08:00", "12:30", "18:00", "20:00", "21:30")
_GROUNDING = "feet_floor"
_OFFERED = 4  # programmes that a list offers

_Run = Callable[[Transaction, Conversation, str], Awaitable[None]]


class CheckIns:
    """Runs `checkins VERB ...`."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._enrolments = voice.enrolments
        self._verbs: dict[str, _Run] = {
            "": self._show,
            "join": self._join,
            "yes": self._yes,
            "no": self._no,
            "stop": self._stop,
            "pause": self._pause,
            "go": self._go,
            "time": self._time,
            "zone": self._zone,
            "quiet": self._quiet,
            "later": self._later,
            "skip": self._skip,
            "worse": self._worse,
        }

    async def run(self, tx: Transaction, person: Conversation, message: Stored, argument: str) -> None:
        """A command or a press. What it cannot do, it says in a sentence."""
        verb, _, rest = argument.partition(" ")
        run = self._verbs.get(verb.lower())
        try:
            if run is None:
                raise Refused("not_understood")
            await run(tx, person, rest.strip())
        except Refused as refusal:
            await self._voice.say(tx, person, self._voice.text(person, refusal.key))

    # See

    async def _show(self, tx: Transaction, person: Conversation, argument: str) -> None:
        mine = await followups.open_of(tx, person.person_id)
        rhythm = await self._enrolments.rhythm(tx, person)
        now = f"{tx.now.astimezone(ZoneInfo(rhythm.zone)):%H:%M}"
        quiet = f"{clock_text(rhythm.quiet_from)}–{clock_text(rhythm.quiet_until)}"
        lines = [await self._line(tx, person, e, rhythm.zone) for e in mine]
        texts = [self._voice.text(person, "list", what="\n".join(lines)) if lines else self._voice.text(person, "none")]
        texts.append(self._voice.text(person, "clock", zone=rhythm.zone, now=now, quiet=quiet))
        buttons = [row for e in mine for row in self._of_one(person, e)]
        await self._voice.say(tx, person, *texts, buttons=(*buttons, *self._offers(person, mine)))

    async def _line(self, tx: Transaction, person: Conversation, enrolment: Enrolment, zone: str) -> str:
        programme = self._enrolments.programmes.get(enrolment.programme)
        title = self._voice.title(person, programme) if programme else enrolment.programme
        pending = await followups.pending_of(tx, [enrolment.id])
        if enrolment.state == ACTIVE and pending:
            return self._voice.text(person, "line_next", title=title, when=self._voice.when(pending[0].due_at, zone))
        key = "line_invited" if enrolment.state == INVITED else "line_paused"
        return self._voice.text(person, key, title=title)

    def _of_one(self, person: Conversation, enrolment: Enrolment) -> Buttons:
        programme = self._enrolments.programmes.get(enrolment.programme)
        if programme is None:
            return ()
        title, name = self._voice.title(person, programme), programme.id
        wording = self._voice.wording

        def button(key: str, verb: str) -> Button:
            return Button(wording.text(person, f"button.{key}", what=title), f"checkins {verb} {name}")

        if enrolment.state == INVITED:
            return ((button("followup_yes", "yes"), button("followup_no", "no")),)
        rest = button("followup_pause", "pause") if enrolment.state == ACTIVE else button("followup_go", "go")
        return ((rest, button("followup_time", "time")), (button("followup_stop_one", "stop"),))

    def _offers(self, person: Conversation, mine: list[Enrolment]) -> Buttons:
        """Programmes that anybody may begin and the person is not in."""
        taken = {e.programme for e in mine}
        free = [p for p in self._enrolments.programmes.every if not p.by_counsellor and p.id not in taken]
        return tuple((Button(self._voice.title(person, p), f"checkins join {p.id}"),) for p in free[:_OFFERED])

    # Begin

    async def _join(self, tx: Transaction, person: Conversation, name: str) -> None:
        """`join PROGRAMME` says what it is and asks; `join PROGRAMME yes` begins."""
        wanted, _, agreed = name.partition(" ")
        programme = self._enrolments.programmes.get(wanted)
        if programme is None or programme.by_counsellor:
            raise Refused("not_open")
        if agreed != "yes":
            text = self._voice.text(
                person, "ask", title=self._voice.title(person, programme), about=self._voice.about(person, programme)
            )
            yes = self._voice.wording.button(person, "button.followup_agree", f"checkins join {programme.id} yes")
            no = self._voice.wording.button(person, "button.no", f"checkins no {programme.id}")
            await self._voice.say(tx, person, text, buttons=((yes, no),))
            return
        await self._begun(tx, person, await self._enrolments.begin(tx, person, programme, "user"))

    async def _yes(self, tx: Transaction, person: Conversation, name: str) -> None:
        enrolment = await self._one(tx, person, name)
        await self._begun(tx, person, await self._enrolments.accept(tx, person, enrolment))

    async def _begun(self, tx: Transaction, person: Conversation, enrolment: Enrolment) -> None:
        """Say when the first comes, on which clock, and how to stop."""
        rhythm = await self._enrolments.rhythm(tx, person)
        pending = await followups.pending_of(tx, [enrolment.id])
        when = self._voice.when(pending[0].planned_at, rhythm.zone) if pending else "-"
        texts, buttons = [self._voice.text(person, "begun", when=when)], list[tuple[Button, ...]]()
        if not rhythm.known:
            now = f"{tx.now.astimezone(ZoneInfo(rhythm.zone)):%H:%M}"
            texts.append(self._voice.text(person, "zone_guessed", zone=rhythm.zone, now=now))
            buttons.append((self._voice.wording.button(person, "button.zone_right", f"checkins zone {rhythm.zone}"),))
        buttons.append((self._voice.wording.button(person, "button.followup_time_other", "checkins time"),))
        await self._voice.say(tx, person, *texts, buttons=tuple(buttons))

    async def _no(self, tx: Transaction, person: Conversation, name: str) -> None:
        mine = [e for e in await self._chosen(tx, person, name) if e.state == INVITED]
        await self._enrolments.stop(tx, mine)
        await self._voice.say(tx, person, self._voice.text(person, "declined"))

    # Stop and rest

    async def _stop(self, tx: Transaction, person: Conversation, name: str) -> None:
        """`stop` ends everything, `stop PROGRAMME` that one."""
        mine = await self._chosen(tx, person, name)
        await self._enrolments.stop(tx, mine)
        await self._voice.ask(tx, person, "")
        await self._voice.say(tx, person, self._voice.text(person, "stopped" if mine else "nothing_to_stop"))

    async def _pause(self, tx: Transaction, person: Conversation, name: str) -> None:
        for enrolment in await self._chosen(tx, person, name):
            if enrolment.state == ACTIVE:
                await self._enrolments.pause(tx, enrolment, "by_user")
        await self._voice.say(tx, person, self._voice.text(person, "paused"))

    async def _go(self, tx: Transaction, person: Conversation, name: str) -> None:
        paused = [e for e in await self._chosen(tx, person, name) if e.state == PAUSED]
        if not paused:
            raise Refused("not_open")
        for enrolment in paused:
            await self._enrolments.resume(tx, person, enrolment)
        await self._show(tx, person, "")

    # Another time

    async def _time(self, tx: Transaction, person: Conversation, argument: str) -> None:
        """`time 20:30`, `time PROGRAMME 20:30`; without a time it offers some."""
        *name, time = argument.split() or [""]
        try:
            minutes = minutes_of(time)
        except ValueError:
            which = f"{argument} ".lstrip()
            rows = tuple(tuple(Button(t, f"checkins time {which}{t}") for t in _TIMES[n : n + 3]) for n in (0, 3))
            await self._voice.say(tx, person, self._voice.text(person, "which_time"), buttons=rows)
            return
        mine = [e for e in await self._chosen(tx, person, " ".join(name)) if e.state in (ACTIVE, PAUSED, INVITED)]
        if not mine:
            raise Refused("not_open")
        for enrolment in mine:
            await self._enrolments.set_time(tx, person, enrolment, minutes)
        rhythm = await self._enrolments.rhythm(tx, person)
        texts = [self._voice.text(person, "time_set", time=clock_text(minutes), zone=rhythm.zone)]
        if _is_quiet(minutes, rhythm.quiet_from, rhythm.quiet_until):
            quiet = f"{clock_text(rhythm.quiet_from)}–{clock_text(rhythm.quiet_until)}"
            texts.append(self._voice.text(person, "time_is_quiet", quiet=quiet, until=clock_text(rhythm.quiet_until)))
        await self._voice.say(tx, person, *texts)

    async def _zone(self, tx: Transaction, person: Conversation, name: str) -> None:
        zone = zone_named(name)
        if zone is None:
            raise Refused("which_zone")
        await self._enrolments.set_zone(tx, person, zone)
        now = f"{tx.now.astimezone(ZoneInfo(zone)):%H:%M}"
        await self._voice.say(tx, person, self._voice.text(person, "zone_set", zone=zone, now=now))

    async def _quiet(self, tx: Transaction, person: Conversation, argument: str) -> None:
        """`quiet 22:00-08:00`, `quiet 22:00 to 08:00`; `quiet off` for none."""
        start, _, end = re.sub(r"\s*(?:–|到|至|to)\s*", "-", argument).partition("-")
        try:
            begins, ends = (0, 0) if argument == "off" else (minutes_of(start), minutes_of(end))
        except ValueError:
            raise Refused("which_quiet") from None
        await self._enrolments.set_quiet(tx, person, begins, ends)
        if begins == ends:
            await self._voice.say(tx, person, self._voice.text(person, "quiet_off"))
        else:
            quiet = f"{clock_text(begins)}–{clock_text(ends)}"
            await self._voice.say(tx, person, self._voice.text(person, "quiet_set", quiet=quiet))

    async def _later(self, tx: Transaction, person: Conversation, number: str) -> None:
        await self._enrolments.snooze(tx, person, await self._occurrence(tx, person, number), LATER)
        await self._voice.say(tx, person, self._voice.text(person, "later"))

    async def _skip(self, tx: Transaction, person: Conversation, name: str) -> None:
        for enrolment in await self._chosen(tx, person, name):
            await self._enrolments.skip(tx, person, enrolment)
        await self._voice.say(tx, person, self._voice.text(person, "skipped"))

    # It made it worse

    async def _worse(self, tx: Transaction, person: Conversation, number: str) -> None:
        """Stop it, offer ground under the feet and a person, and tell a counsellor."""
        found = await followups.of_occurrence(tx, int(number), person.person_id) if _is_id(number) else None
        name = "-"
        if found:
            programme = self._enrolments.programmes.get(found[0].programme)
            name = programme.id if programme else found[0].programme
            await self._enrolments.pause(tx, found[0], "worse")
        await self.sorry(tx, person, name)

    async def sorry(self, tx: Transaction, person: Conversation, what: str) -> None:
        """Something made it worse: `what` names it to the counsellors."""
        await self._voice.tell_counsellors(tx, person, "made_worse", what=what)
        wording = self._voice.wording
        buttons = (
            (wording.button(person, "button.ground", f"exercise begin {_GROUNDING} 0"),),
            (wording.button(person, "button.human", "human"), wording.button(person, "button.crisis", "crisis")),
        )
        await self._voice.say(tx, person, self._voice.text(person, "worse"), buttons=buttons)

    # Which

    async def _chosen(self, tx: Transaction, person: Conversation, name: str) -> list[Enrolment]:
        """The person's open enrolments in a programme; all of them without a name."""
        mine = await followups.open_of(tx, person.person_id)
        if not name:
            return mine
        programme = self._enrolments.programmes.get(name)
        known = (programme.id, *programme.formerly) if programme else (name,)
        return [e for e in mine if e.programme in known]

    async def _one(self, tx: Transaction, person: Conversation, name: str) -> Enrolment:
        found = await self._chosen(tx, person, name)
        if not found:
            raise Refused("not_open")
        return found[-1]

    async def _occurrence(self, tx: Transaction, person: Conversation, number: str) -> int:
        """The occurrence with an id; without one, the next that the person has coming."""
        if _is_id(number):
            return int(number)
        ids = [e.id for e in await followups.open_of(tx, person.person_id)]
        pending = await followups.pending_of(tx, ids)
        if not pending:
            raise Refused("not_open")
        return int(pending[0].id)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _is_quiet(minutes: int, start: int, end: int) -> bool:
    """Whether a time of the day lies in quiet hours."""
    return start <= minutes < end if start <= end else minutes >= start or minutes < end
