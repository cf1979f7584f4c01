"""The reviewed library of a language, ready to be asked: which topic a message is about, and which passages fit it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from config import Language
from engine.language import to_simplified
from engine.library.cases import Cases, Found
from engine.library.data import (
    Case,
    Entry,
    Exercise,
    Situation,
    Topic,
    load_cases,
    load_cues,
    load_everyday,
    load_exercises,
    load_talk,
    load_topics,
)
from engine.library.index import Index, Phrases, plain, terms
from engine.library.mirror import Mirror
from engine.library.reading import Reader
from engine.library.situations import Situations
from engine.types import Passage

GENERAL = "general"  # the topic of whoever has not said yet what it is about
_MAX_QUERY = 2000  # characters of a text that are looked at
_STRONG_CUE = 6.0
_CUE = 2.0
GROUNDING = ("information", "suggestion", "validation")  # strategies that a model can use
_TOLD = 20.0  # what a passage for a situation counts beside one for a topic
_SITUATION = 8.0  # what a situation of a topic adds to it
_CASE = 3.0  # what a case adds to its topic, times its own score
_CASES = 2  # so many cases of a message, the surest, speak for their topics
_MOST_PLAIN = 6.0  # the most that plain cues count together, however many a long text has
_OPENING = 120  # characters that count as the opening of a message
_AUDIENCE = 3.0
_PERSON = 2.0
_EXAMPLES = 0.4  # what the BM25 of the example sentences counts beside the cues


class Shelf:
    """Everything the library holds in one language."""

    def __init__(self, language: Language) -> None:
        cues = load_cues(language)
        self.language = language
        self.topics: dict[str, Topic] = {topic.name: topic for topic in load_topics(language)}
        self.exercises: tuple[Exercise, ...] = load_exercises(language)
        self.reader = Reader(language, cues)
        self.mirror = Mirror(language, cues)
        self.person_topics = frozenset(cues["person_topics"])
        self.exercise_kinds = {name: re.compile(pattern) for name, pattern in cues["exercise_kinds"].items()}
        self.control: dict[str, str] = {name: cues[name] for name in ("exercise_next", "exercise_stop", "agree")}
        self._about_other = re.compile(cues["about_other"])
        self._noise = re.compile(cues["noise"])
        self._audiences = {name: re.compile(pattern) for name, pattern in cues["audiences"].items()}
        self._talk: dict[str, list[Passage]] = {}
        for passage in load_talk(language):
            self._talk.setdefault(passage.strategy, []).append(passage)
        sharing = Counter(cue for topic in self.topics.values() for cue in {*topic.strong_cues, *topic.cues})
        self._cues = {name: _cue_weights(topic, sharing) for name, topic in self.topics.items()}
        self._phrases = Phrases({form for cues in self._cues.values() for form in cues}, language)
        self.cases = Cases(load_cases(language), language)
        self._topic_index = Index([_topic_terms(topic, self.cases.all) for topic in self.topics.values()])
        self._situations = Situations(
            ((topic.name, one) for topic in self.topics.values() for one in topic.situations), language
        )
        everyday = load_everyday(language)
        self._everyday = Situations((("", one) for one in everyday), language)
        self.told = (*(one for topic in self.topics.values() for one in topic.situations), *everyday)
        self._entries = [entry for topic in self.topics.values() for entry in topic.entries]
        self._ids = [entry.passage.id for entry in self._entries]
        persons = frozenset(cues["persons"])
        self._when = {
            entry.passage.id: {
                plain(word, language): 1.0 + 0.1 * min(len(word), 10) + _PERSON * (word in persons)
                for word in entry.when
            }
            for entry in self._entries
        }
        self._passage_index = Index([self._passage_terms(entry) for entry in self._entries])

    def talk(self, kind: str) -> list[Passage]:
        """The texts of one kind that are said around the topics."""
        return self._talk[kind]

    def rank_topics(self, text: str) -> dict[str, float]:
        """How much `text` speaks of each topic, most first; topics it does not touch are left out.

        What a long message begins with counts more: most people name their trouble first.
        """
        return self.survey(text)[0]

    def survey(self, text: str) -> tuple[dict[str, float], list[Found]]:
        """What `rank_topics` gives, and the cases that the text names, the surest first."""
        lower = text[:_MAX_QUERY].lower().replace("’", "'")
        scores = self._score(lower)
        if len(lower) > _OPENING:
            for name, score in self._score(lower[:_OPENING]).items():
                scores[name] = scores.get(name, 0.0) + score
        for name, _ in self.situations(text):
            scores[name] = scores.get(name, 0.0) + _SITUATION
        found = self.cases.found(text, scores)
        for one in found[:_CASES]:
            scores[one.case.topic] = scores.get(one.case.topic, 0.0) + _CASE * one.score
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        return {name: score for name, score in ranked if score > 0 and name != GENERAL}, found

    def situations(self, text: str) -> list[tuple[str, Situation]]:
        """The situations of topics that a text tells of, each with its topic."""
        return self._situations.found(text[:_MAX_QUERY])

    def everyday(self, text: str) -> list[Situation]:
        """What a text tells of whatever its topic, such as a fear."""
        return [one for _, one in self._everyday.found(text[:_MAX_QUERY])]

    def _score(self, lower: str) -> dict[str, float]:
        text = self._noise.sub(" ", lower)
        spoken = self._phrases.found(plain(text, self.language))
        if not spoken:
            return {}
        like_examples = self._topic_index.scores(terms(text, self.language))
        scores = {}
        for number, (name, cues) in enumerate(self._cues.items()):
            hits = [cue for cue in spoken if cue in cues]
            found = [cues[cue] for cue in hits if not any(cue in other and cue != other for other in hits)]
            if found:
                strong = sum(weight for weight in found if weight >= _STRONG_CUE)
                plain_ones = min(sum(found) - strong, _MOST_PLAIN)
                near = _EXAMPLES * float(like_examples[number])
                scores[name] = strong + plain_ones + near + self._concern(name, lower)
        return scores

    def _concern(self, topic: str, text: str) -> float:
        """What speaks for a topic meant for some people only: much if the writer is one of them, all against if not."""
        pattern = self._audiences.get(self.topics[topic].audience)
        if pattern is None:
            return 0.0
        return _AUDIENCE if pattern.search(text) else -1000.0

    def plain(self, text: str) -> str:
        """A text in the form in which cues and situations are looked up."""
        return plain(text[:_MAX_QUERY], self.language)

    def fits(self, entry: Entry, looked_up: str) -> float:
        """How many words of the situation that `entry` is for stand in a plain text.

        A longer word says more, and a person more than a thing.
        """
        return sum(weight for form, weight in self._when[entry.passage.id].items() if form in looked_up)

    def relevance(self, text: str) -> dict[str, float]:
        """BM25 of every passage with any term of `text`, by passage id."""
        found = self._passage_index.scores(terms(text[:_MAX_QUERY], self.language))
        numbers = np.flatnonzero(found)
        return dict(zip([self._ids[number] for number in numbers.tolist()], found[numbers].tolist(), strict=True))

    def fears_for_other(self, text: str) -> bool:
        """Whether a message about danger is about somebody else's."""
        return self._about_other.search(text.lower()) is not None

    def cue_count(self, topic: str, clause: str) -> int:
        """How many cues of a topic stand in a clause."""
        looked_up = plain(clause, self.language)
        return sum(cue in looked_up for cue in self._cues.get(topic, ()))

    def _passage_terms(self, entry: Entry) -> list[str]:
        return terms(entry.passage.text, self.language) + 2 * [
            term for word in entry.when for term in terms(word, self.language)
        ]


class Library:
    """The reviewed texts in every language."""

    def __init__(self) -> None:
        self._shelves = {language: Shelf(language) for language in Language}

    def shelf(self, language: Language) -> Shelf:
        """What the library holds in `language`."""
        return self._shelves[language]

    def search(self, text: str, language: Language, limit: int = 5) -> tuple[Passage, ...]:
        """The passages that help most with `text`, best first: what a model may ground its answer on.

        Questions and offers are left out, since the model asks its own.
        """
        shelf = self.shelf(language)
        text = to_simplified(text) if language is Language.ZH else text
        looked_up = shelf.plain(text)
        topics, cases = shelf.survey(text)
        relevance = shelf.relevance(text)
        told = [(topic, one.passages) for topic, one in shelf.situations(text)]
        told += [(one.case.topic, one.case.passages) for one in cases[:_CASES]]
        scores: list[tuple[float, Passage]] = [
            (topics[topic] + _TOLD + relevance.get(passage.id, 0.0), passage)
            for topic, passages in told
            for passage in passages
            if passage.strategy in GROUNDING
        ]
        for name, score in list(topics.items())[:2]:
            for entry in shelf.topics[name].entries:
                fits = shelf.fits(entry, looked_up)
                if entry.passage.strategy in GROUNDING and (fits or not entry.when):
                    scores.append((score + relevance.get(entry.passage.id, 0.0) + 4.0 * fits, entry.passage))
        scores.sort(key=lambda item: (-item[0], item[1].id))
        return tuple(passage for _, passage in scores[: max(0, limit)])

    def passages(self, language: Language) -> tuple[Passage, ...]:
        """Every passage of every topic and situation, for review and export."""
        shelf = self.shelf(language)
        return (
            *(entry.passage for topic in shelf.topics.values() for entry in topic.entries),
            *(passage for one in shelf.told for passage in one.passages),
            *(passage for case in shelf.cases.all for passage in case.passages),
        )

    def exercises(self, language: Language) -> tuple[Exercise, ...]:
        """Every exercise, in the order of the file."""
        return self.shelf(language).exercises


@lru_cache(maxsize=1)
def load_library() -> Library:
    """The library, read once. Raises LibraryError when a data file is at fault."""
    return Library()


def _cue_weights(topic: Topic, sharing: Mapping[str, int]) -> dict[str, float]:
    """Each cue with its weight: less when topics share it (`sharing` says how many), more when it is long."""
    weights: dict[str, float] = {}
    for cue in topic.cues + topic.strong_cues:
        weight = _STRONG_CUE if cue in topic.strong_cues else _CUE / sharing[cue]
        form = plain(cue, topic.language)  # words of one stem count once
        weights[form] = max(weights.get(form, 0.0), weight * (1.0 + 0.1 * min(len(cue), 10)))
    return weights


def _topic_terms(topic: Topic, cases: Sequence[Case]) -> list[str]:
    """What topics are told apart by beside their cues: sentences as users write them, the situations of passages."""
    sentences = [*topic.examples, *(word for entry in topic.entries for word in entry.when)]
    sentences += [text for case in cases if case.topic == topic.name for text in case.hits]
    return [term for sentence in sentences for term in terms(sentence, topic.language)]
