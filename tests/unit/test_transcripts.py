"""The transcripts in the documentation are what the library answers today."""

from pathlib import Path

import pytest

from bot.cli.transcripts import print_first_messages
from config import Language
from engine.evaluation.cases import read_cases
from engine.evaluation.transcripts import load_script, markdown
from engine.language import detect
from engine.library import LibraryGenerator
from engine.screening import load_screener

FOLDER = Path(__file__).parents[2] / "docs" / "transcripts"


@pytest.mark.parametrize("language", Language)
def test_the_pages_are_what_the_command_writes(language: Language) -> None:
    written = markdown(language, LibraryGenerator(), load_screener())
    same = (FOLDER / f"{language}.md").read_text(encoding="utf-8") == written
    assert same, "the library answers otherwise now: run psyllm transcripts, read what changed, and commit it"


@pytest.mark.parametrize("language", Language)
def test_sixty_people_and_twelve_conversations_of_ten_turns_each_in_its_language(language: Language) -> None:
    script = load_script(language)
    texts = [first.text for first in script.first]
    turns = [text for conversation in script.conversation for text in conversation.turns]
    assert (len(texts), len(set(texts))) == (60, 60)
    assert [len(conversation.turns) for conversation in script.conversation] == [10] * 12
    read = [found for text in texts + turns if len(text) > 12 and (found := detect(text))]
    assert {found[0] for found in read} == {language}


def test_first_messages_as_lines_are_read_by_the_evaluation(capsys: pytest.CaptureFixture[str]) -> None:
    print_first_messages()
    cases = read_cases("-", capsys.readouterr().out.splitlines())
    assert len(cases) == 120
    assert {case.lang for case in cases} == set(Language)
