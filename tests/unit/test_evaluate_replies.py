"""Figures of answers: computed by hand here, in Chinese and English, with nothing to go by, and on a real model."""

import math
from pathlib import Path

import pytest
import torch

from config import ConfigError, Language, Script
from config.settings import TransformersSettings
from engine.evaluation.cases import read_cases
from engine.evaluation.estimates import estimate, mean
from engine.evaluation.perplexity import perplexities
from engine.evaluation.replies import Figures, Judged, figures
from engine.evaluation.tokens import characters, words
from engine.generators.local import LocalGenerator
from engine.guard import Guard
from engine.types import Request, Role, Turn
from tests.emulators import tiny_model

GUARD = Guard()
CHINESE = "我最近总是睡不着，心里很焦虑"  # 13 characters
ANSWER = "听起来你最近睡不好，心里很着急"  # 14, of which 最近睡不心里很 stand in both, in order: 7


def request(text: str = "我睡不着", history: tuple[Turn, ...] = ()) -> Request:
    if text.isascii():
        return Request(text, Language.EN, Script.LATIN, history)
    return Request(text, Language.ZH, Script.HANS, history)


def judged(reply: str, *references: str, text: str = "我睡不着", **more: object) -> Judged:
    return Judged(request(text), reply, references, **more)  # type: ignore[arg-type]


def only(*answers: Judged) -> Figures:
    [found] = figures(answers, GUARD)
    return found


def value(found: Figures, name: str) -> float:
    figure = found.estimates[name]
    assert figure is not None
    return figure.value


def test_chinese_is_compared_by_characters_and_by_words() -> None:
    found = only(judged(ANSWER, CHINESE))
    assert value(found, "rouge_l_characters") == pytest.approx(100 * 2 * 7 / (13 + 14))
    assert words(CHINESE, Language.ZH) == ["我", "最近", "总是", "睡不着", "心里", "很", "焦虑"]
    common = len({"最近", "心里"})  # 很 is cut as 很着急 in the answer
    assert value(found, "rouge_l_words") == pytest.approx(100 * 2 * common / (7 + len(words(ANSWER, Language.ZH))))
    assert value(only(judged(CHINESE, CHINESE)), "rouge_l_characters") == 100


def test_bleu_of_chinese_is_that_of_its_characters() -> None:
    """9 of 15 characters, 5 of 14 pairs, 2 of 13 triples and 1 of 12 runs of four stand in the reference."""
    found = only(judged(ANSWER, CHINESE))
    assert value(found, "bleu") == pytest.approx(100 * (9 / 15 * 5 / 14 * 2 / 13 * 1 / 12) ** 0.25)
    assert "tok:zh" in found.bleu_signature


def test_english_is_compared_by_words_and_with_the_best_reference() -> None:
    found = only(judged("That sounds hard.", "It may pass.", "that sounds very hard", text="I cannot sleep"))
    assert value(found, "rouge_l_words") == pytest.approx(100 * 2 * 3 / (3 + 4))
    assert found.estimates["rouge_l_characters"] is None
    assert "nrefs:2" in found.bleu_signature


def test_distinct_counts_different_runs_over_all_answers() -> None:
    found = only(judged("慢慢来", "慢"), judged("慢慢说", "慢"))
    assert value(found, "distinct_1") == pytest.approx(100 * 3 / 6)  # 慢 来 说
    assert value(found, "distinct_2") == pytest.approx(100 * 3 / 4)  # 慢慢 慢来 慢说


def test_an_empty_answer_and_one_of_a_character_have_figures() -> None:
    empty = only(judged("", CHINESE))
    assert (empty.empty, value(empty, "rouge_l_characters"), value(empty, "bleu")) == (1, 0, 0)
    assert empty.estimates["distinct_1"] is None
    assert value(empty, "language_match") == 0
    one = only(judged("嗯", CHINESE))
    assert (value(one, "length"), value(one, "distinct_1"), one.estimates["distinct_2"]) == (1, 100, None)


def test_without_a_reference_nothing_is_compared() -> None:
    found = only(judged(ANSWER), judged(CHINESE))
    assert found.with_reference == 0
    assert found.estimates["rouge_l_characters"] is found.estimates["bleu"] is None
    assert found.bleu_signature == ""
    assert value(found, "length") == pytest.approx(13.5)


def test_answers_without_a_reference_do_not_lower_the_overlap() -> None:
    assert value(only(judged(CHINESE, CHINESE), judged("好")), "rouge_l_characters") == 100


def test_repetition_counts_what_stood_before_in_the_answer_or_the_talk() -> None:
    found = only(judged("一二三四五一二三四"))
    assert value(found, "repetition") == pytest.approx(100 / 6)  # of six runs of four, the last stood before
    again = Judged(request(history=(Turn(Role.ASSISTANT, "一二三四五"),)), "一二三四五")
    assert value(only(again), "repetition") == 100
    heard = Judged(request(history=(Turn(Role.USER, "一二三四五"),)), "一二三四五")
    assert value(only(heard), "repetition") == 0


def test_the_same_answer_to_another_text_is_counted() -> None:
    assert value(only(judged("我在听。"), judged("我在听。"), judged("慢慢说。")), "same_answer") == pytest.approx(
        100 / 3
    )


def test_an_answer_in_another_language_or_script_does_not_match() -> None:
    answers = [judged("我在听你说。"), judged("我在聽你說，慢慢來。"), judged("I am listening to you.")]
    assert value(only(*answers), "language_match") == pytest.approx(100 / 3)


def test_guard_hits_name_their_rules_and_count_blocked_drafts() -> None:
    found = only(judged("请打 13800138000 找王医生。"), judged("我在听。", blocked=("dose",)), judged("慢慢说。"))
    assert found.guard_rules == {"contact": 1, "dose": 1}
    assert value(found, "guard_hits") == pytest.approx(200 / 3)


def test_each_system_and_language_has_figures_of_its_own() -> None:
    found = figures(
        [judged("好", system="a"), judged("嗯", system="b"), judged("ok", text="hello there", system="a")], GUARD
    )
    assert [(one.system, one.language) for one in found] == [
        ("a", Language.ZH),
        ("b", Language.ZH),
        ("a", Language.EN),
    ]


def test_an_interval_holds_the_value_and_narrows_with_more_answers() -> None:
    few, many = mean([0, 1] * 5), mean([0, 1] * 500)
    assert few
    assert many
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert few.low < many.low < 0.5 < many.high < few.high
    # the mean of 1,000 coins: 0.5, with 1.96 standard errors of 0.0158 to either side
    assert many.low == pytest.approx(0.469, abs=0.004)
    assert many.high == pytest.approx(0.531, abs=0.004)
    assert mean([0, 1] * 5) == few
    assert mean([]) is None
    lone = mean([3])
    assert lone is not None
    assert (lone.value, lone.low, lone.high) == (3, None, None)
    assert estimate([], float) is None


def test_characters_are_chinese_ones_and_whole_words_of_other_letters() -> None:
    assert characters("他说OK，3天！") == ["他", "说", "ok", "3", "天"]
    assert words("Don’t worry, it's 9 am", Language.EN) == ["don't", "worry", "it's", "9", "am"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: is not JSON"),
        ("[1]", "line 2: the line: "),
        ('{"reply": "x"}', "line 2: text: Field required"),
        ('{"text": 3}', "line 2: text: "),
        ('{"text": "secret words", "lang": "fr"}', "line 2: lang: Input should be 'zh' or 'en'"),
        ('{"text": "secret words", "history": [{"who": "me"}]}', "line 2: history: an earlier text must be"),
        ('{"text": "secret words", "references": "one"}', "line 2: references: "),
    ],
)
def test_a_wrong_line_is_named_by_its_number_and_not_shown(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_cases("held_out.jsonl", ['{"text": "好"}', line])
    assert f"held_out.jsonl: {said}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_without_lines_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match="holds no lines"):
        read_cases("held_out.jsonl", ["\n"])


def test_both_ways_to_name_references_count_and_blank_ones_do_not() -> None:
    [case] = read_cases("x", ['{"text": "a", "reference": "one", "references": ["two", " "], "more": 1}'])
    assert case.answers == ("two", "one")


@pytest.mark.parametrize("chat", [True, False])
async def test_a_model_that_knows_nothing_has_its_vocabulary_as_perplexity(tmp_path: Path, chat: bool) -> None:
    model = tiny_model.build("llama")
    with torch.no_grad():
        model.lm_head.weight[:] = model.lm_head.weight[0].clone()  # so every token is as likely as any other
    model.save_pretrained(tmp_path)
    tiny_model.save_tokenizer(tmp_path, chat=chat)
    settings = TransformersSettings(model=str(tmp_path), dtype="float32", prompt="chat" if chat else "completion")
    generator = LocalGenerator(settings)
    await generator.start()
    try:
        pairs = [(request(), "难过的时候"), (request(), ""), (request("I cannot sleep"), "Answer:" * 900)]
        chinese, english = perplexities(generator, pairs)
    finally:
        await generator.close()
    size = model.config.vocab_size
    assert chinese.perplexity is not None
    assert chinese.bits_per_character is not None
    assert chinese.perplexity.value == pytest.approx(size)
    assert chinese.bits_per_character.value == pytest.approx(math.log2(size) * chinese.tokens / 5)
    assert (chinese.texts, chinese.left_out, chinese.language) == (1, 1, Language.ZH)
    assert (english.texts, english.left_out, english.perplexity) == (0, 1, None)


async def test_perplexity_is_that_of_the_answer_behind_its_prompt(tmp_path: Path) -> None:
    generator = LocalGenerator(TransformersSettings(model=str(tiny_model.save("qwen3", tmp_path)), dtype="float32"))
    await generator.start()
    try:
        [found] = perplexities(generator, [(request(), "躺下以后")])
        loaded, prompt = generator.loaded, generator.prompt_tokens(request())
        nats = 0.0
        for token in loaded.tokenizer.encode("躺下以后", add_special_tokens=False):
            with torch.inference_mode():
                logits = loaded.model(torch.tensor([prompt])).logits[0, -1]
            nats -= float(torch.log_softmax(logits.float(), 0)[token])
            prompt = [*prompt, token]
    finally:
        await generator.close()
    assert found.perplexity is not None
    assert found.perplexity.value == pytest.approx(math.exp(nats / found.tokens), rel=1e-4)
