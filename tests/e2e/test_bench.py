"""The measurements run; what they find is for people to read, not for tests."""

from tests.bench import pipeline


async def test_the_pipeline_can_be_measured() -> None:
    found = await pipeline.measure(pipeline.Scale(chats=5, burst=20, rounds=1, steady=5, running=3, urgent=2))
    assert found["reorders"] == 0
    assert set(found) >= {"burst_ratio", "steady_p99_ms", "urgent_p99_ms"}
    pipeline.show(found)
