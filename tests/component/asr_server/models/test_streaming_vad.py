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
    banks = [[np.zeros((0, 80), np.float32)] for _ in recordings]
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
            assert all(part.base is None for part in after.bank)
            if piece.last:
                assert after.open_since is None
                assert after.decided_ms == len(recordings[row]) // 16
                if vad.front.front.keeps_banks:
                    whole = fbank.log_mel(torch.from_numpy(recordings[row])[None], 80)[0]
                    assert np.abs(np.concatenate(banks[row]) - whole.numpy()).max(initial=0) < 1e-4
                else:
                    assert len(banks[row]) == 1
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


@pytest.fixture(params=[True, False], ids=["with banks", "without"], scope="module")
def detectors(request, models):
    """The models as on a CPU, which keeps banks, and as on a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.streaming_vad.front.front, "keeps_banks", request.param)
        yield models


@settings(max_examples=12)
@given(cuts=st.lists(LENGTHS, min_size=5, max_size=5))
def test_streams_in_one_batch_have_the_spans_of_the_whole(detectors, recordings, cuts):
    whole = detectors.vad.detect(recordings)
    assert len(whole[0]) >= 3
    assert run_streams(detectors.streaming_vad, recordings, cuts) == whole


def test_live_streams_have_the_spans_of_the_whole(detectors, recordings):
    """Pieces of 60 ms, as FunASR's clients send them, and what is said of a span that is open."""
    models = detectors
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


def test_a_gpu_pads_sooner_than_it_waits(models, recordings, monkeypatch):
    """Of all pieces one round is made there, with the same spans."""
    vad = models.streaming_vad
    lengths = []
    score = vad.network.forward

    def count_round(features, past):
        lengths.append(features.shape[:2])
        return score(features, past)

    monkeypatch.setattr(vad.network, "forward", count_round)
    monkeypatch.setattr(vad, "pads", True)
    found = vad.advance([Piece(vad.start(), row, last=True) for row in recordings])
    assert lengths == [(4, fbank.count_frames(max(map(len, recordings))))]
    assert [list(each.ended) for each in found] == models.vad.detect(recordings)


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
    places, sizes = set(), set()
    after = vad.advance([Piece(vad.start(), hiss[:960])])[0]
    for _ in range(6):
        after = vad.advance([Piece(after.state, hiss)] * 2)[1]
        state = after.state
        sizes.add(sum(part.nbytes for part in state.carry.known))
        places.add(state.past.place)
        assert state.heard.recent < 1 << 20
        assert state.carry.audio.base is None
        assert len(state.carry.audio) < 1200
    assert len(sizes) == 1
    assert len(places) <= 4
