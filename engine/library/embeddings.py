"""Finds passages by what they mean as well as by their words: an option, for grounding a language model.

A transformer turns texts into vectors (the mean over their tokens, Reimers and Gurevych 2019); passages near the
message are joined with those that the library's own index finds, by reciprocal rank fusion (Cormack, Clarke and
Büttcher 2009). Until the model is loaded, and if it cannot be, the index answers alone.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from config import Language
from config.settings import EmbeddingSettings
from engine.generators.loading import choose_device, first_line
from engine.library.library import GROUNDING, Library
from engine.types import GeneratorError, Passage

log = structlog.get_logger(__name__)
Vectors = NDArray[np.float32]

_BATCH = 64
_TOKENS = 256  # of a text that are read
_LOOKED_AT = 20  # passages of each list that are joined
_RANK = 60  # the constant of reciprocal rank fusion


class EmbeddingSearch:
    """Call it as `Library.search`. `ready` ends when the passages are read; True if the model can be used."""

    def __init__(self, library: Library, settings: EmbeddingSettings) -> None:
        """Begins to load the model in a thread of its own and returns at once."""
        self._library = library
        self._settings = settings
        self._passages: dict[Language, tuple[Passage, ...]] = {}
        self._vectors: dict[Language, Vectors] = {}
        self._thread = ThreadPoolExecutor(1, "embeddings")
        self.ready: Future[bool] = self._thread.submit(self._load)

    def __call__(self, text: str, language: Language, limit: int = 5) -> tuple[Passage, ...]:
        """The passages that help most with `text`, best first. It takes a model's time: not for an event loop."""
        by_words = self._library.search(text, language, _LOOKED_AT)
        if not (self.ready.done() and self.ready.result()):
            return by_words[: max(0, limit)]
        nearness = self._vectors[language] @ self._embed([text])[0]
        nearest = np.argsort(-nearness, kind="stable")[:_LOOKED_AT]
        by_meaning = [self._passages[language][place] for place in nearest]
        return fused(by_words, by_meaning)[: max(0, limit)]

    def _load(self) -> bool:
        name = self._settings.model
        try:
            self._device = choose_device(self._settings.device, "embeddings.device")
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
            self._longest = min(_TOKENS, self._tokenizer.model_max_length)
            self._model: Any = AutoModel.from_pretrained(name).to(self._device).eval()
            for language in Language:
                found = [one for one in self._library.passages(language) if one.strategy in GROUNDING]
                self._passages[language] = tuple(found)
                self._vectors[language] = self._embed([one.text for one in found])
        except (OSError, ValueError, RuntimeError, GeneratorError) as error:
            log.error(
                "the embedding model did not load; passages are found by words", model=name, reason=first_line(error)
            )
            return False
        return True

    def _embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, one a text: (texts, dimensions)."""
        with torch.inference_mode():
            parts = [self._mean(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts)

    def _mean(self, texts: Sequence[str]) -> Vectors:
        read = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        read = read.to(self._device)
        states = self._model(**read).last_hidden_state.float()
        mask = read["attention_mask"].unsqueeze(-1)
        vectors = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        found: Vectors = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        return found


def fused(*lists: Sequence[Passage]) -> tuple[Passage, ...]:
    """Several rankings as one: what stands high in any of them, and higher what stands in several."""
    scores: dict[str, float] = {}
    for ranking in lists:
        for rank, passage in enumerate(ranking, 1):
            scores[passage.id] = scores.get(passage.id, 0.0) + 1 / (_RANK + rank)
    known = {passage.id: passage for passage in chain(*lists)}
    return tuple(known[name] for name in sorted(scores, key=lambda name: (-scores[name], name)))
