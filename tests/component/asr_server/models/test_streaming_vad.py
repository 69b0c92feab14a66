"""The streaming detector finds what the detector of whole recordings finds, however audio comes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.models import fbank
from asr_server.speech.pieces import Piece

LENGTHS = st.lists(st.sampled_from([0, 1, 159, 399, 960, 9600, 50_000]), max_size=12)


def run_streams(vad, recordings, cuts):
    """Feed recordings in pieces of these lengths, each batch the next piece of all of them."""
    states = [vad.start() for _ in recordings]
    banks = [[torch.empty(0, 80)] for _ in recordings]
    found = [[] for _ in recordings]
    for turn in range(max(map(len, cuts)) + 1):
        rows = [row for row, lengths in enumerate(cuts) if turn <= len(lengths)]
        pieces = []
        for row in rows:
            start = sum(cuts[row][:turn])
            last = turn == len(cuts[row])
            stop = len(recordings[row]) if last else start + cuts[row][turn]
            pieces.append(Piece(states[row], recordings[row][start:stop], last=last))
        for row, piece, after in zip(rows, pieces, vad.advance(pieces), strict=True):
            states[row] = after.state
            found[row] += after.ended
            banks[row] += after.bank
            assert all(part.untyped_storage().nbytes() == part.nbytes for part in after.bank)
            if piece.last:
                assert after.open_since is None
                assert after.decided_ms == len(recordings[row]) // 16
                whole = fbank.log_mel(torch.from_numpy(recordings[row])[None], 80)[0]
                torch.testing.assert_close(torch.cat(banks[row]), whole, atol=1e-4, rtol=0)
    return found


@pytest.fixture(scope="module")
def recordings(utterances):
    """Utterances with pauses between them, some long enough to end a span; odd ones beside them."""
    noise = np.random.default_rng(4)
    spoken = []
    for first in (0, 10):
        parts = []
        for utterance, seconds in zip(utterances[first:], (0.1, 1.5, 0.4, 0.9), strict=False):
            parts.append(noise.integers(-20, 20, int(seconds * 16000)).astype(np.int16))
            parts.append(utterance.audio)
        spoken.append(np.concatenate(parts))
    return [spoken[0], np.zeros(40_000, np.int16), spoken[1], np.zeros(399, np.int16), spoken[0]]


@settings(max_examples=12)
@given(cuts=st.lists(LENGTHS, min_size=5, max_size=5))
def test_streams_in_one_batch_have_the_spans_of_the_whole(models, recordings, cuts):
    whole = models.vad.detect(recordings)
    assert len(whole[0]) >= 3
    assert run_streams(models.streaming_vad, recordings, cuts) == whole


def test_live_streams_have_the_spans_of_the_whole(models, recordings):
    """Pieces of 60 ms, as FunASR's clients send them, and what is said of a span that is open."""
    vad, audio = models.streaming_vad, recordings[0]
    state, told, ended = vad.start(), [], []
    for start in range(0, len(audio), 960):
        after = vad.advance([Piece(state, audio[start : start + 960])])[0]
        assert all(span.start_ms in told for span in after.ended)
        assert after.decided_ms * 16 <= start + 960
        state = after.state
        told += [after.open_since] * (after.open_since is not None)
        ended += after.ended
    ended += vad.advance([Piece(state, audio[:0], last=True)])[0].ended
    assert ended == models.vad.detect([audio])[0]


def test_a_batch_that_failed_can_be_tried_again(models, recordings, monkeypatch):
    vad, audio = models.streaming_vad, recordings[0]
    pieces = [Piece(vad.advance([Piece(vad.start(), audio[:9000])])[0].state, audio[9000:])]
    first = vad.advance(pieces)[0]
    monkeypatch.setattr(vad.network, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vad.advance(pieces)
    monkeypatch.undo()
    assert vad.advance(pieces)[0].ended == first.ended


def test_the_state_of_a_stream_does_not_grow(models):
    vad = models.streaming_vad
    hiss = np.random.default_rng(2).integers(-20, 20, 16000 * 60).astype(np.int16)
    sizes = set()
    after = vad.advance([Piece(vad.start(), hiss[:960])])[0]
    for _ in range(3):
        after = vad.advance([Piece(after.state, hiss)] * 2)[1]
        state = after.state
        sizes.add((state.past.untyped_storage().nbytes(), state.past.nbytes))
        assert state.heard.recent < 1 << 20
        assert state.carry.audio.base is None
        assert len(state.carry.audio) < 1200
    assert len(sizes) == 1
