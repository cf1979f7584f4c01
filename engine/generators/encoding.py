"""A request as the tokens that a model reads before it answers: the same in service, in training and when measured."""

from typing import Any

from engine.generators import prompt
from engine.types import Request


class Encoder:
    """Builds prompts for one tokenizer. `kind`: `chat`, by its template, or `completion`, as question and answer."""

    def __init__(self, tokenizer: Any, kind: str) -> None:
        self.tokenizer = tokenizer
        self.kind = kind
        self._folds_system = kind == "chat" and not _takes_system(tokenizer)

    def encode(self, request: Request, history_tokens: int) -> list[int]:
        """Tokens of the prompt. Special tokens are only those of the template: texts hold none after `clean`."""
        tokens: list[int] = self.tokenizer.encode(self.text(request, history_tokens), add_special_tokens=False)
        return [*self.beginning(), *tokens] if self.kind == "completion" else tokens

    def text(self, request: Request, history_tokens: int) -> str:
        """The prompt, with as much history as `history_tokens` holds; older turns are summed up."""
        if self.kind == "completion":
            return clean(prompt.completion(request, history_tokens, self.count), self.tokenizer)
        messages = self.messages(request, history_tokens)
        return render(self.tokenizer, messages)

    def messages(self, request: Request, history_tokens: int) -> list[dict[str, str]]:
        """What a chat template is given."""
        messages = [
            {"role": message.role, "content": clean(message.content, self.tokenizer)}
            for message in prompt.chat(request, history_tokens, self.count)
        ]
        return _folded(messages) if self._folds_system else messages

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def beginning(self) -> list[int]:
        """The token that begins every text, for tokenizers that use one."""
        return [token for token in self.tokenizer.encode("")[:1] if token == self.tokenizer.bos_token_id]


def render(tokenizer: Any, messages: list[dict[str, str]], open_answer: bool = True) -> str:
    """What a chat template makes of messages; `enable_thinking` is read by those of models that can think aloud."""
    text: str = tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=open_answer, enable_thinking=False
    )
    return text


def clean(text: str, tokenizer: Any) -> str:
    """The text without anything that this tokenizer reads as a control token."""
    for token in tokenizer.all_special_tokens:
        text = text.replace(token, " ")
    return text


def _takes_system(tokenizer: Any) -> bool:
    """Whether the chat template knows system messages; some raise, some leave them out."""
    try:
        return "marker" in render(
            tokenizer, [{"role": "system", "content": "marker"}, {"role": "user", "content": "hello"}]
        )
    except Exception:  # whatever a template raises
        return False


def _folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The system message put at the head of the first user message."""
    system, first, *rest = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *rest]
