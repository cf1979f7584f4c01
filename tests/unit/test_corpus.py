"""A corpus comes out clean: what is planted is found, what is clean stays, and a killed run goes on."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from config import ConfigError, Language
from engine.corpus import Choices, Document, Part, prepare
from engine.corpus.documents import Unreadable, read_documents
from engine.corpus.duplicates import HeldOut
from engine.corpus.methods import describes_method
from engine.corpus.personal import redact
from engine.corpus.quality import fault
from engine.corpus.report import report
from engine.guard.patterns import read_rules
from engine.screening.corpora import CORPUS
from engine.screening.corpora import read_rows as read_screening_rows

BOTH = frozenset(Language)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, values: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def clean() -> list[str]:
    """Texts of our own in both languages, long enough to be documents, none like another."""
    texts = [
        row.text
        for name in ("long-posts", "en-posts", "zh-posts")
        for row in read_screening_rows([CORPUS / f"{name}.jsonl"])
    ]
    return [text for text in dict.fromkeys(texts) if len(text) > 60 and not describes_method(text)][:300]


PERSONAL = {
    "phone": (
        "我的电话13812345678，打给我",
        "打 +86 139 1234 5678 找我",
        "call me on (212) 555-0187... no, +44 20 7946 0958",
    ),
    "identity": ("身份证11010519491231002X丢了",),
    "card": ("卡号6222 0212 3456 7890 128",),
    "mail": ("写信到 lan.yue_88@example.com 吧", "mail sam@example.org please"),
    "wechat": ("加微信：lanlan_2020聊", "my WeChat is tom-lee99 ok"),
    "qq": ("我QQ号是812345678", "扣扣：4567890"),
    "address": ("住在杭州市西湖区文三路259号3栋502室", "I live at 42 Maple Hill Road, Springfield"),
    "name": ("我叫张晓梅，今年三十", "王建国老师很好", "my name is Oliver Grant and", "Dr. Amelia Stone said"),
    "link": ("看 https://example.com/a?b=1 就懂", "see www.example.org/x now"),
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in PERSONAL.items() for text in texts])
def test_personal_data_is_masked(kind: str, text: str) -> None:
    language = Language.ZH if any("一" <= char <= "鿿" for char in text) else Language.EN
    masked, counted = redact(text, language)
    assert counted[kind] >= 1, masked


@pytest.mark.parametrize(
    "text",
    [
        "我今年18岁，考了623分，排名第1024",
        "可以打12356，或者拨打 116 123",
        "I slept 3.5 hours on 12/11/2024 and took the 7:45 train",
        "他叫我别说话，我叫他走",
        "Doctor Who is my favourite, and the Street is quiet",
        "2023年10月12日到2024年1月3日，一共84天",
        "call 988 or text 741741",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    language = Language.ZH if any("一" <= char <= "鿿" for char in text) else Language.EN
    assert redact(text, language) == (text, Counter())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("太短", "short"),
        ("好" * 20_001, "long"),
        ("锟斤拷烫烫烫" * 8, "garbled"),
        ("Ich weiß nicht, warum ich mich so schlecht fühle, aber es wird nicht besser.", "language"),
        ("12:30 13:45 1,200.00 == 77% ---- 2024-01-01 88/99 -- 12:30 13:45", "letters"),
        ("我很难过，真的很难过。" * 30, "repetitive"),
        ("加微信领取优惠，限时包邮，扫码就送，代购也可以，快来扫码加微信。", "advertising"),
    ],
)
def test_a_fault_is_named(text: str, reason: str) -> None:
    assert fault(text, BOTH) == reason


def test_a_language_that_is_not_wanted_is_left_out() -> None:
    text = "最近总是睡不好，心里很乱，不知道应该和谁说这些事情。"
    assert fault(text, BOTH) is None
    assert fault(text, frozenset({Language.EN})) == "language"


LAYOUTS: list[tuple[str, Any, tuple[tuple[str, ...], ...]]] = [
    ("a.jsonl", {"text": "just a text"}, (("just a text",),)),
    (
        "b.jsonl",
        {
            "turns": [
                {"role": "client", "text": "hi"},
                {"role": "client", "text": "there"},
                {"role": "counsellor", "text": "hello"},
            ]
        },
        (("hi\nthere", "hello"),),
    ),
    (
        "c.jsonl",
        {
            "messages": [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
            ]
        },
        (("a", "b"),),
    ),
    (
        "d.json",
        [{"question": "q", "description": "more", "answers": [{"answer_text": "one"}, {"answer_text": "two"}]}],
        (("q\nmore", "one"), ("q\nmore", "two")),
    ),
    ("e.jsonl", {"question": "q", "answer": "a"}, (("q", "a"),)),
]


@pytest.mark.parametrize(("name", "value", "parts"), LAYOUTS)
def test_layouts_are_read(tmp_path: Path, name: str, value: Any, parts: tuple[tuple[str, ...], ...]) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(value), encoding="utf-8")
    read = list(read_documents(path))
    assert [tuple(part.text for part in document.parts) for document in read if isinstance(document, Document)] == list(
        parts
    )


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"text": 5}', '{"turns": [{"role": "narrator", "text": "x"}]}', "[" * 5000]
)
def test_what_cannot_be_read_is_named_by_its_line_and_nothing_else_is_lost(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"text": "before"}}\n{line}\n{{"text": "after"}}\n', encoding="utf-8")
    first, wrong, last = read_documents(path)
    assert isinstance(wrong, Unreadable)
    assert "line 2" in wrong.reason
    assert [d.text for d in (first, last) if isinstance(d, Document)] == ["before", "after"]


def test_a_page_gives_its_text_and_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    said = "Sleep comes back sooner when the bed is only for sleeping, and the phone stays in another room at night."
    page.write_text(f"<html><body><nav>Home</nav><article><p>{said}</p><p>{said[::-1]}</p></article></body></html>")
    (document,) = read_documents(page)
    assert isinstance(document, Document)
    assert said in document.text
    long = tmp_path / "l.txt"
    long.write_text("\n\n".join(f"paragraph {n} " + "word " * 100 for n in range(100)), encoding="utf-8")
    pieces = list(read_documents(long))
    assert len(pieces) > 5
    assert all(isinstance(piece, Document) and len(piece.text) <= 4000 for piece in pieces)


def edited(text: str, chance: random.Random) -> str:
    """A text with a few characters changed, as copies on the web are."""
    characters = list(text)
    for _ in range(max(1, len(text) // 80)):
        characters[chance.randrange(len(characters))] = chance.choice("的了e ，")
    return "".join(characters)


def test_what_is_planted_is_found_and_what_is_clean_stays(tmp_path: Path, clean: list[str]) -> None:
    chance = random.Random(5)
    methods = [
        text
        for language in Language
        for rule in read_rules(language)
        if rule.name in ("method", "dose")
        for text in rule.caught
    ]
    held, learned = clean[:50], clean[50:]
    planted: dict[str, list[str]] = {
        "duplicate": chance.sample(learned, 50),
        "near_duplicate": [edited(text, chance) for text in chance.sample([t for t in learned if len(t) > 100], 50)],
        "held_out": [f"{chance.choice(('转自别处：', 'Found elsewhere: '))}{text}" for text in held],
        "set_aside": [f"{chance.choice(learned)[:60]}。{text}" for text in methods],
    }
    documents = [{"text": text} for text in learned] + [{"text": t} for texts in planted.values() for t in texts]
    held_out = write_lines(tmp_path / "held.jsonl", [{"text": text} for text in held])
    counts = prepare([write_lines(tmp_path / "c.jsonl", documents)], tmp_path / "out", Choices(held_out=(held_out,)))
    for name, texts in planted.items():
        assert counts.results[name] >= 0.98 * len(texts), (name, counts.results)
    assert counts.kept >= 0.99 * len(learned), counts.results
    kept = " ".join(
        row["text"] for split in ("train", "valid", "test") for row in rows(tmp_path / "out" / f"{split}.jsonl")
    )
    assert not [text for text in methods if text in kept]
    told = report(counts, ["c.jsonl"])
    assert f"{counts.results['near_duplicate']:,}" in told


def test_answers_to_one_question_never_stand_in_two_splits(tmp_path: Path, clean: list[str]) -> None:
    chance = random.Random(1)
    documents = [
        {"question": edited(question, chance), "answer": f"{answer} {n}"}
        for n, question in enumerate(clean[:80])
        for answer in chance.sample(clean[150:], 3)
    ]
    prepare([write_lines(tmp_path / "q.jsonl", documents)], tmp_path / "out", Choices(valid=200, test=200))
    where: dict[str, set[str]] = {}
    for split in ("train", "valid", "test"):
        for row in rows(tmp_path / "out" / f"{split}.jsonl"):
            where.setdefault(row["messages"][0]["content"][:40], set()).add(split)
    assert {len(splits) for splits in where.values()} == {1}
    assert set.union(*where.values()) == {"train", "valid", "test"}


class KilledError(Exception):
    """As if the process had died here."""


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_run_goes_on_and_comes_to_the_same(tmp_path: Path, clean: list[str], seed: int) -> None:
    chance = random.Random(seed)
    files = [
        write_lines(tmp_path / "a.jsonl", [{"text": text} for text in [*clean[:210], *clean[:20]]]),
        write_lines(tmp_path / "b.jsonl", [{"text": text} for text in clean[180:]]),
    ]
    prepare(files, tmp_path / "whole")
    for left in (chance.randint(1, 2), 1):

        def dies(*_: object, left: list[int] = [left]) -> None:  # noqa: B006  # counts down over calls
            left[0] -= 1
            if left[0] == 0:
                raise KilledError

        with pytest.raises(KilledError):
            prepare(files, tmp_path / "killed", progress=dies)
        with (tmp_path / "killed" / "train.jsonl").open("ab") as file:
            file.write(b'{"half a li')  # written, not settled
    prepare(files, tmp_path / "killed")
    for name in ("train.jsonl", "valid.jsonl", "test.jsonl", "removed.jsonl", "counts.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_corpus_is_not_mixed_into_a_folder(tmp_path: Path) -> None:
    text = {"text": "最近总是睡不好，心里很乱，不知道应该和谁说这些事情。"}
    prepare([write_lines(tmp_path / "a.jsonl", [text])], tmp_path / "out")
    with pytest.raises(ConfigError, match="another folder"):
        prepare([write_lines(tmp_path / "b.jsonl", [text, text])], tmp_path / "out")
    with pytest.raises(ConfigError, match="no such file"):
        prepare([tmp_path / "missing.txt"], tmp_path / "other")


def test_a_short_quotation_is_no_leak() -> None:
    held = HeldOut(["我最近和室友闹了矛盾，她总是半夜打电话，我说过几次都没有用，现在连话都不想跟她说了，怎么办"])
    assert held.holds(
        "有人问：我最近和室友闹了矛盾，她总是半夜打电话，我说过几次都没有用，现在连话都不想跟她说了，怎么办？"
    )
    assert not held.holds(
        "她总是半夜打电话，这一点我很能理解你的烦恼。可以先约一个双方都不忙的时间，平静地说说自己的感受和需要，再一起定个规矩。"
    )


def test_parts_keep_their_roles(tmp_path: Path) -> None:
    value = {
        "turns": [
            {"role": "client", "text": "我总是睡不好，心里很乱，不知道怎么办才好。"},
            {"role": "counsellor", "text": "听起来这段时间很辛苦，是从什么时候开始的呢？"},
        ]
    }
    prepare([write_lines(tmp_path / "a.jsonl", [value])], tmp_path / "out", Choices(valid=0, test=0))
    (row,) = rows(tmp_path / "out" / "train.jsonl")
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
    assert Document("a", (Part("user", "x"), Part("assistant", "y"))).question == "x"
