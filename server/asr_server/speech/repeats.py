"""What is said again of an utterance whose engine is gone, taken out of what the client is told.

The next engine hears the utterance anew from its start and says its increments anew. As much as was
said before is left out; what goes beyond it is passed on. Pure.
"""


class Repeats:
    """The increments of one stream. `whole_finals`: finals are whole texts, not increments."""

    def __init__(self, *, whole_finals: bool) -> None:
        self._whole_finals = whole_finals
        self._told = 0  # characters of the utterance that is open
        self._repeated = 0  # how many of them this engine has said

    def start_again(self) -> None:
        """Another engine begins the open utterance anew."""
        self._repeated = 0

    def take_partial(self, text: str) -> str:
        """Return what is new in an increment."""
        known = min(len(text), self._told - self._repeated)
        self._repeated += len(text)
        self._told = max(self._told, self._repeated)
        return text[known:]

    def take_final(self, text: str) -> str:
        """Return the text of a final, or what is new in it; the next utterance begins."""
        said = text if self._whole_finals else self.take_partial(text)
        self._told = self._repeated = 0
        return said
