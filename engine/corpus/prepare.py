"""From an operator's files to texts that a model may learn from: `prepare`.

Each document goes one way: faults -> methods set aside -> personal data masked -> near duplicates -> held-out texts ->
split by question. A document that fails goes no further, and is counted by what it failed. Work is done in batches; a
batch's texts, counts and place in the files are settled together, so that a run that was killed goes on where it stood.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from config import ConfigError, Language
from engine.corpus.documents import TEXT, Document, Part, Unreadable, find_files, read_documents
from engine.corpus.duplicates import HeldOut, Seen, bare, hash_of
from engine.corpus.methods import describes_method
from engine.corpus.personal import redact
from engine.corpus.quality import fault
from engine.language import detect

SPLITS = ("train", "valid", "test")
OUTPUTS = (*SPLITS, "set_aside", "removed")
"""Files of JSON lines in the folder: what to learn from, what a person must look at, examples of what was left out."""

STATE = "state.sqlite"
_BATCH = 200
_EXAMPLES = 20  # of each fault, kept in removed.jsonl
_SHARES = 1000

Progress = Callable[[str, int, int], None]
"""Called after each batch with the file's name, and how many documents were read and kept so far."""


@dataclass(frozen=True)
class Choices:
    """What an operator may choose. `valid`, `test`: shares held back, by question, in thousandths."""

    languages: frozenset[Language] = frozenset(Language)
    held_out: tuple[Path, ...] = ()
    valid: int = 20
    test: int = 20


@dataclass
class Counts:
    """How many documents came to what, and how many pieces of personal data of each kind were masked."""

    read: int = 0
    results: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)  # by split

    @property
    def kept(self) -> int:
        """Documents a model may learn from or be measured on."""
        return sum(self.results[split] for split in SPLITS)


def prepare(
    paths: Sequence[Path], out: Path, choices: Choices = Choices(), progress: Progress = lambda *_: None
) -> Counts:
    """Clean the files among `paths` into the folder `out`; goes on where an earlier run over the same files stopped.

    Raises ConfigError for files that are missing or of an unknown kind, and for a folder that holds another corpus.
    """
    files = find_files(list(paths))
    out.mkdir(parents=True, exist_ok=True)
    with _Run(out, files, choices) as run:
        for number, path in enumerate(files):
            if number >= run.file:
                run.take(number, path, progress)
        run.finish()
        return run.counts


class _Run:
    """The state of one preparation, kept in a SQLite file beside the texts."""

    def __init__(self, out: Path, files: list[Path], choices: Choices) -> None:
        self._out, self._choices = out, choices
        self._held_out = HeldOut(_texts_of(choices.held_out))
        self._database = sqlite3.connect(out / STATE)
        self._database.execute("CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT)")
        self._texts, self._questions = Seen(self._database, "text"), Seen(self._database, "question")
        self._database.execute("CREATE TABLE IF NOT EXISTS exact (hash BLOB PRIMARY KEY)")
        self.counts = Counts()
        self.file = 0
        self._place = 0  # documents of that file that are done
        self._resume(_fingerprint(files, choices))
        self._outputs = {name: (out / f"{name}.jsonl").open("ab") for name in OUTPUTS}

    def __enter__(self) -> "_Run":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._outputs.values():
            file.close()
        self._database.close()

    def _resume(self, fingerprint: str) -> None:
        """Take up an earlier run, and cut off what it wrote after its last settled batch."""
        state = {key: json.loads(value) for key, value in self._database.execute("SELECT key, value FROM state")}
        if state and state["fingerprint"] != fingerprint:
            raise ConfigError(f"{self._out}: holds a corpus of other files or choices; name another folder")
        if state:
            self.file, self._place = state["place"]
            stored = state["counts"]
            self.counts = Counts(stored.pop("read"), **{key: Counter(value) for key, value in stored.items()})
        sizes = state.get("sizes", {})
        for name in OUTPUTS:
            path = self._out / f"{name}.jsonl"
            if path.exists():
                os.truncate(path, sizes.get(name, 0))
        self._save("fingerprint", fingerprint)

    def take(self, number: int, path: Path, progress: Progress) -> None:
        """Clean the documents of one file."""
        documents = islice(read_documents(path), self._place, None)
        while batch := list(islice(documents, _BATCH)):
            for document in batch:
                self._clean(document)
            self._place += len(batch)
            self._settle(number, self._place)
            progress(path.name, self.counts.read, self.counts.kept)
        self._place = 0
        self._settle(number + 1, 0)

    def finish(self) -> None:
        """Nothing more will come: write the counts where people and programs read them."""
        (self._out / "counts.json").write_text(
            json.dumps(_plain_counts(self.counts), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
        )

    def _clean(self, document: Document | Unreadable) -> None:
        self.counts.read += 1
        if isinstance(document, Unreadable):
            self._leave_out("unreadable", document.source, document.reason)
            return
        if reason := fault(document.text, self._choices.languages):
            self._leave_out(reason, document.source, document.text)
        elif describes_method(document.text):
            self._write("set_aside", {"source": document.source} | _content(document.parts))
        else:
            self._keep(self._masked(document))

    def _masked(self, document: Document) -> Document:
        found_language = detect(document.text)
        assert found_language is not None  # another language is a fault
        parts = []
        for part in document.parts:
            text, found = redact(part.text, found_language[0])
            self.counts.personal.update(found)
            parts.append(Part(part.role, text))
        return Document(document.source, tuple(parts))

    def _keep(self, document: Document) -> None:
        """Into one of the splits, unless it is nearly the same as an earlier one or meets a held-out text."""
        exact = hash_of(bare(document.text)).to_bytes(8)
        if self._database.execute("INSERT OR IGNORE INTO exact VALUES (?)", (exact,)).rowcount == 0:
            self._leave_out("duplicate", document.source, document.text)
            return
        like, own = self._texts.like(document.text)
        if like is not None:
            self._leave_out("near_duplicate", document.source, document.text)
            return
        if any(self._held_out.holds(part.text) for part in document.parts):
            self._leave_out("held_out", document.source, document.text)
            return
        self._texts.add(self.counts.read, own)
        split = self._split(document)
        self.counts.characters[split] += len(document.text)
        self._write(split, {"id": str(self.counts.read), "source": document.source} | _content(document.parts))

    def _split(self, document: Document) -> str:
        """The split of its question; questions that nearly equal each other go together, so that no answer leaks."""
        like, own = self._questions.like(document.question)
        number = like
        if number is None:
            number = self.counts.read
            self._questions.add(number, own)
        share = hash_of(f"question {number}") % _SHARES
        if share < self._choices.test:
            return "test"
        return "valid" if share < self._choices.test + self._choices.valid else "train"

    def _leave_out(self, reason: str, source: str, text: str) -> None:
        self.counts.results[reason] += 1
        if self.counts.results[reason] <= _EXAMPLES:
            self._put("removed", {"reason": reason, "source": source, "text": text[:500]})

    def _write(self, name: str, value: dict[str, Any]) -> None:
        self.counts.results[name] += 1
        self._put(name, value)

    def _put(self, name: str, value: dict[str, Any]) -> None:
        line = json.dumps(value, ensure_ascii=False)
        self._outputs[name].write(line.encode("utf-8", "replace") + b"\n")

    def _settle(self, file: int, place: int) -> None:
        """What was done so far stays done."""
        for output in self._outputs.values():
            output.flush()
            os.fsync(output.fileno())
        self._save("place", [file, place])
        self._save("counts", _plain_counts(self.counts))
        self._save("sizes", {name: output.tell() for name, output in self._outputs.items()})
        self._database.commit()

    def _save(self, key: str, value: Any) -> None:
        self._database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value)))


def _content(parts: tuple[Part, ...]) -> dict[str, Any]:
    """A text, or messages in the form that chat models are trained on."""
    if parts[0].role == TEXT:
        return {"text": parts[0].text}
    return {"messages": [{"role": part.role, "content": part.text} for part in parts]}


def _texts_of(paths: Sequence[Path]) -> Iterator[str]:
    """Every part of the held-out files, so that neither a question nor an answer of theirs is learned."""
    for path in find_files(list(paths)) if paths else []:
        for document in read_documents(path):
            if isinstance(document, Document):
                yield from (part.text for part in document.parts)


def _plain_counts(counts: Counts) -> dict[str, Any]:
    return {
        "read": counts.read,
        "results": dict(counts.results),
        "personal": dict(counts.personal),
        "characters": dict(counts.characters),
    }


def _fingerprint(files: list[Path], choices: Choices) -> str:
    """Tells one set of files and choices from another, by names and sizes."""
    named = [(path.name, path.stat().st_size) for path in files]
    held = [(path.name, path.stat().st_size) for path in choices.held_out if path.exists()]
    return f"{hash_of(json.dumps([named, held, sorted(choices.languages), choices.valid, choices.test])):016x}"
