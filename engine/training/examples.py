"""From rows to the tokens of an example, and which of them count in the loss.

A prompt is built by the code that builds it in service, so a model is trained on what it will be shown. As question and
answer (`completion`), a dialogue is one example with a loss on each answer; a chat template shows the last turn in
another form than earlier ones, so there each answer is an example of its own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from engine.generators import prompt
from engine.generators.encoding import Encoder, clean, render
from engine.training.rows import Dialogue, Edit, Text, Thumb
from engine.types import Request, Role

IGNORED = -100  # the label of a token that does not count in the loss
_ALL = 1 << 40  # tokens of history: however many there are


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids; for each the same id as its label, or IGNORED; how many characters the labels stand for.

    The end of an answer or a text counts as one character.
    """

    tokens: list[int]
    labels: list[int]
    characters: int


@dataclass(slots=True)
class Tally:
    """What became of the rows: how many gave examples, their characters, and what was too long to be learned."""

    rows: int = 0
    characters: int = 0
    too_long: int = 0


def plain(row: Text | Dialogue) -> str:
    """A row as a text from beginning to end; a dialogue is written as question and answer."""
    if isinstance(row, Text):
        return row.text
    asked = [number for number, turn in enumerate(row.turns) if turn.role == Role.USER]
    if not asked:
        return "\n".join(prompt.escape(turn.text) for turn in row.turns)
    shown = prompt.completion(row.request(asked[-1]), _ALL)
    answer = "".join(prompt.escape(turn.text) for turn in row.turns[asked[-1] + 1 :])
    return f"{shown}{answer}" if answer else shown.rpartition("\n")[0]


def text_examples(rows: Iterable[Text | Dialogue], tokenizer: Any, length: int, tally: Tally) -> Iterator[Example]:
    """Every token of every row counts. A long row is cut; each piece begins with the last token of the one before."""
    for row in rows:
        text = clean(plain(row), tokenizer)
        tokens = [_start(tokenizer), *tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
        tally.rows += 1
        tally.characters += len(text) + 1
        for at in range(0, len(tokens) - 1, length - 1):
            piece = tokens[at : at + length]
            # Characters are known of the whole row alone; its first piece stands for all of them.
            yield Example(piece, [IGNORED, *piece[1:]], 0 if at else len(text) + 1)


def chat_examples(rows: Iterable[Text | Dialogue], encoder: Encoder, length: int, tally: Tally) -> Iterator[Example]:
    """Answers count, and what ends them. Texts that are no dialogues are passed over."""
    make = _by_template if encoder.kind == "chat" else _as_text
    for row in rows:
        if isinstance(row, Dialogue):
            tally.rows += 1
            for example in make(row, encoder, length, tally):
                tally.characters += example.characters
                yield example


def preference_rows(rows: Iterable[Thumb | Edit], encoder: Encoder, length: int) -> list[dict[str, Any]]:
    """Prompts and answers as text, in the form that trl's KTO and DPO take."""
    end = end_of_answer(encoder)
    found: list[dict[str, Any]] = []
    for row in rows:
        shown = encoder.text(row.request, length // 2)
        if isinstance(row, Thumb):
            found.append({"prompt": shown, "completion": _said(row.answer, encoder) + end, "label": row.helpful})
        else:
            chosen, rejected = (_said(text, encoder) + end for text in (row.edited, row.draft))
            found.append({"prompt": shown, "chosen": chosen, "rejected": rejected})
    return found


def end_of_answer(encoder: Encoder) -> str:
    """What a chat template writes behind an answer; else the token that ends a text."""
    if encoder.kind == "chat":
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "marker"}]
        if behind := render(encoder.tokenizer, messages, open_answer=False).rpartition("marker")[2].rstrip():
            return behind
    end: str = encoder.tokenizer.eos_token
    return end


def _by_template(dialogue: Dialogue, encoder: Encoder, length: int, tally: Tally) -> Iterator[Example]:
    end = end_of_answer(encoder)
    for request, answer in dialogue.answers():
        said = _tokens(encoder, _said(answer, encoder) + end)
        prompts = (encoder.encode(request, history) for history in (length // 2, 0))
        shown = next((tokens for tokens in prompts if len(tokens) + len(said) <= length), None)
        if shown is None:
            tally.too_long += 1
        else:
            yield Example([*shown, *said], [IGNORED] * len(shown) + said, len(answer) + 1)


def _as_text(dialogue: Dialogue, encoder: Encoder, length: int, tally: Tally) -> Iterator[Example]:
    """The dialogue as one example; where it is too long, a new one begins that knows nothing of the turns before."""
    open_example: _Open | None = None
    for request, answer in dialogue.answers():
        grown = open_example.with_answer(request, answer) if open_example else None
        if grown is None or len(grown.tokens) >= length:
            if open_example:
                yield open_example.closed()
            grown = _Open.begun(encoder, request, answer)
            if len(grown.tokens) >= length:
                tally.too_long += 1
                grown = None
        open_example = grown
    if open_example:
        yield open_example.closed()


@dataclass(frozen=True, slots=True)
class _Open:
    """An example that may take further turns of its dialogue."""

    encoder: Encoder
    before: int  # turns of the dialogue that it does not hold
    text: str
    tokens: list[int]
    labels: list[int]
    characters: int

    @classmethod
    def begun(cls, encoder: Encoder, request: Request, answer: str) -> "_Open":
        alone = replace(request, history=())
        shown, said = encoder.text(alone, 0), _said(answer, encoder)
        tokens, answered = encoder.encode(alone, 0), _tokens(encoder, said)
        labels = [IGNORED] * len(tokens) + answered
        return cls(encoder, len(request.history), shown + said, [*tokens, *answered], labels, len(answer) + 1)

    def with_answer(self, request: Request, answer: str) -> "_Open | None":
        """This and the next answer. The model learns to end an answer in a dialogue as service expects it to."""
        mark = prompt.completion_stops(request.language)[0]
        text = self.encoder.text(replace(request, history=request.history[self.before :]), _ALL)
        if not text.startswith(self.text + mark):  # a turn was shortened
            return None
        said = _said(answer, self.encoder)
        pieces = [(mark, True), (text[len(self.text + mark) :], False), (said, True)]
        tokens, labels = list(self.tokens), list(self.labels)
        for piece, counts in pieces:
            encoded = _tokens(self.encoder, piece)
            tokens += encoded
            labels += encoded if counts else [IGNORED] * len(encoded)
        return _Open(self.encoder, self.before, text + said, tokens, labels, self.characters + len(answer) + 1)

    def closed(self) -> Example:
        end = self.encoder.tokenizer.eos_token_id
        return Example([*self.tokens, end], [*self.labels, end], self.characters)


def _said(answer: str, encoder: Encoder) -> str:
    """An answer as it stands in a prompt's history."""
    return clean(prompt.escape(answer), encoder.tokenizer)


def _tokens(encoder: Encoder, text: str) -> list[int]:
    tokens: list[int] = encoder.tokenizer.encode(text, add_special_tokens=False)
    return tokens


def _start(tokenizer: Any) -> int:
    """The token before the first one, so that the first one counts too."""
    start: int = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return start
