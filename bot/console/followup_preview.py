"""What a programme sends: each step in both languages side by side, at the local times of somebody who begins now."""

import html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from nicegui import ui

from bot.console.visit import Visit
from bot.followups import timing
from bot.followups.timing import Slot
from config import Language, Texts, load_texts
from config.programmes import Programme, Step
from config.questionnaires import load_questionnaires
from config.zones import zone_named
from engine.library import load_library

_MOST = 60  # steps: more than a year of weekly ones


def coming(programme: Programme, now: datetime, zone: str) -> Iterator[tuple[Slot, Step]]:
    """Each slot with its step, of somebody who agrees at `now` and lives in an IANA zone."""
    start = timing.begin(programme, now, None, zone)
    slot = timing.after(programme, start, -1, None, zone, 0, 0)
    while slot is not None:
        step = programme.step(slot.day)
        assert step is not None, "a slot has a step"
        yield slot, step
        slot = timing.after(programme, start, slot.day, None, zone, 0, 0)


def step_html(step: Step, language: Language) -> str:
    """A step as HTML: its text, and what it asks for. The steps of an exercise are folded away."""
    texts, parts = load_texts(language), list[str]()
    if step.text:
        parts.append(text_html(step.text.of(language)))
    if step.exercise:
        parts.append(_exercise(step.exercise, language, texts))
    if step.questionnaire:
        title = load_questionnaires()[step.questionnaire].title
        parts.append(text_html(texts.get("console.followups.preview_form", title=title)))
    if step.mood:
        parts.append(text_html(texts.get("console.followups.preview_mood")))
    return "".join(parts)


def text_html(text: str) -> str:
    """A text as HTML; its lines stay."""
    return f'<p class="text">{html.escape(text)}</p>'


def both_html(zh: str, en: str) -> str:
    """Two pieces of HTML side by side, each under the name of its language."""
    texts = load_texts(Language.EN)
    names = (texts.get("button.zh"), texts.get("button.en"))
    cells = "".join(
        f'<div lang="{code}"><div class="caption">{name}</div>{body}</div>'
        for code, name, body in (("zh-CN", names[0], zh), ("en", names[1], en))
    )
    return f'<div class="both">{cells}</div>'


def show_preview(visit: Visit, programme: Programme, zone: str) -> None:
    """Open the preview. Its zone can be changed."""
    words = visit.words
    title = programme.title.of(words.language)
    with visit.client.layout, ui.dialog() as dialog, ui.card().classes("sheet preview"):
        ui.label(title).classes("sheet-title").props('role="heading" aria-level="2"')
        ui.label(programme.about.of(words.language)).classes("hint")
        entry = ui.input(words("followups.zone"), value=zone).props("outlined dense").classes("zone")
        box = ui.element("div").classes("steps")

        def draw() -> None:
            place = zone_named(str(entry.value or ""))
            entry.error = None if place else words("followups.wrong_zone")
            if place:
                box.clear()
                with box:
                    ui.html(_steps(visit, programme, place), sanitize=False)

        entry.on("blur", draw)
        entry.on("keydown.enter", draw)
        draw()
        with ui.element("details"):
            with ui.element("summary"):
                ui.label(words("followups.evidence"))
            ui.html(_sources(programme.evidence, programme.sources), sanitize=False)
        with ui.element("div").classes("actions"):
            ui.button(words("close"), on_click=dialog.close).props("flat no-caps")
    dialog.props["aria-label"] = title
    dialog.on("hide", dialog.delete)
    dialog.open()


def _steps(visit: Visit, programme: Programme, zone: str) -> str:
    words = visit.words
    rows = [f'<p class="caption">{html.escape(words("followups.preview_of", zone=zone))}</p>']
    for number, (slot, step) in enumerate(coming(programme, datetime.now(UTC), zone)):
        if number == _MOST:
            rows.append(f'<p class="caption">{html.escape(words("followups.preview_more"))}</p>')
            break
        day = words("followups.preview_day", number=str(slot.day + 1))
        when = f"{day} · {words.moment(slot.planned_at, zone)}"
        zh, en = (step_html(step, language) for language in (Language.ZH, Language.EN))
        rows.append(f'<section class="step"><h3>{html.escape(when)}</h3>{both_html(zh, en)}</section>')
    return "".join(rows)


def _exercise(name: str, language: Language, texts: Texts) -> str:
    wanted = f"{language.value}.exercise.{name}"
    found = next((e for e in load_library().exercises(language) if e.id == wanted), None)
    if found is None:
        return text_html(texts.get("followup.no_exercise"))
    head = html.escape(texts.get("followup.exercise", title=found.title, minutes=found.minutes))
    steps = "".join(f"<li>{html.escape(step)}</li>" for step in found.steps)
    warning = text_html(found.contraindications) if found.contraindications else ""
    return f"<details><summary>{head}</summary><ol>{steps}</ol></details>{warning}"


def _sources(evidence: str, sources: Sequence[str]) -> str:
    return text_html(evidence) + "<ul>" + "".join(f"<li>{html.escape(s)}</li>" for s in sources) + "</ul>"
