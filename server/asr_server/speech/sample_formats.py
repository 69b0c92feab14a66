"""The sample formats of WAV files, and how each becomes 16-bit samples. Pure.

Source: Microsoft's mmreg.h for the tags; ITU-T G.711 (1988) for A-law and mu-law.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PCM, _FLOAT, _ALAW, _MULAW = 1, 3, 6, 7

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How one sample is written: in this many bytes, little-endian."""

    width_bytes: int
    decode: Callable[[bytes], Samples]


def find_format(tag: int, bits: int) -> SampleFormat | None:
    """Return the format with this tag and this many bits per sample, if it is known."""
    return _FORMATS.get((tag, -(-bits // 8)))


def _decode_unsigned_8(data: bytes) -> Samples:
    return (np.frombuffer(data, np.uint8).astype(np.int16) - np.int16(128)) * np.int16(256)


def _decode_16(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2")


def _decode_24(data: bytes) -> Samples:
    upper = np.frombuffer(data, np.uint8).reshape(-1, 3)[:, 1:]
    return np.frombuffer(upper.tobytes(), "<i2")


def _decode_32(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2")[1::2]


def _decode_float(dtype: str) -> Callable[[bytes], Samples]:
    def decode(data: bytes) -> Samples:
        """Full scale is 1.0: more is clipped, and what is not a number is silence."""
        with np.errstate(invalid="ignore"):  # signalling NaNs
            values = np.nan_to_num(np.frombuffer(data, dtype), nan=0.0, posinf=1.0, neginf=-1.0)
            samples: Samples = (values.clip(-1.0, 1.0) * 32767).astype(np.int16)
            return samples

    return decode


def _make_alaw() -> Samples:
    codes = np.arange(256) ^ 0x55
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    size = np.where(exponent == 0, mantissa * 16 + 8, (mantissa * 16 + 264) << (exponent - 1) % 8)
    return np.where(codes & 0x80, size, -size).astype(np.int16)


def _make_mulaw() -> Samples:
    codes = ~np.arange(256) & 0xFF
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    size = ((mantissa * 8 + 132) << exponent) - 132
    return np.where(codes & 0x80, -size, size).astype(np.int16)


def _look_up(table: Samples) -> Callable[[bytes], Samples]:
    return lambda data: table.take(np.frombuffer(data, np.uint8))


PCM_16 = SampleFormat(2, _decode_16)

_FORMATS = {
    (_PCM, 1): SampleFormat(1, _decode_unsigned_8),
    (_PCM, 2): PCM_16,
    (_PCM, 3): SampleFormat(3, _decode_24),
    (_PCM, 4): SampleFormat(4, _decode_32),
    (_FLOAT, 4): SampleFormat(4, _decode_float("<f4")),
    (_FLOAT, 8): SampleFormat(8, _decode_float("<f8")),
    (_ALAW, 1): SampleFormat(1, _look_up(_make_alaw())),
    (_MULAW, 1): SampleFormat(1, _look_up(_make_mulaw())),
}
