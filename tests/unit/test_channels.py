"""How counsellors are reached, as the roster says it: typed, in order, and refused with the key and the file."""

import tomllib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import ConfigError, Counsellor, load_roster
from config.channels import Channel

SECRET = "whsec_" + "A" * 43 + "="


def counsellor(**values: Any) -> Counsellor:
    return Counsellor.model_validate({"id": "lin", "name": "Lin", **values})


def read(tmp_path: Path, line: str) -> Counsellor:
    path = tmp_path / "roster.toml"
    path.write_text(f'[[counsellors]]\nid = "lin"\nname = "Lin"\n{line}\n[[ladder]]\nwho = ["lin"]\n')
    return load_roster(path).counsellors[0]


def test_secrets_come_from_a_file_or_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hook").write_text(SECRET + "\n")
    monkeypatch.setenv("LIN_ROBOT", "robot-key")
    line = f'webhook = {{ url = "https://example.org/in", secret_file = "{tmp_path / "hook"}" }}\n'
    found = read(tmp_path, line + 'wecom = { robot_key_env = "LIN_ROBOT" }')
    assert found.webhook
    assert found.webhook.secret.get_secret_value() == SECRET
    assert found.wecom
    assert found.wecom.robot_key
    assert found.wecom.robot_key.get_secret_value() == "robot-key"
    assert SECRET not in repr(found)
    assert SECRET not in found.model_dump_json()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('email = "not an address"', "email"),
        ('webhook = { url = "http://example.org", secret_env = "HOOK" }', "https://"),
        ('webhook = { url = "ftp://example.org", secret_env = "HOOK" }', "web address"),
        ('webhook = { url = "https://user:pass@example.org", secret_env = "HOOK" }', "password"),
        ('webhook = { url = "https://example.org" }', "secret_file and secret_env"),
        ('webhook = { url = "https://example.org", secret = "whsec_x" }', "does not belong in the file"),
        ('webhook = { url = "https://example.org", secret_env = "NOT_SET" }', "NOT_SET is not set"),
        ('webhook = { url = "https://example.org", secret_env = "SHORT" }', "24 to 64 bytes"),
        ('webhook = { url = "https://example.org", secret_file = "/nowhere/hook" }', "cannot read /nowhere/hook"),
        ("wecom = { }", "either user = ID"),
        ('wecom = { user = "a", robot_key_env = "HOOK" }', "either user = ID"),
        ('channels = ["email"]', "write email = ..."),
        ('channels = ["console", "console"]', "names one twice"),
        ('channels = ["fax"]', "channels"),
    ],
)
def test_a_wrong_channel_is_refused_with_the_key_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    monkeypatch.setenv("SHORT", "whsec_c2hvcnQ=")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, line)
    assert str(caught.value).startswith(f"{tmp_path / 'roster.toml'}: counsellors.0")
    assert says in str(caught.value)


def test_channels_are_tried_as_the_step_says_then_the_counsellor_and_none_is_left_out() -> None:
    found = counsellor(telegram=1, email="lin@example.org", channels=["email"])
    assert found.order() == (Channel.EMAIL, Channel.TELEGRAM, Channel.CONSOLE)
    assert found.order((Channel.WECOM, Channel.CONSOLE)) == (Channel.CONSOLE, Channel.TELEGRAM, Channel.EMAIL)
    assert counsellor().order() == (Channel.CONSOLE,)


@given(st.times(), st.times(), st.times(), st.sampled_from(["Asia/Shanghai", "America/New_York", "Asia/Kathmandu"]))
def test_quiet_hours_are_those_of_the_counsellor_s_wall_clock(start: time, end: time, now: time, zone: str) -> None:
    found = counsellor(quiet_hours=[start, end], zone=zone)
    at = datetime.combine(datetime(2026, 1, 5, tzinfo=UTC), now, ZoneInfo(zone)).astimezone(UTC)
    assert found.is_quiet(at, "UTC") is inside(start, end, now)


def inside(start: time, end: time, now: time) -> bool:
    """The hours walked through from their start."""
    day = timedelta(days=1)

    def since_start(moment: time) -> timedelta:
        midnight = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
        began = timedelta(hours=start.hour, minutes=start.minute, seconds=start.second)
        exact = timedelta(microseconds=moment.microsecond - start.microsecond)
        return (midnight - began + exact) % day

    length = since_start(end) or day
    return since_start(now) < length


def test_the_example_roster_names_every_channel() -> None:
    example = Path(__file__).parents[2] / "roster.example.toml"
    text = example.read_text(encoding="utf-8")
    assert all(f"{channel} = " in text for channel in Channel if channel is not Channel.CONSOLE)
    tomllib.loads(text)
