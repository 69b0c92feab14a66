import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.models import fbank, frontend, streaming_frontend
from asr_server.speech import sounds

CPU = torch.device("cpu")
STACKS = [(7, 6), (5, 1), (1, 1), (4, 3)]


def make_frontend(stacked, step):
    width = 80 * stacked
    cmvn = torch.linspace(-1, 1, width), torch.linspace(0.5, 2, width)
    config = frontend.FrontendConfig(lfr_m=stacked, lfr_n=step)
    return frontend.Frontend(config, cmvn, CPU)


def make_bank(audio, start):
    """Return the bank of all audio, for a piece that begins at `start`."""
    whole = fbank.log_mel(torch.from_numpy(audio)[None], 80)[0]
    return sounds.Bank([part.numpy() for part in whole.split(7)], start // 160)


def remember(streaming, live, carries, stretches):
    """Compute the banks of those that have steps; let their streams keep what they need of them."""
    scored = [place for place, stretch in enumerate(stretches) if stretch.steps]
    if not scored:
        return None
    energies = streaming.energies(stretches)
    before = [stretches[place] for place in scored]
    kept = streaming.keep([carries[live[place]] for place in scored], before, energies[scored])
    for place, stretch, (carry, fresh) in zip(scored, before, kept, strict=True):
        assert len(fresh) == stretch.frames - stretch.known_frames
        carries[live[place]] = carry
    return energies


@pytest.mark.parametrize("how", ["computed", "remembered", "known"])
@pytest.mark.parametrize(("stacked", "step"), STACKS)
@settings(max_examples=25)
@given(
    rows=st.lists(st.lists(st.integers(0, 3000), min_size=1, max_size=6), min_size=1, max_size=4)
)
def test_pieces_of_many_streams_give_the_features_of_the_whole(stacked, step, rows, how):
    front = make_frontend(stacked, step)
    streaming = streaming_frontend.StreamingFrontend(front)
    noise = np.random.default_rng(len(rows))
    audio = [noise.integers(-3000, 3000, sum(row)).astype(np.int16) for row in rows]
    carries = [streaming_frontend.START] * len(rows)
    found = [[] for _ in rows]
    for turn in range(max(map(len, rows))):
        live = [row for row, lengths in enumerate(rows) if turn < len(lengths)]
        stretches = []
        for row in live:
            start, stop = sum(rows[row][:turn]), sum(rows[row][: turn + 1])
            last = turn + 1 == len(rows[row])
            bank = make_bank(audio[row], start) if how == "known" else None
            carries[row], stretch = streaming.extend(
                carries[row], audio[row][start:stop], last=last, bank=bank
            )
            if bank is not None and start % 160 == 0:
                assert stretch.known_frames == stretch.frames
            assert len(carries[row].audio) < 400 + 160 * (stacked + step)
            stretches.append(stretch)
        energies = None
        if how == "remembered":
            energies = remember(streaming, live, carries, stretches)
        features = streaming.features(stretches, energies)
        for row, steps, stretch in zip(live, features, stretches, strict=True):
            found[row].append(steps[: stretch.steps])
    for samples, parts in zip(audio, found, strict=True):
        waveforms = front.load([samples])
        count = front.count_steps(waveforms.frames[0])
        steps = torch.cat(parts)
        assert len(steps) == count
        if count:
            whole = front.features(waveforms)[0]
            torch.testing.assert_close(steps, whole, atol=1e-4, rtol=0)
