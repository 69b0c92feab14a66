"""The messages between the front and the engine process.

Audio never travels in a message: it lies in the shared arena (`asr_server.link.arena`) and messages
carry its place. Times are `time.monotonic()` seconds, which Linux keeps equal across processes.
"""

from typing import Literal

import msgspec

from asr_server.speech.hints import NO_HINTS, Hints

ItemClass = Literal["final", "partial", "file"]
Stage = Literal["vad", "asr", "asr_online", "punc"]
StreamMode = Literal["online", "2pass"]
ReleaseReason = Literal["size", "audio", "slack", "idle"]


class Message(msgspec.Struct, frozen=True, tag=True):
    """A message of the link; the class name is the tag on the wire (MessagePack)."""


class BatchLimits(msgspec.Struct, frozen=True):
    """What bounds one batch: items, padded audio seconds, and the wait of an idle engine."""

    batch_size: int
    batch_audio_s: float
    max_wait_ms: float


class SheddingLimits(msgspec.Struct, frozen=True):
    """How late live work may be before less is done, and how far apart partials are at first."""

    late_ms: float = 100.0
    partial_interval_ms: float = 2400.0


class Recognize(Message, frozen=True):
    """Recognise the mono 16 kHz int16 samples at `offset` (in samples) of the arena.

    `item_id` is never used twice, except to ask a restarted engine for the same item again.
    """

    item_id: int
    item_class: ItemClass
    offset: int
    samples: int
    received_at: float
    deadline: float
    hints: Hints = NO_HINTS


class Cancel(Message, frozen=True):
    """Drop an item that nobody waits for any more; one that is already running may be answered.

    Its audio may be released at once: what the engine still computes from it is thrown away.
    """

    item_id: int


class Configure(Message, frozen=True):
    """Use these limits from the next batch on."""

    limits: BatchLimits
    shedding: SheddingLimits = SheddingLimits()


class OpenStream(Message, frozen=True):
    """Begin to recognise audio that is still being spoken.

    Positions in a stream are in samples (mono 16 kHz) from the start of the client's input. The
    first `Feed` has position `start`, and its first utterance is number `first_utterance`: both are
    0 but for a stream that is opened again because the engine that had it is gone.
    `chunk_size` is FunASR's, in frames of 60 ms: look-back, chunk, look-ahead.
    """

    stream_id: int
    mode: StreamMode
    chunk_size: tuple[int, int, int]
    start: int = 0
    first_utterance: int = 0
    hints: Hints = NO_HINTS


class Feed(Message, frozen=True):
    """The next `samples` of a stream lie at `offset` of the arena, until they are settled."""

    stream_id: int
    offset: int
    samples: int
    received_at: float


class EndStream(Message, frozen=True):
    """No more audio follows; what is open is finished, then `StreamEnded` comes."""

    stream_id: int
    received_at: float


class CancelStream(Message, frozen=True):
    """Drop a stream that nobody listens to any more; its audio may be released at once."""

    stream_id: int


class Segment(msgspec.Struct, frozen=True):
    """A stretch of recognised speech: milliseconds from the start of the item, and its tokens.

    `stamps` says of each token from when to when it was said; empty where that is not known.
    """

    start_ms: int
    end_ms: int
    tokens: tuple[str, ...]
    stamps: tuple[tuple[int, int], ...] = ()


class Loaded(Message, frozen=True):
    """Models are loaded and warmed up; the engine takes work from now on."""

    model: str
    device: str
    dtype: str
    load_s: float


class Alive(Message, frozen=True):
    """The engine's process runs: a thread of it says so once a second, whatever the others do."""


class LoadFailed(Message, frozen=True):
    """Models cannot be loaded; the engine ends after this message. `reason` says what to do."""

    reason: str


class Recognized(Message, frozen=True):
    """The whole answer to one item; text is punctuated where the model has punctuation."""

    item_id: int
    text: str
    segments: tuple[Segment, ...]


class Failed(Message, frozen=True):
    """One item could not be recognised; others are not concerned."""

    item_id: int
    reason: str


class Partial(Message, frozen=True):
    """What the streaming model has added to the text of an utterance that is still open.

    `end` is the position up to which the stream was heard for it; 0 where that is not told.
    """

    stream_id: int
    utterance: int
    text: str
    end: int = 0


class Final(Message, frozen=True):
    """The end of an utterance of a stream: it spans `start` to `end`, in samples of the stream.

    In mode 2pass `text` is the whole utterance, recognised anew and punctuated; in mode online it
    is what the last chunk added. Finals of a stream come in order, each once. `decided` is the
    position before which all audio was needed to know the end: it includes the pause. `stamps` has
    milliseconds of the stream for each token, where they are known.
    """

    stream_id: int
    utterance: int
    start: int
    end: int
    text: str
    tokens: tuple[str, ...] = ()
    decided: int = 0
    stamps: tuple[tuple[int, int], ...] = ()


class Settled(Message, frozen=True):
    """All samples of a stream before `position` are answered, or hold no speech: release them."""

    stream_id: int
    position: int


class StreamEnded(Message, frozen=True):
    """The last message about a stream: everything in it is answered."""

    stream_id: int


class StreamFailed(Message, frozen=True):
    """The last message about a stream that cannot be recognised any further."""

    stream_id: int
    reason: str


class BatchRan(Message, frozen=True):
    """One batch was run; the front turns this into metrics.

    `audio_s` is what was asked for, `padded_s` what was computed; `waits` has one queue wait in
    seconds per item, in the order of `classes`. Pieces of live audio on their way to the VAD are
    not among them: they would outnumber all else. `busy_s` is the time of the engine that it is
    charged with, `took_s` the time from its start to its end: more where batches ran side by side.
    """

    stage: Stage
    size: int
    audio_s: float
    padded_s: float
    busy_s: float
    took_s: float
    reason: ReleaseReason
    classes: tuple[ItemClass, ...]
    waits: tuple[float, ...]


class OutOfMemory(Message, frozen=True):
    """The device ran out of memory once; the batch was split and tried again.

    Until the next `Configure`, batches of this stage stay under `audio_limit_s` padded seconds.
    """

    stage: Stage
    audio_limit_s: float


class Overload(Message, frozen=True):
    """The step of the shedding ladder in force, and what it cost since the last such message.

    `partials` were not computed, `files` have to wait.
    """

    step: int
    partials: int = 0
    files: int = 0


ToEngine = Recognize | Cancel | Configure | OpenStream | Feed | EndStream | CancelStream
ToFront = (
    Loaded
    | LoadFailed
    | Alive
    | Recognized
    | Failed
    | Partial
    | Final
    | Settled
    | StreamEnded
    | StreamFailed
    | BatchRan
    | OutOfMemory
    | Overload
)
