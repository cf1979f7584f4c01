"""`psyllm` and its commands. Each command's module is imported only when it runs, so that `--help` is quick."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from config import ConfigError, Language

app = typer.Typer(
    name="psyllm",
    help="A counselling bot for Telegram, WeChat and the web that notices danger and brings a human.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
db = typer.Typer(help="The database: migrations and keys.", no_args_is_help=True)
person = typer.Typer(help="What is kept about somebody.", no_args_is_help=True)
oncall = typer.Typer(help="The roster: who is called.", no_args_is_help=True)
outcomes = typer.Typer(help="What counsellors said of the screen and of drafts.", no_args_is_help=True)
train = typer.Typer(help="Train models on texts with labels.", no_args_is_help=True)
evaluate = typer.Typer(help="How well the bot does, on texts with labels.", no_args_is_help=True)
model = typer.Typer(help="Language models in this process.", no_args_is_help=True)
study = typer.Typer(help="Answers of several systems, rated blind by people.", no_args_is_help=True)
data = typer.Typer(help="Texts to train language models on.", no_args_is_help=True)
followups = typer.Typer(help="What the bot sends on its own: due, enrol, stop, preview.", no_args_is_help=True)
programmes = typer.Typer(help="The programmes of follow-ups.", no_args_is_help=True)
broadcast = typer.Typer(help="Messages to many of those who agreed to follow-ups.", no_args_is_help=True)
app.add_typer(db, name="db")
app.add_typer(followups, name="followups")
app.add_typer(programmes, name="programmes")
app.add_typer(broadcast, name="broadcast")
app.add_typer(person, name="person")
app.add_typer(oncall, name="oncall")
app.add_typer(train, name="train")
app.add_typer(outcomes, name="outcomes")
app.add_typer(evaluate, name="evaluate")
app.add_typer(model, name="model")
app.add_typer(data, name="data")
app.add_typer(study, name="study")

File = Annotated[str, typer.Argument(help="A file of JSON lines; - for standard input.")]


@app.command()
def run(
    roles: Annotated[
        str, typer.Option(help="What this process does, separated by commas: web, telegram, wechat, worker.")
    ] = "",
) -> None:
    """Run the bot: each platform that has credentials, the web chat, the console, the workers."""
    from bot.cli.serve import serve

    serve(roles)


@app.command()
def chat(
    lang: Annotated[Language | None, typer.Option(help="The language of the words around the conversation.")] = None,
) -> None:
    """Talk with the bot here in the terminal, over the same path as on any platform."""
    from bot.cli.chat import chat as talk

    talk(lang)


@app.command()
def screen(
    file: File = "-",
    explain: Annotated[
        bool, typer.Option("--explain", help="Show each step: the rules that matched, the model, earlier turns.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Explain as JSON lines, for programs.")] = False,
) -> None:
    """Screen texts for danger: JSON lines in, JSON lines out."""
    from bot.cli.lines import explain_lines, screen_lines

    if explain:
        explain_lines(file, as_json=json)
    else:
        screen_lines(file)


@app.command()
def reply(file: File = "-") -> None:
    """Answer texts: JSON lines in, JSON lines out."""
    from bot.cli.lines import reply_lines

    reply_lines(file)


@app.command()
def transcripts(
    out: Annotated[Path, typer.Option(help="The folder for the pages, one for each language.")] = Path(
        "docs/transcripts"
    ),
    lines: Annotated[
        bool, typer.Option("--lines", help="Print the first messages as JSON lines instead, for reply and evaluate.")
    ] = False,
) -> None:
    """Write what the reviewed library answers to the written scripts of 144 made-up people, as pages to read."""
    from bot.cli.transcripts import print_first_messages, write_transcripts

    if lines:
        print_first_messages()
    else:
        write_transcripts(out)


@app.command()
def doctor() -> None:
    """Check settings, tokens, clock, database, crisis lines and roster; say what to do about each fault."""
    from bot.cli.doctor import examine

    raise typer.Exit(examine())


@app.command()
def feedback(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on, in UTC, such as 2026-05-01.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="What to compare, separated by commas: generator, version, language, level.")
    ] = "generator,version",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """How often answers were called helpful, by what wrote them. Counts only, no texts."""
    from bot.cli.feedback import show_feedback

    show_feedback(by, since, json)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="pipeline, screening, generation or followups")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Measure, and print ratios side by side."""
    from bot.cli.bench import run_bench

    run_bench(name, json)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables up to date."""
    from bot.cli.database import upgrade_database

    upgrade_database()


@db.command("check")
def db_check() -> None:
    """Compare the tables with what the program expects."""
    from bot.cli.database import check_database

    raise typer.Exit(check_database())


@db.command("new-key")
def db_new_key() -> None:
    """Print a fresh encryption key for PSYLLM_SECRET_KEYS."""
    from bot.store.cipher import new_key

    typer.echo(new_key())


@person.command("export")
def person_export(id: int) -> None:  # noqa: A002
    """Print everything kept about a person, as JSON."""
    from bot.cli.database import export_person

    raise typer.Exit(export_person(id))


@person.command("erase")
def person_erase(
    id: int,  # noqa: A002
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a person and everything about them, now and for good."""
    if not yes:
        typer.confirm(f"Delete everything about person {id}? This cannot be undone.", abort=True)
    from bot.cli.database import erase_person

    raise typer.Exit(erase_person(id))


@oncall.command("who")
def oncall_who(
    at: Annotated[datetime | None, typer.Option(help="At this time in the roster's zone; now.")] = None,
) -> None:
    """Who is called, in which order."""
    from bot.cli.roster import show_ladder

    show_ladder(at)


@oncall.command("shifts")
def oncall_shifts(weeks: Annotated[int, typer.Option(min=1, max=520, help="How far ahead.")] = 4) -> None:
    """Who is on call when, from now on."""
    from bot.cli.roster import show_shifts

    show_shifts(weeks)


@oncall.command("check")
def oncall_check(
    file: Annotated[Path | None, typer.Argument(help="A roster file; the configured one.")] = None,
) -> None:
    """Read the roster and say what is wrong with it now and within 52 weeks."""
    from bot.cli.roster import check_roster

    raise typer.Exit(check_roster(file))


@oncall.command("export")
def oncall_export(
    ics: Annotated[Path, typer.Option(help="The iCalendar file to write.")],
    counsellor: Annotated[str, typer.Option(help="Only when this counsellor is on call, by their id.")] = "",
) -> None:
    """Write who is on call in the next 52 weeks as a calendar."""
    from bot.cli.roster import export_calendar

    export_calendar(ics, counsellor)


@oncall.command("import")
def oncall_import(
    file: Annotated[Path, typer.Argument(help="An iCalendar file: each event is leave.")],
    counsellor: Annotated[str, typer.Option(help="Whose leave it is, by their id.")],
) -> None:
    """Print a calendar as leave to add to the roster: psyllm oncall import FILE --counsellor ID >> roster.toml."""
    from bot.cli.roster import import_leave

    import_leave(file, counsellor)


@oncall.command("page-test")
def oncall_page_test(counsellor: Annotated[str, typer.Argument(help="The counsellor's id in the roster.")]) -> None:
    """Send a test page by every channel of a counsellor, and say what became of each."""
    from bot.cli.channels import page_test

    raise typer.Exit(page_test(counsellor))


@oncall.command("add")
def oncall_add(
    file: Annotated[str, typer.Argument(help="[[overrides]] and [[leave]] as in roster.toml; - for standard input.")],
    accept_gaps: Annotated[bool, typer.Option(help="Also if nobody is on call at some time then.")] = False,
) -> None:
    """Change who is on call, at once in every running process: psyllm oncall import FILE ... | psyllm oncall add -"""
    from bot.cli.roster_changes import add_changes

    add_changes(file, accept_gaps)


@oncall.command("changes")
def oncall_changes() -> None:
    """What was changed in the console or with add, and holds."""
    from bot.cli.roster_changes import show_changes

    show_changes()


@oncall.command("remove")
def oncall_remove(
    id: Annotated[int, typer.Argument(help="As psyllm oncall changes lists it.")],  # noqa: A002
    accept_gaps: Annotated[bool, typer.Option(help="Also if nobody is on call at some time then.")] = False,
) -> None:
    """Take a change back."""
    from bot.cli.roster_changes import remove_change

    remove_change(id, accept_gaps)


@oncall.command("invite")
def oncall_invite(counsellor: Annotated[str, typer.Argument(help="The counsellor's id in the roster.")]) -> None:
    """Print a one-time link with which a counsellor sets a password for the console."""
    from bot.cli.roster import invite

    invite(counsellor)


@outcomes.command("export")
def outcomes_export(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Closed from this day on, in UTC, such as 2026-05-01.")
    ] = None,
) -> None:
    """Print closed handoffs as training rows, JSON lines: what the screen judged, and whether it was right.

    A row has its text only if the person agreed to that (/share).
    """
    from bot.cli.outcomes import export_outcomes

    export_outcomes(since)


@outcomes.command("drafts")
def outcomes_drafts() -> None:
    """Print how often drafts were sent, edited or thrown away, by what wrote them."""
    from bot.cli.outcomes import show_drafts

    show_drafts()


@followups.command("due")
def followups_due(
    hours: Annotated[float, typer.Option(min=0, help="How far ahead.")] = 24,
    days: Annotated[int, typer.Option(min=1, help="How far back to count what became of them.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What falls due, and what became of what did: sent, skipped or missed, and why."""
    from bot.cli.followups import show_due

    show_due(hours, days, json)


@followups.command("enrol")
def followups_enrol(
    person_id: Annotated[int, typer.Argument(help="The person's number.")],
    programme: Annotated[str, typer.Argument(help="See psyllm programmes list.")],
    at: Annotated[str, typer.Option(help="Their own time of day, such as 08:30; with --agreed.")] = "",
    agreed: Annotated[bool, typer.Option("--agreed", help="They said yes elsewhere: begin without asking.")] = False,
) -> None:
    """Ask somebody whether they want a programme."""
    from bot.cli.followups import enrol

    enrol(person_id, programme, at, agreed)


@followups.command("stop")
def followups_stop(
    person_id: Annotated[int, typer.Argument(help="The person's number.")],
    programme: Annotated[str, typer.Argument(help="Only this one.")] = "",
) -> None:
    """End somebody's programmes, at once."""
    from bot.cli.followups import stop

    stop(person_id, programme)


@followups.command("preview")
def followups_preview(
    programme: str,
    lang: Annotated[Language | None, typer.Option(help="Only this language.")] = None,
    zone: Annotated[str, typer.Option(help="The person's time zone.")] = "Asia/Shanghai",
    at: Annotated[str, typer.Option(help="Their own time of day, such as 08:30.")] = "",
    days: Annotated[int, typer.Option(min=0, help="How many days of it.")] = 400,
) -> None:
    """What somebody who agreed now would get, and when."""
    from bot.cli.followups import preview

    preview(programme, lang, zone, at, days)


@followups.command("simulate")
def followups_simulate(
    programme: Annotated[str, typer.Argument(help="See psyllm programmes list.")] = "caring_11",
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """A year of a programme on Telegram and on WeChat, on a clock that jumps."""
    from bot.cli.followups import simulate

    simulate(programme, json)


@programmes.command("list")
def programmes_list() -> None:
    """Every programme, who reviewed it, and what holds it."""
    from bot.cli.followups import list_programmes

    list_programmes()


@programmes.command("pause")
def programmes_pause(programme: str) -> None:
    """Send nothing of a programme until it is resumed; what falls due is recorded as skipped."""
    from bot.cli.followups import hold_programme

    hold_programme(programme, "paused")


@programmes.command("retire")
def programmes_retire(programme: str) -> None:
    """Enrol nobody new; who is in it goes on."""
    from bot.cli.followups import hold_programme

    hold_programme(programme, "retired")


@programmes.command("resume")
def programmes_resume(programme: str) -> None:
    """Let a paused or retired programme go on."""
    from bot.cli.followups import hold_programme

    hold_programme(programme, None)


@broadcast.command("create")
def broadcast_create(
    title: Annotated[str, typer.Argument(help="For operators; nobody else sees it.")],
    zh: Annotated[str, typer.Option(help="The text in Chinese.")],
    en: Annotated[str, typer.Option(help="The text in English.")],
    when: Annotated[str, typer.Option(help="A local time (2026-05-01 18:00), or cron (0 18 * * mon).")],
    zone: Annotated[str, typer.Option(help="The zone of that time.")] = "Asia/Shanghai",
    programme: Annotated[str, typer.Option(help="Only who is in this programme.")] = "",
    purpose: Annotated[str, typer.Option(help="Only who agreed to practice, checkin or contact.")] = "",
    platform: Annotated[str, typer.Option(help="Only on this platform.")] = "",
    lang: Annotated[Language | None, typer.Option(help="Only who reads this language.")] = None,
    heard_days: Annotated[int, typer.Option(min=0, help="Only who wrote within so many days.")] = 0,
) -> None:
    """Draft a message; nothing is sent before it is confirmed."""
    from bot.cli.followups import create_broadcast

    create_broadcast(
        title, zh, en, when, zone, purpose=purpose or None, programme=programme, platform=platform,
        language=lang.value if lang else "", heard_days=heard_days,
    )  # fmt: skip


@broadcast.command("dry-run")
def broadcast_dry_run(number: int) -> None:
    """Who would get it now, and when it fires. Nothing is sent."""
    from bot.cli.followups import dry_run_broadcast

    dry_run_broadcast(number)


@broadcast.command("confirm")
def broadcast_confirm(number: int, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Let a draft fire at its times."""
    from bot.cli.followups import confirm_broadcast

    confirm_broadcast(number, yes)


@broadcast.command("list")
def broadcast_list() -> None:
    """All broadcasts with their next times."""
    from bot.cli.followups import list_broadcasts

    list_broadcasts()


@broadcast.command("pause")
def broadcast_pause(number: int) -> None:
    """Fire no more until it is resumed."""
    from bot.cli.followups import set_broadcast

    set_broadcast(number, "paused")


@broadcast.command("resume")
def broadcast_resume(number: int) -> None:
    """Let a paused broadcast fire again, from its next time on."""
    from bot.cli.followups import set_broadcast

    set_broadcast(number, "active")


@broadcast.command("end")
def broadcast_end(number: int) -> None:
    """Never fire again."""
    from bot.cli.followups import set_broadcast

    set_broadcast(number, "done")


@evaluate.command("screening")
def evaluate_screening(
    files: Annotated[list[Path], typer.Argument(help="Labelled texts, JSON lines: text, level or levels, ...")],
    screener: Annotated[
        Path | None, typer.Option("--with", help="Another model (a file) or other rules (a folder) than the shipped.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A model or a folder of rules to compare with: which lines changed their level, and why."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="The groups in the tables, separated by commas: file, lang, category, source, tag.")
    ] = "file,lang,category",
    wrong: Annotated[str, typer.Option(metavar="GROUP", help="List what was judged wrongly: all, file:NAME, ...")] = "",
    show_text: Annotated[bool, typer.Option("--show-text", help="List texts too; they may be private.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw reliability and confusion into this file, .svg or .html.")
    ] = None,
    floor: Annotated[
        Path | None, typer.Option(help="Figures that may not get worse; exit with 1 where one did.")
    ] = None,
    write_floor: Annotated[Path | None, typer.Option(help="Keep the present figures in this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Judge labelled texts with the screener: danger found, alarms, missed emergencies, by group."""
    from bot.cli.evaluate import Wanted
    from bot.cli.evaluate import evaluate_screening as run_evaluation

    wanted = Wanted(screener, against, by, wrong, show_text, picture, floor, write_floor, json)
    raise typer.Exit(run_evaluation(files, wanted))


@evaluate.command("replies")
def evaluate_replies(
    file: File,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare answers with people's: ROUGE-L, BLEU, Distinct, length, repetition, language, guard, perplexity.

    JSON lines: text, and if there are: id, lang, history, reference or references, reply, system. Where a line has no
    reply, the generator of the settings answers.
    """
    from bot.cli.evaluate_replies import evaluate_replies as run_evaluation

    run_evaluation(file, json)


@model.command("pull")
def model_pull(
    name: Annotated[str, typer.Argument(metavar="ID", help="Its name on the hub, such as owner/model.")],
    out: Annotated[Path | None, typer.Option(help="A folder for it; the hub's cache.")] = None,
) -> None:
    """Download a model, with its licence and size said first; an interrupted download goes on where it stopped."""
    from bot.cli.model import pull_model

    pull_model(name, out)


@model.command("check")
def model_check(
    name: Annotated[str, typer.Argument(metavar="[MODEL]", help="A hub id or a folder; the configured model.")] = "",
) -> None:
    """Load a model, let it answer, and say how fast it is here and what to do about what is wrong."""
    from bot.cli.model import check_model

    raise typer.Exit(check_model(name))


@data.command("prepare")
def data_prepare(
    files: Annotated[list[Path], typer.Argument(help="Files or folders: txt, md, html, jsonl, json.")],
    out: Annotated[Path, typer.Option(help="The folder for the cleaned texts and the report.")],
    held_out: Annotated[
        list[Path] | None, typer.Option(help="Texts something will be measured on; what meets them is left out.")
    ] = None,
    lang: Annotated[list[Language] | None, typer.Option(help="Keep this language only; may be repeated.")] = None,
    valid: Annotated[int, typer.Option(min=0, max=300, help="Questions held back to stop early by, in 1000.")] = 20,
    test: Annotated[int, typer.Option(min=0, max=300, help="Questions held back to measure on, in 1000.")] = 20,
) -> None:
    """Clean texts you have the rights to: faults, duplicates and personal data out, split by question, with a report.

    A run that was interrupted goes on where it stopped.
    """
    from bot.cli.data import prepare_data

    prepare_data(files, out, held_out or [], lang or [], valid, test)


@study.command("make")
def study_make(
    questions: Annotated[Path, typer.Argument(help="JSON lines: id, lang, text.")],
    answers: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FILE",
            help="A system and its answers: JSON lines of id and text, as `psyllm reply` prints them.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The study to write, as CSV.")],
    training: Annotated[int, typer.Option(min=0, help="So many questions come first, to learn the scale.")] = 2,
) -> None:
    """Put questions and the answers of several systems together into one file."""
    from bot.cli.study import make_study

    make_study(questions, answers, out, training)


@study.command("simulate")
def study_simulate(
    path: Annotated[Path, typer.Argument(help="The study.")],
    out: Annotated[Path, typer.Option(help="The ratings to write: .csv or .jsonl.")],
    raters: Annotated[int, typer.Option(min=1)] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same ratings.")] = 7,
) -> None:
    """Make ratings out of chance, to try the whole path before people take part."""
    from bot.cli.study import simulate_study

    simulate_study(path, raters, out, seed)


@study.command("report")
def study_report(
    path: Annotated[Path, typer.Argument(help="The study.")],
    ratings: Annotated[list[Path], typer.Argument(help="Ratings: .csv or .jsonl.")],
    out: Annotated[Path, typer.Option(help="The folder for report.md, report.html and the picture.")],
    title: Annotated[str, typer.Option()] = "Answers, rated blind",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Means with intervals, agreement of the raters, differences between systems, and what they do not show."""
    from bot.cli.study import report_study

    report_study(path, ratings, out, title, as_json)


@train.command("screener")
def train_screener(
    out: Annotated[Path, typer.Option(help="The model file to write; with --base, a folder.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Labelled texts, JSON lines, besides the project's own.")
    ] = None,
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="Fine-tune this transformer (hub id or folder) for a second opinion.")
    ] = "",
    seed: Annotated[int, typer.Option(help="The same seed and texts give the same model.")] = 7,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often each text is seen.")] = None,
    own_texts: Annotated[
        bool, typer.Option("--own-texts/--no-own-texts", help="Learn from the project's own texts too.")
    ] = True,
) -> None:
    """Train the learned part of the screener, or fine-tune a transformer on the same texts.

    Every fifth block of 60 texts is held back; the figures are of those. A fine-tuning that was interrupted goes on
    where it stopped.
    """
    from bot.cli.train import train_screener as run_training

    run_training(files or [], out, base, seed, epochs, own_texts)


@train.command("guard")
def train_guard(
    out: Annotated[Path, typer.Option(help="The model file to write.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Labelled answers, JSON lines, besides the project's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and texts give the same model.")] = 7,
    epochs: Annotated[int | None, typer.Option(min=1, help="How often each text is seen.")] = None,
) -> None:
    """Train the learned layer of the guard from labelled answers. Every fifth block of 60 is held back."""
    from bot.cli.train import train_guard as run_training

    run_training(files or [], out, seed, epochs)


@evaluate.command("models")
def evaluate_models(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Folders or hub ids.")],
    data: Annotated[Path, typer.Option(help="A prepared folder: answers of test.jsonl, n-grams of train.jsonl.")],
    prompt: Annotated[str, typer.Option(help="chat or completion, as the models are served.")] = "completion",
    order: Annotated[int, typer.Option(min=1, max=9, help="Characters of the n-grams.")] = 5,
    samples: Annotated[int, typer.Option(min=0, help="Print what each writes to so many questions.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Bits per character of language models on answers that they never saw, beside a character n-gram model."""
    from bot.cli.evaluate_models import evaluate_models as run_evaluation

    run_evaluation(models, data, prompt, order, samples, json)


@train.command("model")
def train_model(
    stage: Annotated[str, typer.Option(help="text, chat or preferences.")],
    data: Annotated[Path, typer.Option(help="The folder of texts; psyllm data prepare makes it for text and chat.")],
    out: Annotated[Path, typer.Option(help="The folder for the model; an interrupted training goes on in it.")],
    base: Annotated[str, typer.Option(metavar="MODEL", help="Train this model: a hub id or a folder.")] = "",
    new: Annotated[str, typer.Option(metavar="SIZE", help="Make one anew: gpt2-small, gpt2-mini, gpt2-tiny.")] = "",
    prompt: Annotated[
        str, typer.Option(help="chat or completion, as in service; by the chat template where there is one.")
    ] = "",
    epochs: Annotated[float, typer.Option(min=0.01, help="How often each text is seen.")] = 3.0,
    steps: Annotated[int, typer.Option(min=0, help="End after so many steps; 0: by --epochs.")] = 0,
    length: Annotated[int, typer.Option(min=16, help="Tokens of an example.")] = 1024,
    batch: Annotated[int, typer.Option(min=1, help="Examples in a step, on each device.")] = 8,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches in a step.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="The learning rate; 0: what is usual for the stage.")] = 0.0,
    lora: Annotated[int, typer.Option(min=0, help="Train adapters of this rank; 0: all weights.")] = 0,
    beta: Annotated[float, typer.Option(min=0.001, help="Preferences: how closely to stay with the base.")] = 0.1,
    every: Annotated[int, typer.Option(min=1, help="Steps between measuring and keeping.")] = 200,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many measurements without gain.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed, texts and settings give the same model.")] = 7,
    device: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
) -> None:
    """Train a language model: on a domain's texts, on answers in dialogues, or on what people preferred.

    A training that was killed goes on where it was kept last, by the same command. docs/training.md has the files.
    """
    from bot.cli.train import model_settings
    from bot.cli.train import train_model as run_training

    settings = model_settings(
        stage=stage,
        prompt=prompt,
        epochs=epochs,
        steps=steps,
        length=length,
        batch=batch,
        accumulate=accumulate,
        rate=rate,
        lora=lora,
        beta=beta,
        every=every,
        patience=patience,
        seed=seed,
        device=device,
    )
    run_training(data, out, base, new, settings)


@evaluate.command("guard")
def evaluate_guard(
    files: Annotated[list[Path], typer.Argument(help="Labelled answers, JSON lines: text, lang, bad, kinds.")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """How many bad answers the guard catches and how many good ones it passes, by kind and language."""
    from bot.cli.evaluate_guard import evaluate_guard as run_evaluation

    run_evaluation(files, json)


def main() -> None:
    """Run the command line. A fault that the operator can mend is one sentence; nobody sees a trace."""
    sys.exit(_guarded(app))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except ConfigError as error:
        typer.secho(f"psyllm: {error}", fg="red", err=True)
        return 2
    except BrokenPipeError:
        return 1
    return 0
