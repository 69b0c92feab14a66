"""The RIFF/WAVE header: where the samples begin, how many bytes they are, and what they are.

Works on the first bytes of a stream that may arrive in any pieces; never sees the samples.
Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991) and
the WAVEFORMATEXTENSIBLE structure of the Windows SDK.
"""

import struct
from dataclasses import dataclass

from asr_server.speech.sample_formats import SampleFormat, find_format

MAX_HEADER_BYTES = 64 * 1024
MAX_CHUNKS = 64
MAX_CHANNELS = 16

_EXTENSIBLE = 0xFFFE  # the real format tag is the first two bytes of the sub-format
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what programs write that cannot seek back in their output


class AudioError(ValueError):
    """The audio cannot be understood; the text says what is accepted."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAV header says. `data_bytes` is None where the header leaves the length open."""

    sample_rate_hz: int
    channels: int
    samples: SampleFormat
    data_offset: int
    data_bytes: int | None

    @property
    def bytes_per_s(self) -> int:
        """Bytes that are one second of the samples."""
        return self.sample_rate_hz * self.channels * self.samples.width_bytes


def may_start_riff(head: bytes) -> bool:
    """Tell whether a stream that begins with `head` can still turn out to be a WAV file."""
    return b"RIFF".startswith(head[:4]) and b"WAVE".startswith(head[8:12])


def parse_header(head: bytes) -> WavHeader | None:
    """Parse the header at the start of `head`; None when more bytes are needed.

    Raises AudioError for a header that is broken, or for samples that are compressed.
    """
    position, layout = 12, None
    for _ in range(MAX_CHUNKS):
        if len(head) < position + 8:
            break
        name = head[position : position + 4]
        (size,) = struct.unpack_from("<I", head, position + 4)
        body = position + 8
        if name == b"data":
            if layout is None:
                raise AudioError("the WAV header has no format before its data")
            return WavHeader(*layout, body, None if size in _UNKNOWN_SIZES else size)
        if name == b"fmt " and len(head) >= body + min(size, 40):
            layout = _parse_format(head[body : body + size])
        position = body + size + size % 2
    if len(head) >= position + 8 or max(position, len(head)) > MAX_HEADER_BYTES:
        raise AudioError("the WAV header is broken or too long")
    return None


def _parse_format(body: bytes) -> tuple[int, int, SampleFormat]:
    if len(body) < 16:
        raise AudioError("the WAV header has a format chunk that is too short")
    tag, channels, rate = struct.unpack_from("<HHI", body)
    (bits,) = struct.unpack_from("<H", body, 14)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    samples = find_format(tag, bits)
    if samples is None:
        raise AudioError(
            f"WAV with format tag {tag} and {bits} bits: PCM of 8, 16, 24 and 32 bits, float, "
            "A-law and mu-law are accepted"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"WAV with {channels} channels: 1 to {MAX_CHANNELS} are accepted")
    return rate, channels, samples
