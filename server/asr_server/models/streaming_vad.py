"""Voice activity detection of audio that is still being spoken, batched across streams.

The network and the rules are those of whole recordings, and so are the spans, wherever the audio
was cut. What is kept of a stream does not grow with its age, and neither does the cost of a piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_server.models import endpointing, frontend, fsmn_vad, ragged, streaming_frontend, vad
from asr_server.speech.pieces import Endpoints, Piece
from asr_server.speech.spans import Span

_SAMPLES_PER_MS = 16
_ROUND_SAMPLES = 8000  # of each stream at least: the padding that may be beside the shortest
_MOST_ROUND_SAMPLES = 960_000  # of all streams together


@dataclass(frozen=True, slots=True)
class VadState:
    """What the detector knows of a stream: its last audio, the memories, where the rules stand."""

    carry: streaming_frontend.Carry
    past: Tensor  # (layers, frames a memory looks back, size)
    heard: endpointing.Heard


class StreamingVad:
    """Finds speech in streams; the network runs batched, the decisions per stream."""

    def __init__(
        self,
        front: frontend.Frontend,
        network: fsmn_vad.FsmnVad,
        config: endpointing.EndpointConfig,
    ):
        self.front = streaming_frontend.StreamingFrontend(front)
        self.network = network
        self.config = config
        with torch.inference_mode():
            past = network.encoder.start(1)[:, 0]
        self._start = VadState(streaming_frontend.START, past, endpointing.Heard())

    def start(self) -> VadState:
        """Return the state of a stream at its beginning."""
        return self._start

    @property
    def hindsight_ms(self) -> int:
        """How much later than a span ends that is known, when a pause ends it."""
        return endpointing.find_hindsight_ms(self.config, vad.MAX_END_SILENCE_MS)

    def advance(self, pieces: Sequence[Piece[VadState]]) -> list[Endpoints[VadState]]:
        """Return what is known after one more piece of each stream, of any length.

        A pause of 800 ms ends a span; a span lasts 60 s at most by FunASR's defaults. Whatever is
        open when the last piece ends, ends with it. The host waits for the device once for every
        length of piece, and once a minute of all of them; lengths within half a second are one.
        """
        runs = [_Run(piece) for piece in pieces]
        with torch.inference_mode():
            while unheard := [run for run in runs if not run.is_done]:
                self._hear(unheard, _plan_round(unheard))
        return [self._describe(run) for run in runs]

    def _hear(self, runs: Sequence["_Run"], samples: int) -> None:
        """Take the next samples of each stream."""
        scored = []
        for run in runs:
            audio, last = run.take(samples)
            carry, stretch = self.front.extend(run.state.carry, audio, last=last)
            run.state = VadState(carry, run.state.past, run.state.heard)
            if stretch.steps:
                scored.append((run, stretch))
        if scored:
            self._score([run for run, _ in scored], [stretch for _, stretch in scored])

    def _score(
        self, runs: Sequence["_Run"], stretches: Sequence[streaming_frontend.Stretch]
    ) -> None:
        past = torch.stack([run.state.past for run in runs], dim=1)
        energies = self.front.energies(stretches)
        features = self.front.features(stretches, energies).to(past.dtype)
        silence, known = self.network(features, past)
        steps = [stretch.steps for stretch in stretches]
        pasts = ragged.windows(known, steps, past.shape[2])
        speech = endpointing.classify(silence.cpu().numpy(), self.config)
        carries = self.front.keep([run.state.carry for run in runs], stretches, energies)
        for run, count, flags, own_past, (carry, bank) in zip(
            runs, steps, speech, pasts, carries, strict=True
        ):
            heard, ended = endpointing.follow(
                run.state.heard, flags[:count], self.config, vad.MAX_END_SILENCE_MS
            )
            run.state = VadState(carry, own_past, heard)
            run.ended += ended
            run.bank.append(bank)

    def _describe(self, run: "_Run") -> Endpoints[VadState]:
        heard = run.state.heard
        if run.piece.last:
            received_ms = self.front.count_samples(run.state.carry) // _SAMPLES_PER_MS
            ended = (*run.ended, *endpointing.finish(heard))
            return Endpoints(run.state, ended, None, received_ms, received_ms, run.bank)
        start = None if heard.start is None else heard.start * endpointing.FRAME_MS
        decided_ms = heard.find_decided(self.config) * endpointing.FRAME_MS
        certain = heard.find_certain(self.config, vad.MAX_END_SILENCE_MS)
        return Endpoints(
            run.state,
            tuple(run.ended),
            start,
            decided_ms,
            certain * endpointing.FRAME_MS,
            run.bank,
        )


class _Run:
    """One piece on its way through the rounds."""

    def __init__(self, piece: Piece[VadState]):
        self.piece = piece
        self.state = piece.state
        self.ended: list[Span] = []
        self.bank: list[Tensor] = []
        self.taken = 0
        self.is_done = False

    @property
    def left(self) -> int:
        """How many samples are not taken."""
        return len(self.piece.audio) - self.taken

    def take(self, samples: int) -> tuple[frontend.Audio, bool]:
        """Return the audio of a round, and whether the stream ends with it."""
        audio = self.piece.audio[self.taken : self.taken + samples]
        self.taken += len(audio)
        self.is_done = self.taken == len(self.piece.audio)
        return audio, self.piece.last and self.is_done


def _plan_round(runs: Sequence[_Run]) -> int:
    """Return how many samples of each to take: those of the shortest, so that none is padded."""
    shortest = min(run.left for run in runs)
    return max(_ROUND_SAMPLES, min(shortest, _MOST_ROUND_SAMPLES // len(runs)))
