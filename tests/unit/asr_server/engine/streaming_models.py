"""Streaming models without torch: they see frames of 10 ms; one that is not silent is speech.

What they do follows from the audio of a stream alone, so that any cutting of it must give the same.
"""

from dataclasses import dataclass, replace

import numpy as np

from asr_server.speech.pieces import Endpoints, Spoken
from asr_server.speech.spans import Span

FRAME, FRAME_MS = 160, 10
PATIENCE, LOOKAHEAD, LONGEST = 20, 5, 300  # frames


def frames_of(audio):
    """Return a bank: its frames are the samples."""
    count = len(audio) // FRAME
    return audio[: count * FRAME].reshape(count, FRAME).copy()


def check_bank(audio, bank, *, before):
    """See that a bank is that of the audio and its past; return how many frames it has of it."""
    known = np.concatenate([np.zeros((0, FRAME), np.int16), *bank.cut(before, 1 << 20)])[before:]
    count = min(len(known), len(audio) // FRAME)
    assert np.array_equal(known[:count], frames_of(audio)[:count])
    return count


@dataclass(frozen=True)
class VadState:
    rest: np.ndarray
    frames: int = 0
    start: int | None = None
    spoken: int = 0  # the frame after the last that was speech

    def hear(self, is_speech):
        """Return the state after one more frame, and the span that ends with it."""
        now = replace(self, frames=self.frames + 1)
        if is_speech:
            start = self.frames if self.start is None else self.start
            now = replace(now, start=start, spoken=now.frames)
        if now.start is None:
            return now, None
        if now.frames - now.spoken >= PATIENCE:
            return replace(now, start=None), now.span(now.spoken + LOOKAHEAD)
        if now.frames - now.start >= LONGEST:
            return replace(now, start=None), now.span(now.frames)
        return now, None

    def span(self, end):
        return Span(self.start * FRAME_MS, end * FRAME_MS)


class StreamingVad:
    hindsight_ms = (PATIENCE - LOOKAHEAD) * FRAME_MS

    def __init__(self, run):
        self._run = run

    def start(self):
        return VadState(np.zeros(0, dtype=np.int16))

    def advance(self, batch):
        self._run("pieces", [piece.audio for piece in batch])
        return [self._advance(piece) for piece in batch]

    def _advance(self, piece):
        audio = np.concatenate([piece.state.rest, piece.audio])
        frames = len(audio) // FRAME
        state, ended = piece.state, []
        bank = frames_of(audio)
        for frame in bank.any(axis=1).tolist():
            state, span = state.hear(frame)
            ended += [span] if span else []
        if piece.last and state.start is not None:
            ended.append(state.span(state.frames))
            state = replace(state, start=None)
        state = replace(state, rest=audio[frames * FRAME :].copy())
        open_since = None if state.start is None else state.start * FRAME_MS
        decided = state.frames if state.start is None else state.start
        certain = min(state.frames, state.spoken + LOOKAHEAD)
        known = [bank] if frames else []
        spans = (decided * FRAME_MS, certain * FRAME_MS)
        return Endpoints(state, tuple(ended), open_since, *spans, known)


class StreamingRecognizer:
    """A step's tokens tell what was in it, and which step it was."""

    def __init__(self, run):
        self._run = run

    def step_samples(self, chunk_size):
        if chunk_size[1] < 1:
            raise ValueError(f"no chunk of {chunk_size[1]} frames")
        return chunk_size[1] * 960

    def start(self, chunk_size):
        return (self.step_samples(chunk_size), 0)

    def advance(self, batch):
        self._run("asr_online", [piece.audio for piece in batch])
        return [self._advance(piece) for piece in batch]

    def _advance(self, piece):
        step_samples, steps = piece.state
        assert len(piece.audio) < step_samples if piece.last else len(piece.audio) == step_samples
        if piece.bank is not None:
            before = min(3, steps * step_samples // FRAME)
            assert check_bank(piece.audio, piece.bank, before=before) == len(piece.audio) // FRAME
        digest = int(piece.audio.astype(np.int64).sum())
        tokens = (f"s{steps}", f"d{digest}") if digest else ()
        return Spoken((step_samples, steps + 1), tokens)
