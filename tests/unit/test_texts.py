"""What the bot's fixed texts promise: both languages say the same things, short, honest, and without a number."""

import re
from pathlib import Path

import pytest

from config.crisis_lines import load_crisis_lines
from config.errors import ConfigError
from config.language import Language
from config.texts import Texts, load_other_languages, load_texts
from engine.language import other_language
from engine.other_languages import CODES, UNKNOWN
from engine.types import Category, Level
from engine.understanding import THINGS

ROOT = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize("language", list(Language))

# Every place to be filled that some text has. A new one is a promise of the code that fills it.
FIELDS = {
    "about", "before", "category", "count", "evidence", "field", "hours", "kind", "last", "lead", "length", "level",
    "limit", "lines", "minutes", "name", "note", "now", "number", "other", "outcome", "platform", "quiet", "reason",
    "rules", "said", "score", "step", "text", "thing", "time", "title", "total", "until", "url", "version", "waited",
    "what", "when", "zone",
}  # fmt: skip

# WeChat lets 2,047 bytes through in one message, and a safety text must arrive whole.
WECHAT_BYTES = 2047
LINES_BYTES = 500

# Texts in which the other language stands on purpose, and names that are written alike in Chinese.
MIXED = {"button.en", "button.zh", "input.unsupported_language", "ui.language_name"}
NAMES_IN_CHINESE = {"AI", "TA", "Telegram", "WhatsApp"}

PROMISES = {
    Language.ZH: r"保证|(绝对|严格|一定)保密|不会告诉任何人|治好|治愈|痊愈|包好|一定会好|会好起来|马上就来|很快就到",
    Language.EN: r"\b(promise|guarantee|cured?|heal(s|ed)?|confidential|we won't tell|tell no one)\b"
    r"|\b(will|you'll) (be|get) (fine|okay|ok|better)\b|\bin a (minute|moment) (someone|a counsellor)",
}


def keys_of(language: Language) -> list[str]:
    return sorted(load_texts(language).keys())


def every_text(language: Language) -> list[tuple[str, str]]:
    texts = load_texts(language)
    fields = {name: f"{{{name}}}" for name in FIELDS}
    return [(key, texts.get(key, i, **fields)) for key in keys_of(language) for i in range(texts.variants(key))]


def lines_block(language: Language, country: str) -> str:
    """All lines of a country, as they stand in a safety text."""
    texts, table = load_texts(language), load_crisis_lines()
    rows = [*table.of(country, "emergency"), *table.of(country, "crisis")]
    return "\n".join(
        texts.get(f"line.{row.kind}", name=row.name[language], number=row.number, hours=row.hours[language])
        for row in rows
    )


def with_lines(language: Language) -> list[tuple[str, int]]:
    """Key and variant of each text that holds the crisis lines."""
    texts = load_texts(language)
    return [(k, i) for k in keys_of(language) if "lines" in texts.fields(k) for i in range(texts.variants(k))]


def test_both_languages_have_the_same_keys_with_the_same_fields_and_as_many_variants() -> None:
    zh, en = load_texts(Language.ZH), load_texts(Language.EN)
    assert zh.keys() == en.keys()
    for key in keys_of(Language.ZH):
        assert zh.fields(key) == en.fields(key), key
        assert zh.variants(key) == en.variants(key), key


@BOTH
def test_every_variant_of_a_text_has_the_same_fields(language: Language) -> None:
    texts = load_texts(language)
    for key in keys_of(language):
        expected = texts.fields(key)
        for i in range(texts.variants(key)):
            text = texts.get(key, i, **{name: f"{{{name}}}" for name in expected})
            assert {name for name in expected if f"{{{name}}}" in text} == expected, f"{key}, variant {i}"


@BOTH
def test_every_field_is_known(language: Language) -> None:
    texts = load_texts(language)
    assert set().union(*(texts.fields(key) for key in keys_of(language))) == FIELDS


@BOTH
def test_every_level_category_country_and_thing_has_its_text(language: Language) -> None:
    keys = load_texts(language).keys()
    assert {f"level.{level}" for level in Level} <= keys
    assert {f"category.{category}" for category in Category} <= keys
    assert {f"safety.{level}.{category}" for level in ("urgent", "emergency") for category in Category} <= keys
    assert {f"safety.other_person.{level}" for level in ("urgent", "emergency")} <= keys
    assert {f"thing.{thing}" for thing in THINGS} <= keys
    assert {f"country.{country}" for country in load_crisis_lines().countries()} <= keys


def test_dotted_keys_named_in_the_code_exist() -> None:
    keys = load_texts(Language.EN).keys()
    wanted = {
        (key, path.relative_to(ROOT))
        for package in ("bot", "adapters", "engine")
        for path in (ROOT / package).rglob("*.py")
        for key in re.findall(r"""\.get\(\s*"([a-z_]+(?:\.[a-z_]+)+)\"""", path.read_text(encoding="utf-8"))
    }
    assert sorted((key, str(path)) for key, path in wanted if key not in keys) == []


def test_chinese_texts_hold_no_english() -> None:
    for key, text in every_text(Language.ZH):
        if key not in MIXED:
            words = set(re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}|/[a-z]+", " ", text)))
            assert words <= NAMES_IN_CHINESE, key


def test_english_texts_hold_no_chinese() -> None:
    for key, text in every_text(Language.EN):
        assert key in MIXED or not re.search(r"[\u2e80-\u9fff\uff00-\uffef]", text), key


def test_a_person_who_reads_neither_language_well_finds_both() -> None:
    for language in Language:
        text = load_texts(language).get("input.unsupported_language", lines="")
        assert re.search(r"[\u4e00-\u9fff]", text)
        assert re.search(r"[A-Za-z]{4}", text)


# How somebody says in their language that they are an AI.
AI = {"es": "IA", "pt": "IA", "fr": "IA", "it": "IA", "de": "KI", "tr": "yapay zek", "ru": "ИИ", "ar": "ذكاء اصطناعي"}


def test_other_languages_have_both_texts_short_honest_and_without_a_number() -> None:
    texts = load_other_languages()
    codes = {key.partition(".")[0] for key in texts.keys()}  # noqa: SIM118
    assert texts.keys() == {f"{code}.{which}" for code in codes for which in ("calm", "danger")}
    for code in codes:
        assert not texts.fields(f"{code}.calm")
        assert texts.fields(f"{code}.danger") == {"lines"}
        for which in ("calm", "danger"):
            text = texts.get(f"{code}.{which}", lines="LINES")
            assert AI.get(code, "AI") in text, code
            assert not re.search(r"[!！]|\d", text), code
            assert len(text) <= 300, code


def test_every_other_language_that_can_be_told_has_its_texts_and_is_told_from_them() -> None:
    texts = load_other_languages()
    for key in texts.keys():  # noqa: SIM118
        assert other_language(texts.get(key, lines="")) == key.partition(".")[0], key
    assert {f"{code}.calm" for code in CODES - {UNKNOWN}} <= texts.keys()


def test_what_is_said_in_another_language_fits_one_wechat_message_in_every_country() -> None:
    texts = load_other_languages()
    for country in load_crisis_lines().countries():
        block = lines_block(Language.EN, country)
        for key in texts.keys():  # noqa: SIM118
            assert len(texts.get(key, lines=block).encode()) <= WECHAT_BYTES, f"{key} in {country}"


@BOTH
def test_no_text_holds_a_number_that_could_be_dialled(language: Language) -> None:
    for key, text in every_text(language):
        for run in re.findall(r"\d[\d\s()+\-–]*\d", text):
            assert len(re.sub(r"\D", "", run)) < 3, f"{key}: numbers come from the table alone"


@BOTH
def test_no_text_promises_cure_or_secrecy_or_a_time(language: Language) -> None:
    for key, text in every_text(language):
        assert not re.search(PROMISES[language], text, re.IGNORECASE), key


@BOTH
def test_no_text_shouts(language: Language) -> None:
    for key, text in every_text(language):
        assert not re.search("[!！]", text), key


@BOTH
def test_the_lines_of_every_country_fit_their_place(language: Language) -> None:
    for country in load_crisis_lines().countries():
        assert len(lines_block(language, country).encode()) <= LINES_BYTES, country


@BOTH
def test_a_text_with_lines_fits_one_wechat_message_in_every_country(language: Language) -> None:
    limit = 600 if language is Language.ZH else 1400
    for country in load_crisis_lines().countries():
        block = lines_block(language, country)
        for key, i in with_lines(language):
            text = load_texts(language).get(key, i, lines=block, minutes=1440)
            assert len(text) <= limit, f"{key} in {country}"
            assert len(text.encode()) <= WECHAT_BYTES, f"{key} in {country}"


@BOTH
def test_what_is_said_at_once_goes_into_one_wechat_message_together(language: Language) -> None:
    """WeChat lets five messages through, so the safety text and the word about the counsellor share one."""
    texts = load_texts(language)
    for country in load_crisis_lines().countries():
        block = lines_block(language, country)
        shown = [texts.get("crisis.intro"), block, texts.get("crisis.other_country"), texts.get("crisis.outro")]
        assert len("\n\n".join(shown).encode()) <= WECHAT_BYTES, country
        for key, i in with_lines(language):
            if key.startswith("safety."):
                said = [texts.get(key, i, lines=block), texts.get("handoff.queued")]
                assert len("\n\n".join(said).encode()) <= WECHAT_BYTES, f"{key} in {country}"


@BOTH
def test_a_safety_text_is_short_and_ends_with_the_next_step_or_a_question(language: Language) -> None:
    limit = 300 if language is Language.ZH else 900
    for key, i in with_lines(language):
        if key.startswith("safety."):
            text = load_texts(language).get(key, i, lines="")
            assert len(text) <= limit, key
            assert text[-1] in "？?。.", key


@BOTH
def test_an_emergency_text_begins_with_the_call(language: Language) -> None:
    call = {Language.ZH: r"现在就", Language.EN: r"Call "}[language]
    for key, i in with_lines(language):
        if ".emergency" in key and key.startswith("safety."):
            text = load_texts(language).get(key, i, lines="LINES")
            assert re.match(call, text), key
            assert text.splitlines()[1] == "LINES", key


@BOTH
def test_every_safety_text_says_that_it_is_an_ai(language: Language) -> None:
    texts = load_texts(language)
    for key in keys_of(language):
        if key.startswith("safety.") or key in {"welcome", "help", "ai_reminder", "web.intro"}:
            assert "AI" in texts.get(key, lines=""), key


@BOTH
def test_waiting_has_enough_words_not_to_repeat_itself(language: Language) -> None:
    texts = load_texts(language)
    for key, least in (("handoff.staying", 6), ("handoff.staying_emergency", 4), ("handoff.still_waiting", 2)):
        said = {texts.get(key, i, lines="") for i in range(texts.variants(key))}
        assert len(said) >= least, key


@BOTH
def test_command_descriptions_fit_a_menu(language: Language) -> None:
    texts = load_texts(language)
    commands = {"start", "help", "human", "crisis", "breathe", "privacy", "memory", "forget", "language"}
    commands |= {"checkins", "mood", "plan"}
    assert {key.removeprefix("menu.") for key in keys_of(language) if key.startswith("menu.")} == commands
    assert all(len(texts.get(f"menu.{command}")) <= 40 for command in commands)


@BOTH
def test_help_names_every_other_command(language: Language) -> None:
    commands = {key.removeprefix("menu.") for key in keys_of(language) if key.startswith("menu.")}
    assert set(re.findall(r"/([a-z]+)", load_texts(language).get("help"))) == commands - {"start", "help"}


def test_variants_are_counted_round_and_fields_are_filled() -> None:
    texts = Texts({"a.b": ("one {x}", "two {x}"), "c": ("plain",)}, "mine")
    assert [texts.get("a.b", i, x=7) for i in range(3)] == ["one 7", "two 7", "one 7"]
    assert texts.fields("a.b") == {"x"}
    assert texts.get("c", x="unused") == "plain"


def test_what_fills_a_field_is_not_read_as_a_field() -> None:
    assert Texts({"a": ("<{x}>",)}, "mine").get("a", x="{y} {0}") == "<{y} {0}>"


def test_a_missing_key_or_field_is_an_error() -> None:
    texts = Texts({"a": ("{x}",)}, "mine")
    with pytest.raises(KeyError):
        texts.get("b")
    with pytest.raises(KeyError):
        texts.get("a")


def test_an_empty_or_wrong_value_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.texts.files", lambda _: tmp_path)
    (tmp_path / "texts").mkdir()
    for value in ('""', "[]", '["a", " "]', "3", '["a", 3]'):
        (tmp_path / "texts" / "en.toml").write_text(f"[web]\ntitle = {value}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"texts/en\.toml: web\.title"):
            load_texts.__wrapped__(Language.EN)
    (tmp_path / "texts" / "en.toml").write_text("web = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_texts.__wrapped__(Language.EN)
