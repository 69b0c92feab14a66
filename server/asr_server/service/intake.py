"""What happens to a client's audio before the session hears it: files are decoded by ffmpeg.

Raw samples, and WAV files that the session understands, go straight on. The reader of the
connection waits for the decoder, so that what comes is never further than the pipes are long, and
what is decoded always belongs to the input that is open.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, Protocol

from asr_server.service.transcoding import TranscodingError
from asr_server.speech import riff
from asr_server.speech.messages import Control, Options, parse_control
from asr_server.speech.session import Session

HEAD_BYTES = 12  # tell WAV and MP4 files from others
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")  # what an MP4 file may begin with

Next = Literal["wait", "hear", "decode"]


def decide_next(head: bytes, *, ended: bool) -> Next:
    """Say what to do with a file that begins with `head`: wait for more of it, hear it, decode it.

    WAV files of compressed samples are decoded; one that is broken is decoded too, or refused.
    """
    if len(head) < HEAD_BYTES and not ended:
        return "wait"
    if not riff.may_start_riff(head):
        return "decode"
    try:
        header = riff.parse_header(head)
    except riff.AudioError:
        return "decode"
    return "hear" if ended or header is not None else "wait"


def may_end_with_index(head: bytes) -> bool:
    """Tell whether this is an MP4 file, whose index may follow its audio."""
    return head[4:8] in _BOXES


class Decoding(Protocol):
    """A file that is being decoded."""

    async def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises TranscodingError."""

    async def finish(self) -> None:
        """Return when all is decoded. Raises TranscodingError."""

    def kill(self) -> None:
        """Decode no further."""

    async def close(self) -> None:
        """Give back everything, at once."""


class Decoder(Protocol):
    """What decodes files."""

    async def start(self, take: Callable[[bytes], bool], *, seeks: bool) -> Decoding:
        """Begin a file; `take` gets what is decoded and says whether it wants more.

        Raises TranscodingError.
        """
        ...


class Hearer(Protocol):
    """What the audio goes to."""

    def hear(self, data: bytes, *, decoded: bool = False) -> None:
        """Take audio of the client, as it came or decoded to mono 16 kHz int16."""

    def refuse(self, reason: str) -> None:
        """Refuse the input that is open."""


class Intake:
    """The way of one client's audio to its session."""

    def __init__(self, session: Session, decoder: Decoder | None, hearer: Hearer) -> None:
        self._session = session
        self._decoder = decoder
        self._hearer = hearer
        self._head = b""  # the start of a file, until it tells what it is
        self._decoding: Decoding | None = None
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether audio has come that the session has not heard."""
        return bool(self._head) or self._decoding is not None

    async def receive_audio(self, data: bytes) -> None:
        """Take the next bytes of the client."""
        if self.take_at_once(data):
            return
        if self._decoding is not None:
            await self._decode(self._decoding.feed(data))
        elif self._decoder is not None:
            self._head += data
            await self._look_at_head(self._decoder, ended=False)

    def take_at_once(self, data: bytes) -> bool:
        """Take the next bytes unless they are of a file to be decoded; return whether they were."""
        if self._stopped:
            return True
        if self._decoding is not None or (self._decoder is not None and self._begins_file()):
            return False
        self._hearer.hear(data)
        return True

    async def receive_text(self, text: str) -> None:
        """Before the session gets a text message that ends its input, let it hear all of that."""
        if self._decoder is None or not (self.busy and _ends_input(text)):
            return
        if self._head:
            await self._look_at_head(self._decoder, ended=True)
        if self._decoding is not None:
            await self._decode(self._decoding.finish())
            await self.close()

    def stop(self) -> None:
        """Let the session hear nothing more; who waits for a file to be decoded is let go."""
        self._stopped = True
        self._head = b""
        if self._decoding is not None:
            self._decoding.kill()

    async def close(self) -> None:
        """End the file that is being decoded, if one is."""
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            await decoding.close()

    def _begins_file(self) -> bool:
        session = self._session
        return not session.has_audio and session.takes_file and not session.refused

    async def _look_at_head(self, decoder: Decoder, *, ended: bool) -> None:
        step = decide_next(self._head, ended=ended)
        if step == "wait":
            return
        head, self._head = self._head, b""
        if step == "hear":
            self._hearer.hear(head)
        else:
            await self._decode(self._begin(decoder, head))

    async def _begin(self, decoder: Decoder, head: bytes) -> None:
        self._decoding = await decoder.start(self._take, seeks=may_end_with_index(head))
        if self._stopped:
            self._decoding.kill()
        await self._decoding.feed(head)

    def _take(self, samples: bytes) -> bool:
        if not self._stopped:
            self._hearer.hear(samples, decoded=True)
        return not (self._stopped or self._session.refused)

    async def _decode(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except TranscodingError as error:
            if not self._stopped:
                self._hearer.refuse(str(error))
            await self.close()


def _ends_input(text: str) -> bool:
    control = parse_control(text, Options())
    return isinstance(control, Control) and control.ends_input
