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


NO_HINTS = Hints()
