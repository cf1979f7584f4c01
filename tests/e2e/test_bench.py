"""The measurements run; what they find is for people to read, not for tests."""

import json

import pytest

from tests.bench import pipeline, screening
from tests.bench.screening_process import Scale


async def test_the_pipeline_can_be_measured() -> None:
    found = await pipeline.measure(pipeline.Scale(chats=5, burst=20, rounds=1, steady=5, running=3, urgent=2))
    assert found["reorders"] == 0
    assert set(found) >= {"burst_ratio", "steady_p99_ms", "urgent_p99_ms"}
    pipeline.show(found)


def test_screening_can_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    found = screening.measure(Scale(texts=5, long=1, rounds=1, compared=1, layers=1))
    assert json.dumps(found)
    assert {(band["language"], band["characters"]) for band in found["bands"]} >= {("zh", "1-50"), ("en", "10000")}
    assert all(band["ratio"] > 1 for band in found["bands"])
    screening.show(found)
    for band in found["bands"]:
        band["ratio"] = None
    screening.show(found)
    assert "No transformer beside it" in capsys.readouterr().out
