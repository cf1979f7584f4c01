"""Passages are found by meaning where a model is set, by words until it is there, and by words if it never comes."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from config import Language
from config.settings import EmbeddingSettings
from engine.library import load_library
from engine.library.embeddings import EmbeddingSearch, fused
from engine.library.library import GROUNDING
from tests.emulators.tiny_model import save_classifier

TEXT = "My flatmate plays music all night and I can't sleep."


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingSearch:
    """A search over the real library, with a real small transformer of random weights."""
    folder = save_classifier(tmp_path_factory.mktemp("bert"), ["abcdefghijklmnopqrstuvwxyz睡不着", TEXT])
    made = EmbeddingSearch(load_library(), EmbeddingSettings(model=str(folder), device="cpu"))
    assert made.ready.result(timeout=100)
    return made


def test_a_text_that_stands_in_the_library_is_found_by_its_meaning(search: EmbeddingSearch) -> None:
    found = 0
    passages = [one for one in load_library().passages(Language.EN) if one.strategy in GROUNDING][::40]
    for passage in passages:
        found += passage.id in [one.id for one in search(passage.text, Language.EN, 3)]
    assert found >= 0.9 * len(passages), "the same text has the same vector, whatever the weights"


def test_what_the_words_find_is_not_lost(search: EmbeddingSearch) -> None:
    by_words = load_library().search(TEXT, Language.EN, 1)
    assert by_words[0] in search(TEXT, Language.EN, 5)
    assert len(search(TEXT, Language.EN, 3)) == 3
    assert {one.language for one in search("我睡不着", Language.ZH, 5)} == {Language.ZH}
    assert search("", Language.EN, 0) == ()


def test_a_model_that_does_not_load_leaves_the_words(tmp_path: Path) -> None:
    library = load_library()
    broken = EmbeddingSearch(library, EmbeddingSettings(model=str(tmp_path / "nowhere"), device="cpu"))
    assert broken.ready.result(timeout=100) is False
    assert broken(TEXT, Language.EN, 5) == library.search(TEXT, Language.EN, 5)


def test_what_stands_in_both_lists_comes_first() -> None:
    a, b, c = load_library().search(TEXT, Language.EN, 3)
    assert fused([a, b], [b, c])[0] == b
    assert {one.id for one in fused([a, b], [c])} == {a.id, b.id, c.id}
