"""The tables. One place to see what is kept; every change is an Alembic migration in `migrations/`.

Columns whose comment says "sealed" hold text encrypted with the operator's key (see `cipher`).
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, on SQLite too (which keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _of(table: str, **options: Any) -> Column[int]:
    return Column(f"{table}_id", _Id, ForeignKey(f"{table}.id", ondelete="CASCADE"), **options)


person = Table(
    "person",
    metadata,
    _id(),
    Column("created_at", Instant, nullable=False),
    Column("language", String(8)),  # None until the person wrote or chose
    Column("language_chosen", Boolean, nullable=False, default=False),
    Column("script", String(8), nullable=False, default="hans"),
    Column("country", String(2)),
    Column("blocked_at", Instant),  # blocked the bot, unfollowed
    Column("erase_at_close", Boolean, nullable=False, default=False),
)

conversation = Table(
    "conversation",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    Column("address", String(300), nullable=False, unique=True),
    Column("holder", String(8), nullable=False, default="bot"),  # bot, waiting (for a counsellor), human
    Column("fence", Integer, nullable=False, default=0),  # raised whenever the holder changes
    Column("level", String(10), nullable=False, default="none"),  # of the latest messages
    Column("last_seq", Integer, nullable=False, default=0),
    Column("last_in_at", Instant),
    Column("turn_due_at", Instant),  # when the oldest pending message is to be handled; None: nothing is pending
    Column("turn_lease_until", Instant),
    Column("turn_owner", String(32)),
    Column("turn_attempts", Integer, nullable=False, default=0),
    Column("note", LargeBinary),  # sealed: the last hand-back note
    Column("review", Boolean, nullable=False, default=False),  # a counsellor approves each answer before it leaves
    Index(
        "ix_conversation_due",
        "turn_due_at",
        sqlite_where=text("turn_due_at IS NOT NULL"),
        postgresql_where=text("turn_due_at IS NOT NULL"),
    ),
)

message = Table(
    "message",
    metadata,
    _id(),
    _of("conversation", nullable=False),
    Column("seq", Integer),  # order in which the user sees them; None: written but not yet on its way
    Column("author", String(12), nullable=False),  # user, bot, system, counsellor
    Column("counsellor", String(32)),
    Column("key", String(300), unique=True),  # the platform update that brought it
    Column("kind", String(12), nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed JSON: text, attachments
    Column("reference", String(200), nullable=False, default=""),
    Column("reply_to", String(200), nullable=False, default=""),
    Column("at", Instant, nullable=False),
    Column("state", String(10), nullable=False),  # pending, done
    Column("generator", String(60), nullable=False, default=""),
    Column("version", String(60), nullable=False, default=""),  # of the generator
    Index("ix_message_conversation_seq", "conversation_id", "seq"),
    Index(
        "ix_message_pending",
        "conversation_id",
        "id",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
)

assessment = Table(
    "assessment",
    metadata,
    _id(),
    _of("message", nullable=False, index=True),
    Column("level", String(10), nullable=False),
    Column("category", String(20)),
    Column("about", String(8), nullable=False),
    Column("score", Float, nullable=False),
    Column("evidence", LargeBinary, nullable=False),  # sealed JSON: quoted spans
    Column("version", String(60), nullable=False),
    Column("source", String(20), nullable=False),  # screen, or who gave a later opinion
    Column("at", Instant, nullable=False),
)

fact = Table(
    "fact",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    Column("kind", String(8), nullable=False),  # name, helped
    Column("message_id", _Id, nullable=False),  # the message that told it
    Column("body", LargeBinary),  # sealed; None: the person was asked, and has not agreed to have it remembered
    Column("at", Instant, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    _of("message", primary_key=True),  # the answer; what was said of it goes with it
    Column("helpful", Boolean, nullable=False),
    Column("reason", String(12)),  # what was missing, if the user said so
    Column("generator", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("language", String(8), nullable=False),
    Column("level", String(10), nullable=False),  # of what was answered
    Column("at", Instant, nullable=False),
    Column("asked_at", Instant),  # when the user was asked what was missing
)

opinion = Table(
    "opinion",
    metadata,
    _of("message", primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_until", Instant),
    Column("owner", String(32)),
)
"""Messages on which a second opinion is still to come; a row goes as soon as it was given."""

handoff = Table(
    "handoff",
    metadata,
    _id(),
    _of("conversation", nullable=False, index=True),
    Column("level", String(10), nullable=False),
    Column("rank", Integer, nullable=False),  # of the level, to order the queue; 0: asked for without danger
    Column("category", String(20)),
    Column("about", String(8), nullable=False),
    Column("reason", String(20), nullable=False),  # screen, request
    Column("message_id", _Id),  # the message that opened it
    Column("state", String(10), nullable=False),  # waiting, claimed, closed
    Column("counsellor", String(32)),
    Column("lease_until", Instant),
    Column("step", Integer, nullable=False, default=0),
    Column("next_step_at", Instant),
    Column("reassured_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Column("first_word_at", Instant),
    Column("closed_at", Instant),
    Column("outcome", String(30)),
    CheckConstraint("state = 'closed' OR next_step_at IS NOT NULL", name="open_has_next_step"),
    CheckConstraint(
        "state <> 'claimed' OR (counsellor IS NOT NULL AND lease_until IS NOT NULL)", name="claim_has_holder"
    ),
    CheckConstraint("state <> 'closed' OR outcome IS NOT NULL", name="closed_has_outcome"),
    Index(
        "uq_handoff_open",
        "conversation_id",
        unique=True,
        sqlite_where=text("state <> 'closed'"),
        postgresql_where=text("state <> 'closed'"),
    ),
    Index(
        "ix_handoff_next",
        "next_step_at",
        sqlite_where=text("state <> 'closed'"),
        postgresql_where=text("state <> 'closed'"),
    ),
)

handoff_event = Table(
    "handoff_event",
    metadata,
    _id(),
    _of("handoff", nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(32), nullable=False),  # a counsellor's id, user, or bot
    Column("event", String(20), nullable=False),
    Column("detail", LargeBinary),  # sealed
)

escalation = Table(
    "escalation",
    metadata,
    _of("handoff", primary_key=True),
    Column("ladder", Text, nullable=False),  # JSON: the steps as they were when the handoff began
    Column("count", Integer, nullable=False),  # which round of pages on its step this is, from 0
    Column("paged_at", Instant, nullable=False),  # the latest round
    Column("reached_at", Instant),  # when a page first arrived
    Column("acked_by", String(32)),  # who said they are coming
    Column("acked_until", Instant),
)
"""How counsellors are being called for a handoff."""

operator_notice = Table(
    "operator_notice",
    metadata,
    Column("topic", String(100), primary_key=True),
    Column("at", Instant, nullable=False),
)
"""When operators were last told of something, so that they are not told every minute."""

offer = Table(
    "offer",
    metadata,
    _id(),
    _of("handoff", nullable=False, index=True),
    Column("by", String(32), nullable=False),
    Column("to", String(80), nullable=False),  # a counsellor, a rotation, or skill:NAME
    Column("note", LargeBinary),  # sealed
    Column("at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("state", String(10), nullable=False),  # open, accepted, declined, withdrawn, lapsed
    Column("answered_by", String(32)),
    Index(
        "uq_offer_open",
        "handoff_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_offer_until", "until", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)
"""A case held out to somebody else. Its holder keeps it until it is accepted."""

companion = Table(
    "companion",
    metadata,
    _of("handoff", primary_key=True),
    Column("counsellor", String(32), primary_key=True),
    Column("role", String(10), nullable=False),  # invited, second, watching
    Column("by", String(32), nullable=False),  # who invited them
    Column("at", Instant, nullable=False),
)
"""Who is with a case besides its holder."""

note = Table(
    "note",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    _of("handoff", nullable=False, index=True),
    Column("kind", String(8), nullable=False),  # note: about the person, for later too; whisper: to those with the case
    Column("author", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed
    Column("at", Instant, nullable=False),
)

plan = Table(
    "plan",
    metadata,
    _id(),
    _of("person", nullable=False),
    Column("version", Integer, nullable=False),
    Column("author", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),  # sealed JSON: the fields
    Column("at", Instant, nullable=False),
    Column("shown_at", Instant),  # when it was last sent to the user
    Index("uq_plan_version", "person_id", "version", unique=True),
)
"""Safety plans, every version."""

disposition = Table(
    "disposition",
    metadata,
    _of("handoff", primary_key=True),
    Column("verdict", String(12)),  # on the screen: right, false_alarm, missed
    Column("body", LargeBinary, nullable=False),  # sealed JSON: the form's fields
)

draft = Table(
    "draft",
    metadata,
    _id(),
    _of("conversation", nullable=False, index=True),
    _of("message", nullable=False, index=True),  # the user's words that it answers
    Column("handoff_id", _Id),
    Column("kind", String(8), nullable=False),  # desk: a counsellor asked for it; review: it waits for approval
    Column("state", String(10), nullable=False),  # waiting, sent, edited, discarded, overtaken
    Column("fence", Integer, nullable=False),
    Column("body", LargeBinary),  # sealed JSON: text, passages; gone once it was decided on
    Column("generator", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("language", String(8), nullable=False),
    Column("level", String(10), nullable=False),  # of what it answers
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant),  # when the user is told that nobody has approved it yet
    Column("decided_at", Instant),
    Column("decided_by", String(32)),
    Column("distance", Integer),  # characters that the counsellor changed
    Index("ix_draft_due", "due_at", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")),
)
"""Answers drafted for a counsellor to send, edit or throw away; afterwards what became of them, without the text."""

consent = Table(
    "consent",
    metadata,
    _of("person", primary_key=True),
    Column("purpose", String(20), primary_key=True),  # training
    Column("at", Instant, nullable=False),
)
"""What a person agreed to. Taking it back deletes the row."""

outbox = Table(
    "outbox",
    metadata,
    _id(),
    _of("conversation", nullable=False, index=True),  # whose conversation it belongs to or is about
    Column("address", String(300), nullable=False),  # where it goes
    Column("platform", String(20), nullable=False),
    Column("lane", Integer, nullable=False),
    Column("kind", String(10), nullable=False),  # alert, crisis, notice, relay, reply, follow_up, step
    Column("fence", Integer),  # sent only while the conversation's fence is this; None: always
    Column("body", LargeBinary, nullable=False),  # sealed JSON: text, buttons
    Column("author", String(12), nullable=False),
    Column("counsellor", String(32)),  # who is alerted, or who speaks
    Column("message_id", _Id),  # its row in the transcript
    Column("handoff_id", _Id),
    Column("occurrence_id", _Id),  # of a follow-up, which ends as this row does
    Column("state", String(10), nullable=False),  # waiting, sending, sent, unknown, failed, dropped
    Column("reason", String(200), nullable=False, default=""),
    Column("due_at", Instant),  # None: held until the platform's window opens
    Column("attempts", Integer, nullable=False, default=0),
    Column("lease_until", Instant),
    Column("owner", String(32)),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("reference", String(200), nullable=False, default=""),
    CheckConstraint("state IN ('waiting','sending','sent','unknown','failed','dropped')", name="state"),
    Index(
        "ix_outbox_queue",
        "address",
        "lane",
        "id",
        sqlite_where=text("state IN ('waiting','sending')"),
        postgresql_where=text("state IN ('waiting','sending')"),
    ),
    Index(
        "ix_outbox_due",
        "lane",
        "id",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "ix_outbox_sending",
        "lease_until",
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
)

account = Table(
    "account",
    metadata,
    _id(),
    Column("counsellor", String(32), nullable=False, unique=True),
    Column("password_hash", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", Instant),
    Column("totp_secret", LargeBinary),  # sealed; None: the password is enough
    Column("totp_last", BigInteger),  # the time step of the last code accepted: no code opens twice
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    _of("account", nullable=False, index=True),
)
"""Each opens an account once in place of a code of the authenticator, and then goes."""

session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    _of("account", nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
)

invite = Table(
    "invite",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("counsellor", String(32), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
)

roster_change = Table(
    "roster_change",
    metadata,
    _id(),
    Column("kind", String(8), nullable=False),  # override, leave
    Column("body", String(1000), nullable=False),  # JSON, with the keys of roster.toml
    Column("added_by", String(32), nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("removed_by", String(32)),
    Column("removed_at", Instant),
)
"""Overrides and leave entered in the console or by command, after those of the file. Rows stay, as the record."""

view = Table(
    "view",
    metadata,
    _id(),
    _of("conversation", nullable=False, index=True),
    Column("counsellor", String(32), nullable=False),
    Column("at", Instant, nullable=False),
)
"""Audit: who looked at which conversation when. Rows are only ever added, and go with the conversation."""

rhythm = Table(
    "rhythm",
    metadata,
    _of("person", primary_key=True),
    Column("zone", String(64), nullable=False),  # IANA
    Column("zone_known", Boolean, nullable=False, default=False),  # told by the person; else guessed from the country
    Column("quiet_from", Integer, nullable=False),  # minutes after midnight on the person's clock
    Column("quiet_until", Integer, nullable=False),  # the same as `quiet_from`: there are no quiet hours
    Column("last_sent_at", Instant),  # when a follow-up last went to the outbox
    Column("offered_at", Instant),  # when a programme was last offered
    Column("asking", String(60), nullable=False, default=""),  # the command that a plain number completes
    Column("asked_at", Instant),
)
"""How a person lives with the clock."""

enrolment = Table(
    "enrolment",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    _of("conversation", nullable=False, index=True),
    Column("programme", String(40), nullable=False, index=True),
    Column("version", Integer, nullable=False),  # of the programme when the person agreed
    Column("state", String(8), nullable=False),  # invited, active, paused, stalled, done, stopped
    Column("reason", String(20), nullable=False, default=""),  # of being paused, stalled or stopped
    Column("source", String(32), nullable=False),  # user, operator, or the counsellor who proposed it
    Column("start_day", Date),  # day 0 on the person's calendar; None until they agreed
    Column("at_minutes", Integer),  # the person's own time, minutes after midnight; None: the programme's
    Column("unanswered", Integer, nullable=False, default=0),  # sent without a word since
    Column("last_sent_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("agreed_at", Instant),
    Column("ended_at", Instant),
    CheckConstraint("state IN ('invited','active','paused','stalled','done','stopped')", name="state"),
    CheckConstraint("state = 'invited' OR state = 'stopped' OR agreed_at IS NOT NULL", name="agreed"),
    Index(
        "uq_enrolment_open",
        "person_id",
        "programme",
        unique=True,
        sqlite_where=text("state NOT IN ('done','stopped')"),
        postgresql_where=text("state NOT IN ('done','stopped')"),
    ),
    Index(
        "ix_enrolment_stalled",
        "id",
        sqlite_where=text("state = 'stalled'"),
        postgresql_where=text("state = 'stalled'"),
    ),
)

occurrence = Table(
    "occurrence",
    metadata,
    _id(),
    _of("enrolment", nullable=False),
    Column("platform", String(20), nullable=False),
    Column("day", Integer, nullable=False),  # of the programme; below 0: the firing of a broadcast
    Column("round", Integer, nullable=False, default=0),  # raised when the person wants it again later
    Column("planned_at", Instant, nullable=False),  # by the rule
    Column("due_at", Instant, nullable=False),  # by the rule, or later: jitter, quiet hours, snooze
    Column("latest_at", Instant, nullable=False),  # until when it is worth sending
    Column("state", String(8), nullable=False),  # due, queued (in the outbox), sent, skipped, missed
    Column("reason", String(20), nullable=False, default=""),
    Column("ended_at", Instant),
    UniqueConstraint("enrolment_id", "day", "round"),
    CheckConstraint("state IN ('due','queued','sent','skipped','missed')", name="state"),
    CheckConstraint("state NOT IN ('skipped','missed') OR reason <> ''", name="has_reason"),
    CheckConstraint("(state IN ('due','queued')) = (ended_at IS NULL)", name="ended_once"),
    Index(
        "ix_occurrence_due",
        "platform",
        "due_at",
        sqlite_where=text("state = 'due'"),
        postgresql_where=text("state = 'due'"),
    ),
    Index(
        "ix_occurrence_queued",
        "latest_at",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index("ix_occurrence_ended", "ended_at"),
)
"""Each thing that was to be sent, and what became of it. Only the next of an enrolment stands here ahead of time."""

pace = Table(
    "pace",
    metadata,
    Column("platform", String(20), primary_key=True),
    Column("free_at", Instant, nullable=False),  # when the next follow-up may leave there
)

practice = Table(
    "practice",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    Column("exercise", String(60), nullable=False),  # the library's id without the language
    Column("occurrence_id", _Id),  # the follow-up that brought it
    Column("state", String(8), nullable=False),  # before, running, paused, after, done, stopped
    Column("first", Integer, nullable=False, default=0),  # the step that the present run began with
    Column("run_at", Instant),  # when it began
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
"""Exercises that people did or began."""

mood = Table(
    "mood",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),  # sealed: 0 to 10
    Column("moment", String(8), nullable=False),  # asked, before, after
    Column("practice_id", _Id),
    Column("at", Instant, nullable=False),
)

form = Table(
    "form",
    metadata,
    _id(),
    _of("person", nullable=False, index=True),
    Column("questionnaire", String(20), nullable=False),
    Column("occurrence_id", _Id),
    Column("state", String(8), nullable=False),  # open, done, stopped
    Column("answers", LargeBinary, nullable=False),  # sealed JSON: a number for each item so far
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
"""Questionnaires that people filled in."""

programme_hold = Table(
    "programme_hold",
    metadata,
    Column("programme", String(40), primary_key=True),
    Column("state", String(8), nullable=False),  # paused: nothing is sent; retired: nobody new is enrolled
    Column("by", String(32), nullable=False),
    Column("at", Instant, nullable=False),
)

broadcast = Table(
    "broadcast",
    metadata,
    _id(),
    Column("title", String(100), nullable=False),
    Column("body", String(8000), nullable=False),  # JSON: the text in each language, and the audience
    Column("cron", String(100), nullable=False, default=""),  # empty: once
    Column("zone", String(64), nullable=False),
    Column("state", String(10), nullable=False),  # draft, active, paused, done
    Column("next_at", Instant),  # None: it does not fire again
    Column("created_by", String(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("confirmed_by", String(32)),
    Column("confirmed_at", Instant),
    CheckConstraint("state IN ('draft','active','paused','done')", name="state"),
    CheckConstraint("state <> 'active' OR confirmed_by IS NOT NULL", name="confirmed"),
)
"""An operator's message to many of those who agreed to follow-ups."""

firing = Table(
    "firing",
    metadata,
    _id(),
    _of("broadcast", nullable=False),
    Column("slot", Instant, nullable=False),  # when it was to fire
    Column("state", String(8), nullable=False),  # filling (occurrences are being written), fired, missed
    Column("reason", String(20), nullable=False, default=""),
    Column("audience", Integer, nullable=False, default=0),
    Column("upto", _Id, nullable=False, default=0),  # the enrolment up to which they are written
    Column("at", Instant, nullable=False),
    UniqueConstraint("broadcast_id", "slot"),
)
"""Each time a broadcast fell due: once, whichever process was first."""
