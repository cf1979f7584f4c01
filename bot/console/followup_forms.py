"""The forms of messages to many: write one, see who would get it, confirm. And the question before what is final."""

import html
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from nicegui import ui

from bot.console.followup_preview import both_html, text_html
from bot.console.rights import Right
from bot.console.visit import Visit
from bot.console.words import Words
from bot.followups import Broadcasts, DryRun
from bot.store.broadcasts import DRAFT
from config import ConfigError
from config.programmes import Programmes, Purpose

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RHYTHMS = {"daily": "* * *", "workdays": "* * mon-fri", **{day: f"* * {day}" for day in WEEKDAYS}, "monthly": "1 * *"}
_PURPOSES: tuple[Purpose, ...] = ("practice", "checkin", "contact")
_PLATFORMS = ("telegram", "wechat", "web")
_HEARD_DAYS = (2, 7, 30, 90)


def rhythm_name(words: Words, rhythm: str) -> str:
    """A rhythm of `_RHYTHMS`, or `cron`, in words."""
    if rhythm in WEEKDAYS:
        weekday = words.texts.get("console.weekday", WEEKDAYS.index(rhythm))
        return words("followups.rhythm_weekly", what=weekday)
    return words(f"followups.rhythm_{rhythm}")


def cron_in_words(words: Words, cron: str) -> str:
    """When a schedule fires, in words where there are any, else as it was written."""
    minute, hour, rest = cron.split(maxsplit=2)
    rhythm = next((name for name, fields in _RHYTHMS.items() if fields == rest), None)
    if rhythm is None or not (minute.isdecimal() and hour.isdecimal()):
        return cron
    return f"{rhythm_name(words, rhythm)} {int(hour):02}:{int(minute):02}"


class BroadcastForms:
    """Each form is made anew, and goes when it is closed. `changed` is called after something was done."""

    def __init__(
        self,
        visit: Visit,
        broadcasts: Broadcasts,
        programmes: Programmes,
        zone: str,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._visit = visit
        self._words = visit.words
        self._broadcasts = broadcasts
        self._programmes = programmes
        self._zone = zone
        self._changed = changed

    def write(self) -> None:
        """A new one: kept as a draft, then shown with who would get it."""
        with self._sheet(self._words("followups.sheet_new")) as dialog:
            entries = _Entries(self._words, self._programmes, self._zone)

            async def keep() -> None:
                if not entries.complete():
                    return
                try:
                    run = await entries.create(self._broadcasts, self._visit.counsellor.id)
                except ConfigError as error:
                    entries.mark(str(error))
                    return
                dialog.close()
                await self._changed()
                self._show(run)

            self._buttons(dialog, self._words("cancel"), self._words("followups.dry_run"), keep)

    async def check(self, id: int) -> None:  # noqa: A002
        """Who would get a draft now, and when; it can be confirmed there."""
        self._show(await self._broadcasts.dry_run(id))

    def ask(self, text: str, label: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do something only after another yes."""
        with self._sheet(text, "narrow") as dialog:

            async def do() -> None:
                await work()
                dialog.close()
                await self._changed()

            self._buttons(dialog, self._words("cancel"), label, do)

    def _show(self, run: DryRun) -> None:
        words, found = self._words, run.broadcast
        with self._sheet(words("followups.sheet_check")) as dialog:
            ui.label(found.title).classes("what")
            ui.html(both_html(text_html(found.zh), text_html(found.en)), sanitize=False)
            if run.count:
                by_platform = words.listed(
                    [f"{words.texts.get(f'platform.{name}')} {n}" for name, n in sorted(run.people.items())]
                )
                ui.label(words("followups.would_get", count=str(run.count))).classes("count-line")
                ui.label(by_platform).classes("hint")
            else:
                ui.label(words("followups.nobody_yet")).classes("warning")
            if run.times:
                lines = "".join(f"<li>{html.escape(words.moment(t, found.zone))}</li>" for t in run.times)
                head = f"{words('followups.times')} ({found.zone})"
                ui.html(f'<div class="caption">{html.escape(head)}</div><ul>{lines}</ul>', sanitize=False)
            else:
                ui.label(words("followups.no_times")).classes("warning")

            async def confirm() -> None:
                await self._broadcasts.confirm(found.id, self._visit.counsellor.id)
                dialog.close()
                await self._changed()

            if found.state == DRAFT and run.times:
                self._buttons(dialog, words("followups.keep"), words("followups.confirm"), confirm)
            else:
                ui.button(words("close"), on_click=dialog.close).props("flat no-caps").classes("closing")

    @contextmanager
    def _sheet(self, title: str, width: str = "wide") -> Iterator[ui.dialog]:
        with self._visit.client.layout, ui.dialog() as dialog, ui.card().classes(f"sheet {width}"):
            ui.label(title).classes("sheet-title").props('role="heading" aria-level="2"')
            yield dialog
        dialog.props["aria-label"] = title
        dialog.on("hide", dialog.delete)
        dialog.open()

    def _buttons(self, dialog: ui.dialog, no: str, yes: str, work: Callable[[], Awaitable[None]]) -> None:
        with ui.element("div").classes("actions"):
            ui.button(no, on_click=dialog.close).props("flat no-caps")
            ui.button(yes, on_click=operator_action(self._visit, work)).props("unelevated no-caps").classes("confirm")


def operator_action(visit: Visit, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[bool]]:
    """`work` as what a button does: for operators alone, and what does not fit is said."""

    async def told() -> None:
        try:
            await work()
        except ConfigError as error:
            visit.tell(visit.words("oncall.wrong", text=str(error)))

    return visit.action(told, Right.FOLLOWUPS)


class _Entries:
    """The fields of a new message, and what stands in them."""

    def __init__(self, words: Words, programmes: Programmes, zone: str) -> None:
        self._words = words
        self.title = ui.input(words("followups.title")).props("outlined maxlength=100")
        self.zh, self.en = (
            ui.textarea(words(f"followups.text_{code}")).props(f'outlined autogrow maxlength=1500 lang="{tag}"')
            for code, tag in (("zh", "zh-CN"), ("en", "en"))
        )
        self.audience = _choice(words("followups.audience"), _audiences(words, programmes))
        with ui.element("div").classes("three"):
            platforms = {name: words.texts.get(f"platform.{name}") for name in _PLATFORMS}
            self.platform = _choice(words("followups.on_platform"), {"": words("followups.any_platform"), **platforms})
            languages = {"": "any_language", "zh": "speaks_zh", "en": "speaks_en"}
            self.language = _choice(
                words("followups.speaks"), {code: words(f"followups.{key}") for code, key in languages.items()}
            )
            within = {str(n): words("followups.heard_within", count=str(n)) for n in _HEARD_DAYS}
            self.heard = _choice(words("followups.heard"), {"0": words("followups.heard_any"), **within})
        self._when(zone)

    def _when(self, zone: str) -> None:
        words = self._words
        kinds = {"once": words("followups.once"), "again": words("followups.again")}
        self.kind = ui.toggle(kinds, value="once").props("no-caps unelevated").classes("kind")
        tomorrow = datetime.combine(datetime.now(ZoneInfo(zone)).date() + timedelta(days=1), time(18))
        with ui.element("div").classes("span"):
            self.at = ui.input(words("followups.at"), value=tomorrow.isoformat(timespec="minutes"))
            self.at.props("outlined type=datetime-local stack-label")
            rhythms = {name: rhythm_name(words, name) for name in (*_RHYTHMS, "cron")}
            self.rhythm = _choice(words("followups.rhythm"), rhythms)
            self.time = ui.input(words("followups.time"), value="18:00").props("outlined type=time stack-label")
            self.cron = ui.input(words("followups.cron")).props("outlined maxlength=100")
            self.cron.props["hint"] = words("followups.cron_hint")
            self.zone = ui.input(words("followups.zone"), value=zone).props("outlined maxlength=64")
        self.kind.on_value_change(self._show)
        self.rhythm.on_value_change(self._show)
        self._show()

    def _show(self) -> None:
        """Only the fields of what is chosen."""
        again, cron = self.kind.value == "again", self.rhythm.value == "cron"
        self.at.set_visibility(not again)
        self.rhythm.set_visibility(again)
        self.time.set_visibility(again and not cron)
        self.cron.set_visibility(again and cron)

    @property
    def _schedule(self) -> ui.input:
        """The field that says when."""
        if self.kind.value == "once":
            return self.at
        return self.cron if self.rhythm.value == "cron" else self.time

    def complete(self) -> bool:
        """Whether every field that must be filled is; else they are marked."""
        needed = (self.title, self.zh, self.en, self._schedule, self.zone)
        for entry in (self.title, self.zh, self.en, self.at, self.time, self.cron, self.zone):
            entry.error = self._words("field_needed") if entry in needed and not _text(entry) else None
        return all(_text(entry) for entry in needed)

    def mark(self, fault: str) -> None:
        """Say at its field what does not fit. `fault` begins `broadcast: FIELD:`."""
        field = fault.removeprefix("broadcast: ").partition(":")[0]
        faulty, key = {"zone": (self.zone, "zone"), "zh": (self.zh, "text"), "en": (self.en, "text")}.get(
            field, (self._schedule, "cron" if self._schedule is self.cron else "time")
        )
        faulty.error = self._words(f"followups.wrong_{key}")

    async def create(self, broadcasts: Broadcasts, by: str) -> DryRun:
        """Keep what stands in the fields as a draft. Raises ConfigError."""
        kind, _, name = str(self.audience.value).partition(":")
        return await broadcasts.create(
            _text(self.title),
            _text(self.zh),
            _text(self.en),
            by=by,
            when=self._written(),
            zone=_text(self.zone),
            purpose=next((p for p in _PURPOSES if kind == "purpose" and p == name), None),
            programme=name if kind == "programme" else "",
            platform=str(self.platform.value),
            language=str(self.language.value),
            heard_days=int(str(self.heard.value)),
        )

    def _written(self) -> str:
        text = _text(self._schedule)
        if self._schedule is not self.time:
            return text
        hour, _, minute = text.partition(":")
        return f"{minute} {hour} {_RHYTHMS[str(self.rhythm.value)]}"


def _audiences(words: Words, programmes: Programmes) -> dict[str, str]:
    """What can be chosen: everybody, a purpose, or a programme."""
    found = {"": words("followups.everybody")}
    found |= {f"purpose:{name}": words(f"followups.agreed_{name}") for name in _PURPOSES}
    for programme in programmes.every:
        title = programme.title.of(words.language)
        found[f"programme:{programme.id}"] = words("followups.in_programme", title=title)
    return found


def _choice(label: str, options: dict[str, str]) -> ui.select:
    return ui.select(options, value=next(iter(options)), label=label).props("outlined")


def _text(entry: ui.input | ui.textarea) -> str:
    return str(entry.value or "").strip()
