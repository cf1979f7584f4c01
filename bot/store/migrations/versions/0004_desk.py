"""What counsellors do at the desk: transfers, company, notes, safety plans, dispositions, drafts; and consents"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _id(name: str, **options: object) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), **options)  # type: ignore[arg-type]


def _key(table: str, other: str) -> sa.ForeignKeyConstraint:
    name = f"{other}_id"
    return sa.ForeignKeyConstraint([name], [f"{other}.id"], name=op.f(f"fk_{table}_{name}"), ondelete="CASCADE")


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.add_column("conversation", sa.Column("review", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE handoff SET outcome = 'emergency_called' WHERE outcome = 'emergency_services'")
    _offers()
    op.create_table(
        "companion",
        _id("handoff_id", nullable=False),
        sa.Column("counsellor", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("by", sa.String(length=32), nullable=False),
        _time("at"),
        _key("companion", "handoff"),
        sa.PrimaryKeyConstraint("handoff_id", "counsellor", name=op.f("pk_companion")),
    )
    op.create_table(
        "note",
        _id("id", autoincrement=True, nullable=False),
        _id("person_id", nullable=False),
        _id("handoff_id", nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("author", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _time("at"),
        _key("note", "person"),
        _key("note", "handoff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note")),
    )
    op.create_index(op.f("ix_note_person_id"), "note", ["person_id"])
    op.create_index(op.f("ix_note_handoff_id"), "note", ["handoff_id"])
    op.create_table(
        "plan",
        _id("id", autoincrement=True, nullable=False),
        _id("person_id", nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _time("at"),
        _time("shown_at", nullable=True),
        _key("plan", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    op.create_index("uq_plan_version", "plan", ["person_id", "version"], unique=True)
    op.create_table(
        "disposition",
        _id("handoff_id", nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _key("disposition", "handoff"),
        sa.PrimaryKeyConstraint("handoff_id", name=op.f("pk_disposition")),
    )
    _drafts()
    op.create_table(
        "consent",
        _id("person_id", nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        _time("at"),
        _key("consent", "person"),
        sa.PrimaryKeyConstraint("person_id", "purpose", name=op.f("pk_consent")),
    )


def _offers() -> None:
    op.create_table(
        "offer",
        _id("id", autoincrement=True, nullable=False),
        _id("handoff_id", nullable=False),
        sa.Column("by", sa.String(length=32), nullable=False),
        sa.Column("to", sa.String(length=80), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        _time("at"),
        _time("until"),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("answered_by", sa.String(length=32), nullable=True),
        _key("offer", "handoff"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
    )
    op.create_index(op.f("ix_offer_handoff_id"), "offer", ["handoff_id"])
    opened = sa.text("state = 'open'")
    op.create_index("uq_offer_open", "offer", ["handoff_id"], unique=True, sqlite_where=opened, postgresql_where=opened)
    op.create_index("ix_offer_until", "offer", ["until"], sqlite_where=opened, postgresql_where=opened)


def _drafts() -> None:
    op.create_table(
        "draft",
        _id("id", autoincrement=True, nullable=False),
        _id("conversation_id", nullable=False),
        _id("message_id", nullable=False),
        _id("handoff_id", nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("generator", sa.String(length=60), nullable=False),
        sa.Column("version", sa.String(length=60), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        _time("created_at"),
        _time("due_at", nullable=True),
        _time("decided_at", nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.Column("distance", sa.Integer(), nullable=True),
        _key("draft", "conversation"),
        _key("draft", "message"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_conversation_id"), "draft", ["conversation_id"])
    op.create_index(op.f("ix_draft_message_id"), "draft", ["message_id"])
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_draft_due", "draft", ["due_at"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    for table in ("consent", "draft", "disposition", "plan", "note", "companion", "offer"):
        op.drop_table(table)
    op.execute("UPDATE handoff SET outcome = 'emergency_services' WHERE outcome LIKE 'emergency_%'")
    op.execute("UPDATE handoff SET outcome = 'other' WHERE outcome = 'missed'")
    op.drop_column("conversation", "review")
