"""`psyllm feedback` as an operator and a program meet it."""

import json
from pathlib import Path

from bot.store import Store, conversations, feedback, messages
from bot.store.feedback import Origin
from bot.store.migrate import upgrade
from config import Language, Settings
from engine import Level
from tests.e2e.test_cli import psyllm
from tests.support import address

SECRET = "xylophonesecret"


async def fill(folder: Path) -> None:
    """Answers by two generators: eight of ten helped, and one of two, which was too general."""
    async with Store(Settings(data_dir=folder / "data").database) as store:
        await upgrade(store)
        async with store.transaction() as tx:
            person = (await conversations.find_or_create(tx, [address()]))[address()]
            for generator, level, votes in (("library", Level.NONE, "++++++++--"), ("model", Level.ELEVATED, "+-")):
                for vote in votes:
                    answer = messages.New(person.id, messages.BOT, SECRET, tx.now, generator=generator, version="1")
                    (number,) = await messages.add(tx, [answer])
                    origin = Origin(generator, "1", Language.EN, level)
                    await feedback.put(tx, number, vote == "+", origin)
                    if generator == "model":
                        await feedback.explain(tx, number, "general")


async def test_counts_come_by_generator_and_version_with_an_interval(tmp_path: Path) -> None:
    await fill(tmp_path)
    done = psyllm(tmp_path, "feedback", "--json")
    library, model = json.loads(done.stdout)
    assert (library["generator"], library["version"]) == ("library", "1")
    assert [library[key] for key in ("helpful", "unhelpful", "share", "low", "high")] == [8, 2, 0.8, 0.4902, 0.9433]
    assert model["missing"] == {"missed": 0, "general": 1, "practical": 0}
    by_level = json.loads(psyllm(tmp_path, "feedback", "--json", "--by", "level").stdout)
    assert [(row["level"], row["helpful"]) for row in by_level] == [("elevated", 1), ("none", 8)]
    assert json.loads(psyllm(tmp_path, "feedback", "--json", "--since", "2100-01-01").stdout) == []
    table = psyllm(tmp_path, "feedback").stdout
    assert "49 to 94" in table
    assert SECRET not in done.stdout + table


def test_what_cannot_be_counted_is_said_in_one_sentence(tmp_path: Path) -> None:
    assert "Nobody has said" in psyllm(tmp_path, "feedback").stdout
    for wrong in (("--by", "text"), ("--since", "yesterday")):
        done = psyllm(tmp_path, "feedback", *wrong)
        assert done.returncode == 2
        assert wrong[1] in done.stderr
        assert "Traceback" not in done.stderr
