"""What of a model's output is meant for the reader: no thinking aloud, nothing after a stop string."""

_THINK, _END_THINK = "<think>", "</think>"


class Visible:
    """Takes a model's output as it comes and gives back the part that may be read."""

    def __init__(self, stops: tuple[str, ...] = ()) -> None:
        self.ended = False  # a stop string came; the rest is dropped
        self._stops = stops
        self._held = ""
        self._thinking: bool | None = None  # None: not yet known

    def feed(self, text: str) -> str:
        """The readable part of what has come by now. What might be the beginning of a stop string is held back."""
        if self.ended:
            return ""
        self._held += text
        if self._thinking is not False:
            self._skip_thoughts()
        if self._thinking is not False:
            return ""
        cut = min((at for stop in self._stops if (at := self._held.find(stop)) >= 0), default=-1)
        if cut >= 0:
            self.ended = True
            return self._take(cut)
        return self._take(len(self._held) - self._held_back())

    def finish(self) -> str:
        """What was held back and turned out to be text; nothing if the model never stopped thinking."""
        return "" if self.ended or self._thinking else self._take(len(self._held))

    def _skip_thoughts(self) -> None:
        if self._thinking is None:
            start = self._held.lstrip()
            if start.startswith(_THINK):
                self._thinking = True
            elif not _THINK.startswith(start):
                self._thinking = False
        if self._thinking and _END_THINK in self._held:
            self._held = self._held.split(_END_THINK, 1)[1].lstrip()
            self._thinking = False

    def _held_back(self) -> int:
        """How many characters at the end might begin a stop string."""
        longest = max(map(len, self._stops), default=0)
        for size in range(min(longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0

    def _take(self, size: int) -> str:
        text, self._held = self._held[:size], self._held[size:]
        return text
