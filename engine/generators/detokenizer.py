"""Text from tokens as they come. A Chinese character may span several tokens, so what is incomplete is held back."""

from typing import Any

CHARACTER_TOKENS = 4  # a character has four bytes at most; what is still broken then is broken for good


class Detokenizer:
    """One answer's text. Some tokenizers space words by their neighbours, so a few old tokens are decoded again."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._context = 0  # from here on tokens are decoded
        self._told = 0  # up to here their text has been given out

    def add(self, token: int) -> str:
        """The text that the token completes; empty while a character is incomplete."""
        self._tokens.append(token)
        return self._new_text(final=False)

    def finish(self) -> str:
        """What is left, a character that was never completed left out."""
        return self._new_text(final=True).rstrip("\ufffd")

    def _new_text(self, *, final: bool) -> str:
        told = self._decode(self._tokens[self._context : self._told])
        text = self._decode(self._tokens[self._context :])
        may_complete = text.endswith("\ufffd") and len(self._tokens) - self._told < CHARACTER_TOKENS
        if len(text) <= len(told) or (may_complete and not final):
            return ""
        self._context, self._told = self._told, len(self._tokens)
        return text[len(told) :]

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
