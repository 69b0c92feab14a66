"""Audio as it arrives (raw 16-bit PCM, or a WAV file) to what models take: 16 kHz mono int16.

Incremental, so that no step costs more than the piece that came in. No I/O and no clock here.
"""

from enum import Enum

import numpy as np
import soxr
from numpy.typing import NDArray

from asr_server.speech import riff
from asr_server.speech.sample_formats import PCM_16, SampleFormat

SAMPLE_RATE_HZ = 16_000
MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000

NO_WAV = (
    "no WAV header found: raw 16-bit pcm and wav are accepted; "
    "for other formats this server would need ffmpeg"
)

Samples = NDArray[np.int16]


class Container(Enum):
    """What the bytes of an input may be."""

    PCM = "raw samples; a WAV header is found and obeyed all the same"
    FILE = "a file as it is: WAV, or anything else that ffmpeg can decode"


def duration_ms(samples: int) -> int:
    """Return the whole milliseconds in `samples` samples at 16 kHz."""
    return samples * 1000 // SAMPLE_RATE_HZ


def duration_s(samples: int) -> float:
    """Return the seconds in `samples` samples at 16 kHz."""
    return samples / SAMPLE_RATE_HZ


class Decoder:
    """Turn the bytes of one input into 16 kHz mono int16 samples.

    A sample may be cut anywhere between two pieces; half a sample at the very end is dropped. What
    follows the data of a WAV file (tags) is skipped.
    """

    def __init__(self, sample_rate_hz: int, container: Container) -> None:
        self._container = container
        self._pcm = bytearray()  # decoded samples, native int16
        self._head = b""  # the start of the stream, while it may still be a WAV header
        self._in_head = True
        self._rest = b""  # a sample (of all channels) that is not complete yet
        self._left: int | None = None  # data bytes still to come, where the header tells
        self._set_format(sample_rate_hz, 1, PCM_16)

    @property
    def samples(self) -> int:
        """Number of 16 kHz samples that are decoded and not taken."""
        return len(self._pcm) // 2

    @property
    def bytes_per_s(self) -> int:
        """Number of bytes that are one second of the audio that comes in."""
        return self._samples.width_bytes * self._channels * self._rate_hz

    def feed(self, data: bytes) -> None:
        """Decode the next bytes. Raises AudioError; the decoder is of no use after that."""
        if self._in_head:
            self._head += data
            self._read_head()
        else:
            self._decode(data)

    def take(self) -> Samples:
        """Return the samples that were decoded since the last call, and forget them."""
        taken, self._pcm = self._pcm, bytearray()
        if len(taken) % 2:
            self._pcm.append(taken.pop())
        return np.frombuffer(taken, np.int16)

    def finish(self) -> Samples:
        """End the input and return all its samples, or those that were not taken.

        Raises AudioError when a file was promised and no WAV file came.
        """
        if self._in_head and self._head:
            if self._container is Container.FILE or len(self._head) >= 12:
                raise riff.AudioError("the audio ended inside its WAV header")
            self._leave_head()
        if self._resampler is not None:
            last = self._resampler.resample_chunk(np.zeros(0, np.int16), last=True)
            self._pcm += last.tobytes()
        return np.frombuffer(self._pcm, np.int16, count=self.samples)

    def _set_format(self, rate_hz: int, channels: int, samples: SampleFormat) -> None:
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise riff.AudioError(
                f"sample rate {rate_hz} Hz: {MIN_RATE_HZ} to {MAX_RATE_HZ} are accepted"
            )
        self._channels, self._rate_hz, self._samples = channels, rate_hz, samples
        same = rate_hz == SAMPLE_RATE_HZ
        self._resampler = (
            None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="int16")
        )

    def _read_head(self) -> None:
        if not riff.may_start_riff(self._head):
            if self._container is Container.FILE:
                raise riff.AudioError(NO_WAV)
            self._leave_head()
        elif (header := riff.parse_header(self._head)) is not None:
            self._set_format(header.sample_rate_hz, header.channels, header.samples)
            self._left = header.data_bytes
            self._head = self._head[header.data_offset :]
            self._leave_head()

    def _leave_head(self) -> None:
        self._in_head = False
        data, self._head = self._head, b""
        self._decode(data)

    def _decode(self, data: bytes) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if self._resampler is None and self._channels == 1 and self._samples is PCM_16:
            self._pcm += data
            return
        data = self._rest + data
        whole = len(data) - len(data) % (self._samples.width_bytes * self._channels)
        data, self._rest = data[:whole], data[whole:]
        samples = self._samples.decode(data)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        self._pcm += samples.tobytes()
