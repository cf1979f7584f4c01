"""The cases of `tests/screening/suite`: one JSON object a line, one file a group.

`suite/README.md` describes the fields.
"""

from pathlib import Path

from engine.screening.corpora import Row, read_rows

SUITE = Path(__file__).parent / "suite"
FLOOR = SUITE / "floor.json"


def load_cases() -> list[Row]:
    """Read every file of the suite."""
    return read_rows(sorted(SUITE.glob("*.jsonl")))
