"""Pieces of audio that is still being spoken, and what models say of each. Pure values.

A model's state of one stream is a value that only that model understands: a step takes the old one
and returns the new one, and never changes the old, so that a batch that failed can be tried again.
There are thousands a second: structs of msgspec are made several times as fast as dataclasses.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from asr_server.speech.sounds import Bank
from asr_server.speech.spans import Span

State = TypeVar("State")


class Piece(msgspec.Struct, Generic[State], frozen=True):
    """The next audio of one stream, mono 16 kHz int16; `last` when no more follows.

    Its `bank` may be known, with frames of the audio before it.
    """

    state: State
    audio: NDArray[np.int16]
    last: bool = False
    bank: Bank | None = None


class Endpoints(msgspec.Struct, Generic[State], frozen=True):
    """What a VAD knows after a piece; times are milliseconds from the start of the stream.

    `ended`: the spans of speech whose end became known, in order. `open_since`: where the span
    starts that is still open, if one is. `decided_ms`: no span that becomes known later starts
    before it (a span that is open starts there or later). `certain_ms`: the audio of the open span
    before it belongs to that span whatever follows; a streaming recogniser takes no more, so that
    its words do not depend on how the audio was cut. It is where the span would end if no speech
    came any more, or how far the audio is known, whichever is earlier; any value when none is open.
    `bank`: the parts of the filter bank that became known, behind those of the pieces before.
    """

    state: State
    ended: tuple[Span, ...]
    open_since: int | None
    decided_ms: int
    certain_ms: int
    bank: Sequence[Any] = ()


class Spoken(msgspec.Struct, Generic[State], frozen=True):
    """The tokens that a streaming recogniser adds after a piece."""

    state: State
    tokens: tuple[str, ...]
