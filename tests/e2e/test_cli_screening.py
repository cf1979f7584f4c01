"""`psyllm evaluate`, `train` and `screen --explain`: figures, differences, reasons, models, and no private text."""

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from engine.screening.rules import RULES
from tests.e2e.test_cli import lines, psyllm
from tests.emulators.tiny_model import save_classifier

TEXTS = [
    {"id": "a", "text": "我不想活了", "lang": "zh", "levels": ["urgent", "emergency"], "category": "suicide"},
    {"id": "b", "text": "今天的火锅很好吃", "lang": "zh", "levels": ["none"]},
    {"id": "wrong", "text": "I want to die", "lang": "en", "levels": ["none"], "tags": ["near_miss"]},
    {"text": "没有明天的感觉 \ud800 [red]", "lang": "zh", "levels": ["none"], "tags": ["t\ud800"]},
]


@pytest.fixture
def texts(tmp_path: Path) -> str:
    path = tmp_path / "ward.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in TEXTS), encoding="utf-8")
    return str(path)


def test_figures_are_printed_by_group(tmp_path: Path, texts: str) -> None:
    done = psyllm(tmp_path, "evaluate", "screening", texts, "--by", "file,tag")
    assert done.returncode == 0, done.stderr
    assert "file:ward" in done.stdout
    assert "tag:near_miss" in done.stdout
    assert "lang:" not in done.stdout


def test_figures_for_programs(tmp_path: Path, texts: str) -> None:
    done = psyllm(tmp_path, "evaluate", "screening", texts, "--json", "--wrong", "all")
    report = json.loads(done.stdout)
    assert report["groups"]["all"]["texts"] == 4
    assert report["groups"]["lang:zh"]["recall"] == 1.0
    assert report["groups"]["tag:near_miss"]["near_miss_alarms"] == 1.0
    wrong = {row["id"]: row for row in report["wrong"]}["wrong"]
    assert (wrong["file"], wrong["line"], wrong["levels"]) == ("ward", 3, ["none"])


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_texts_are_shown_only_when_asked_for(tmp_path: Path, texts: str, form: list[str]) -> None:
    arguments = ["evaluate", "screening", texts, "--wrong", "all", *form]
    quiet, told = psyllm(tmp_path, *arguments), psyllm(tmp_path, *arguments, "--show-text")
    assert "wrong" in quiet.stdout
    assert "want to die" not in quiet.stdout
    assert "want to die" in told.stdout
    assert not quiet.stderr + told.stderr


def test_a_change_names_its_line_and_its_rules(tmp_path: Path, texts: str) -> None:
    rules = tmp_path / "rules"
    shutil.copytree(RULES, rules)
    (rules / "own.toml").write_text(
        '[[rule]]\nid = "own.food"\nlevel = "urgent"\ncertain = true\npatterns = ["火锅"]\nhits = []\nmisses = []\n',
        encoding="utf-8",
    )
    done = psyllm(tmp_path, "evaluate", "screening", texts, "--against", str(rules))
    assert "1 texts changed their level: 1 mended, 0 broken, 0 moved" in done.stdout
    assert "mended  ward:2 b  none: urgent → none  own.food → nothing" in done.stdout
    assert re.search(r"all +false alarms +\S+ +\S+", done.stdout)
    reverse = psyllm(tmp_path, "evaluate", "screening", texts, "--with", str(rules), "--against", str(RULES))
    assert "broken  ward:2 b  none: none → urgent  nothing → own.food" in reverse.stdout


@pytest.mark.parametrize("name", ["figures.svg", "figures.html"])
def test_the_picture_needs_nothing_else(tmp_path: Path, texts: str, name: str) -> None:
    path = tmp_path / name
    assert psyllm(tmp_path, "evaluate", "screening", texts, "--picture", str(path)).returncode == 0
    drawn = path.read_text(encoding="utf-8")
    svg = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + len("</svg>")])
    assert len(svg.findall(".//{*}circle")) >= 1
    assert [text.text for text in svg.findall(".//{*}text")].count("emerg.") == 2
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_a_floor_is_kept_and_defended(tmp_path: Path, texts: str) -> None:
    floor = tmp_path / "floor.json"
    assert psyllm(tmp_path, "evaluate", "screening", texts, "--write-floor", str(floor)).returncode == 0
    assert psyllm(tmp_path, "evaluate", "screening", texts, "--floor", str(floor)).returncode == 0
    kept = json.loads(floor.read_text())
    floor.write_text(json.dumps(kept | {"lang:en": {"alarms": 0.5}}))
    done = psyllm(tmp_path, "evaluate", "screening", texts, "--floor", str(floor))
    assert done.returncode == 1
    assert "lang:en: alarms is 1.0, and was 0.5" in done.stdout


@pytest.fixture
def many(tmp_path: Path) -> str:
    """Enough texts for one block to learn from beside the one held back."""
    kinds = {
        "the river is calling": "urgent",
        "药数好了": "emergency",
        "so tired of it": "elevated",
        "我把书还了": "none",
    }
    rows = [{"text": f"{text} {n}", "level": level, "lang": "en"} for n in range(30) for text, level in kinds.items()]
    path = tmp_path / "many.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_the_screener_is_trained_and_the_model_can_be_judged(tmp_path: Path, many: str) -> None:
    arguments = ["train", "screener", many, "--no-own-texts", "--epochs", "1", "--out"]
    trained = [psyllm(tmp_path, *arguments, name) for name in ("a.model", "b.model")]
    assert "held back" in trained[0].stderr
    assert (tmp_path / "a.model").read_bytes() == (tmp_path / "b.model").read_bytes()
    done = psyllm(tmp_path, "evaluate", "screening", many, "--with", "a.model", "--json")
    assert json.loads(done.stdout)["groups"]["all"]["texts"] == 120


def test_a_transformer_is_trained_on_the_same_texts(tmp_path: Path, many: str) -> None:
    save_classifier(tmp_path / "base", ["the river is calling 药数好了 so tired of it 我把书还了 0123456789"])
    arguments = ["train", "screener", many, "--no-own-texts", "--epochs", "1", "--base", "base", "--out", "second"]
    done = psyllm(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "epoch 1 of 1 is done" in done.stderr
    assert re.search(r"all +60 +30 +30", done.stdout)
    assert (tmp_path / "second" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--no-own-texts", "--out", "x"], "there are no texts"),
        (["ward.jsonl", "--no-own-texts", "--out", "x"], "give more texts"),
        (["nowhere.jsonl", "--out", "x"], "nowhere.jsonl: cannot be read"),
        (["--out", "no/x.model"], "no/x.model: there is no folder no"),
        (["--out", "."], ".: is a folder; name the file"),
        (["--base", "b", "--out", "ward.jsonl"], "ward.jsonl: is a file; name a folder"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_sentence(
    tmp_path: Path, texts: str, arguments: list[str], advice: str
) -> None:
    done = psyllm(tmp_path, "train", "screener", *arguments)
    assert done.returncode == 2
    assert advice in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["empty.jsonl"], "empty.jsonl: holds no labelled texts"),
        (["ward.jsonl", "--wrong", "file:x"], "--wrong file:x: there is no such group; there are all, file:ward"),
        (["ward.jsonl", "--by", "age"], "--by age: there is no such kind of group"),
        (["ward.jsonl", "--against", "nowhere"], "nowhere: there is no such model file or folder of rules"),
        (["ward.jsonl", "--against", "."], "is no folder of rules: words.toml cannot be read"),
        (["ward.jsonl", "--with", "ward.jsonl"], "ward.jsonl: cannot be used as a screener"),
        (["ward.jsonl", "--picture", "x.png"], "x.png: the picture is written as .svg or .html"),
        (["ward.jsonl", "--floor", "none.json"], "none.json: cannot be read"),
    ],
)
def test_a_wrong_argument_is_one_clear_sentence(tmp_path: Path, texts: str, arguments: list[str], advice: str) -> None:
    (tmp_path / "empty.jsonl").touch()
    done = psyllm(tmp_path, "evaluate", "screening", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("psyllm: ")
    assert advice in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_explanation_shows_each_step(tmp_path: Path) -> None:
    rows = [
        {"id": "n", "text": "我没有想死，就是太累了"},
        {"text": "yes", "context": ["I can't go on", {"assistant": "Do you have a plan?"}]},
        {"text": "\ud800\x1b[2J[red]"},
    ]
    done = psyllm(tmp_path, "screen", "--explain", stdin="\n".join(json.dumps(row) for row in rows))
    assert done.returncode == 0, done.stderr
    assert "negated by the words before it" in done.stdout
    assert "context:answer.plan" in done.stdout
    assert "text 3" in done.stdout
    assert "\x1b" not in done.stdout


def test_an_explanation_for_programs_holds_the_assessment_too(tmp_path: Path) -> None:
    row = {"id": "n", "text": "我没有想死，就是太累了"}
    (found,) = lines(psyllm(tmp_path, "screen", "--explain", "--json", stdin=json.dumps(row)).stdout)
    explanation = found["explanation"]
    assert isinstance(explanation, dict)
    assert {"id", "level", "score", "evidence", "version", "micros"} <= found.keys()
    assert explanation["matches"][0]["why"] == ["negated by the words before it"]
    assert explanation["model"]["windows"]
    assert explanation["model"]["telling"] in row["text"]


@pytest.mark.parametrize("context", ["text", [{"role": "cook", "text": "secret"}], [{"role": "user"}], [3]])
def test_a_bad_context_is_named(tmp_path: Path, context: object) -> None:
    done = psyllm(tmp_path, "screen", stdin=json.dumps({"text": "fine", "context": context}))
    assert done.returncode == 2
    assert "line 1" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
