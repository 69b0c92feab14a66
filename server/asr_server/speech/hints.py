"""What a client says of its speech to help the recogniser. Pure values.

Each model takes what it has a use for: SeACo-Paraformer the hotwords, SenseVoice the rest.
"""

import msgspec

AUTO = "auto"


class Hints(msgspec.Struct, frozen=True):
    """The language ("auto": the model finds out), whether ITN is wanted, and words to prefer.

    With ITN (inverse text normalisation) a model that can writes marks and digits.
    """

    language: str = AUTO
    itn: bool = True
    hotwords: tuple[str, ...] = ()

    def prefer_too(self, words: tuple[str, ...]) -> "Hints":
        """Return the hints with more hotwords behind their own, each word once."""
        if not words:
            return self
        both = tuple(dict.fromkeys(self.hotwords + words))
        return msgspec.structs.replace(self, hotwords=both)


NO_HINTS = Hints()
