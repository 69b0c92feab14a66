"""Bytes in any pieces become 16 kHz mono int16, or an error that says what is accepted."""

import contextlib
import io
import itertools
import struct
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asr_server.speech import audio, riff

TONE = (8000 * np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)).astype(np.int16)


def wav(samples, rate=16000, channels=1, width=2):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def decode(*pieces, rate=16000, container=audio.Container.PCM):
    decoder = audio.Decoder(rate, container)
    for piece in pieces:
        decoder.feed(piece)
    return decoder.finish()


def tone(rate, seconds=1.0):
    return (8000 * np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 440 / rate)).astype(np.int16)


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_samples_do_not_depend_on_where_the_bytes_are_cut(places):
    assert np.array_equal(decode(*cut(TONE[:500].tobytes(), places)), TONE[:500])


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_a_wav_file_may_be_cut_anywhere_too(places):
    stereo = np.stack([TONE[:500], TONE[:500]], axis=1)
    assert np.array_equal(decode(*cut(wav(stereo, channels=2), places)), TONE[:500])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("container", audio.Container)
def test_other_rates_are_resampled(rate, container):
    data = wav(tone(rate), rate) if container is audio.Container.FILE else tone(rate).tobytes()
    found = decode(*cut(data, range(0, len(data), 777)), rate=rate, container=container)
    assert abs(len(found) - 16000) <= 1
    middle = slice(2000, 14000)
    assert np.abs(found[middle].astype(int) - TONE[middle]).max() < 80


def test_the_rate_in_a_wav_header_wins_over_the_declared_one():
    assert abs(len(decode(wav(tone(8000), 8000), rate=44100)) - 16000) <= 1


def layout(data, tag, width, channels=1, rate=16000):
    """Return a WAV file of these bytes."""
    block = width * channels
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, width * 8)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("tag", "width", "subtype", "allowed"),
    [
        (1, 1, "PCM_U8", 256), (1, 2, "PCM_16", 1), (1, 3, "PCM_24", 1), (1, 4, "PCM_32", 1),
        (3, 4, "FLOAT", 1), (3, 8, "DOUBLE", 1), (6, 1, "ALAW", 260), (7, 1, "ULAW", 260),
    ],
)  # fmt: skip
def test_every_sample_format_is_what_another_library_writes(tag, width, subtype, allowed):
    written = io.BytesIO()
    soundfile.write(written, TONE / 32768, 16000, format="RAW", subtype=subtype, endian="LITTLE")
    stereo = np.frombuffer(written.getvalue(), np.uint8).reshape(-1, width).repeat(2, axis=0)
    for data in (
        layout(written.getvalue(), tag, width),
        layout(stereo.tobytes(), tag, width, channels=2),
    ):
        found = decode(*cut(data, range(0, len(data), 1001)))
        assert len(found) == len(TONE)
        assert np.abs(found.astype(int) - TONE).max() <= allowed


@pytest.mark.parametrize("tag", [6, 7])
def test_every_code_of_g711_is_what_another_library_reads(tag):
    codes = bytes(range(256))
    data = layout(codes, tag, 1)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    assert np.array_equal(decode(data), expected)


def test_floats_that_are_no_numbers_or_too_loud_are_silence_or_clipped():
    values = np.array([np.nan, np.inf, -np.inf, 2.0, -1e30, 0.5, 0.0], "<f4")
    values = np.append(values, np.array([0x7F800001], "<u4").view("<f4"))  # a signalling NaN
    found = decode(layout(values.tobytes(), 3, 4))
    assert found.tolist() == [0, 32767, -32767, 32767, -32767, 16383, 0, 0]


def test_channels_are_mixed():
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    assert np.abs(decode(wav(stereo, channels=2)).astype(int) - TONE // 2).max() <= 1


def test_half_a_sample_at_the_end_is_dropped():
    assert np.array_equal(decode(TONE[:9].tobytes() + b"\x01"), TONE[:9])


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"\x00"], [b"\x00", b""]])
def test_nothing_is_no_samples(pieces):
    assert len(decode(*pieces)) == 0


def test_raw_samples_that_begin_like_a_header_are_samples():
    data = b"RIFFabcdWAVY" + TONE[:10].tobytes()
    assert decode(*cut(data, range(len(data)))).tobytes() == data


@pytest.mark.parametrize("head", [b"R", b"RIFF", b"RIFF\x00\x00\x00\x00WA"])
def test_a_few_bytes_that_could_have_begun_a_header_are_samples(head):
    assert decode(head).tobytes() == head[: len(head) // 2 * 2]


def test_tags_after_the_data_are_not_audio():
    assert np.array_equal(decode(wav(TONE[:100]) + b"LIST\x04\x00\x00\x00abcd"), TONE[:100])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_streamed_wav_without_a_length_lasts_to_the_end(size):
    data = wav(TONE[:100])
    data = data[:40] + struct.pack("<I", size) + data[44:]
    assert np.array_equal(decode(data), TONE[:100])


def test_chunks_before_the_data_are_skipped():
    data = wav(TONE[:100])
    data = data[:12] + b"JUNK\x03\x00\x00\x00abc\x00" + data[12:]
    assert np.array_equal(decode(*cut(data, range(len(data)))), TONE[:100])


def test_the_extensible_format_is_pcm_when_it_says_so():
    data = wav(TONE[:100])
    layout = struct.pack("<HHIIHH", 0xFFFE, 1, 16000, 32000, 2, 16)
    layout += struct.pack("<HHIH", 22, 16, 4, 1) + b"\x00" * 14
    data = data[:12] + b"fmt " + struct.pack("<I", 40) + layout + data[36:]
    assert np.array_equal(decode(data), TONE[:100])


@pytest.mark.parametrize(
    ("data", "container", "reason"),
    [
        (wav(TONE[:8])[:20] + b"\x02" + wav(TONE[:8])[21:], "PCM", "format tag 2 and 16 bits: PCM"),
        (wav(TONE[:8])[:34] + b"\x40" + wav(TONE[:8])[35:], "PCM", "format tag 1 and 64 bits"),
        (wav(TONE[:8])[:22] + b"\x00\x00" + wav(TONE[:8])[24:], "PCM", "0 channels"),
        (wav(TONE[:8], rate=1000), "PCM", "sample rate 1000 Hz"),
        (wav(TONE[:8])[:12] + wav(TONE[:8])[36:], "PCM", "no format before its data"),
        (wav(TONE[:8])[:12] + b"fmt \x02\x00\x00\x00\x01\x00", "PCM", "too short"),
        (wav(TONE[:8])[:12] + b"LIST\xff\xff\xff\xff", "PCM", "broken or too long"),
        (wav(TONE[:8])[:12] + b"JUNK\x00\x00\x00\x00" * 65, "PCM", "broken or too long"),
        (wav(TONE[:8])[:30], "PCM", "inside its WAV header"),
        (wav(TONE[:8])[:5], "FILE", "inside its WAV header"),
        (b"ID3\x03 an mp3", "FILE", "16-bit pcm and wav are accepted"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_a_reason(data, container, reason):
    with pytest.raises(riff.AudioError, match=reason):
        decode(data, container=audio.Container[container])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_no_bytes_after_a_riff_start_crash_the_decoder(data, places):
    with contextlib.suppress(riff.AudioError):
        decode(*cut(b"RIFF\x00\x00\x00\x00WAVE" + data, places))


def test_durations_are_whole_milliseconds_and_exact_seconds():
    assert (audio.duration_ms(16015), audio.duration_s(8000)) == (1000, 0.5)
