"""Voice activity detection of audio that is still being spoken, batched across streams.

The network and the rules are those of whole recordings, and so are the spans, wherever the audio
was cut. What is kept of a stream does not grow with its age, and neither does the cost of a piece.
How many operations a batch takes does not depend on its rows.
"""

from collections.abc import Sequence

import msgspec
import torch

from asr_server.models import (
    endpoint_rules,
    endpointing,
    frontend,
    fsmn_vad,
    ragged,
    slots,
    streaming_frontend,
    vad,
)
from asr_server.speech.pieces import Endpoints, Piece
from asr_server.speech.spans import Span

_SAMPLES_PER_MS = 16
_FRAME_MS = endpoint_rules.FRAME_MS
_ROUND_SAMPLES = 8000  # of each stream at least: the padding that may be beside the shortest
_CPU_ROUND_SAMPLES = 960_000  # of all streams together, at most
_CUDA_ROUND_SAMPLES = 16_000_000


class VadState(msgspec.Struct, frozen=True):
    """What the detector knows of a stream: its last audio, the memories, where the rules stand.

    `past` holds (layers, frames a memory looks back, size).
    """

    carry: streaming_frontend.Carry
    past: slots.Slot
    heard: endpointing.Heard


class StreamingVad:
    """Finds speech in streams; the network runs batched, the decisions per stream.

    `pads`: pieces are padded to the longest sooner than the host waits once more, as on a GPU.
    """

    def __init__(
        self,
        front: frontend.Frontend,
        network: fsmn_vad.FsmnVad,
        config: endpoint_rules.EndpointConfig,
    ):
        self.front = streaming_frontend.StreamingFrontend(front)
        self.network = network
        self.config = config
        self.pads = front.device.type == "cuda"
        self.rules = endpoint_rules.read_rules(config, vad.MAX_END_SILENCE_MS)
        with torch.inference_mode():
            start = network.encoder.start(1).transpose(0, 1)
            self._pasts = slots.Slots(start.shape[1:], start.dtype, start.device)
            (past,) = self._pasts.write(start)
        self._start = VadState(streaming_frontend.START, past, endpointing.Heard())

    def start(self) -> VadState:
        """Return the state of a stream at its beginning."""
        return self._start

    @property
    def hindsight_ms(self) -> int:
        """How much later than a span ends that is known, when a pause ends it."""
        return self.rules.hindsight * _FRAME_MS

    def advance(self, pieces: Sequence[Piece[VadState]]) -> list[Endpoints[VadState]]:
        """Return what is known after one more piece of each stream, of any length.

        A pause of 800 ms ends a span; a span lasts 60 s at most by FunASR's defaults. Whatever is
        open when the last piece ends, ends with it. The host waits for the device once a round: on
        a GPU that is once for a batch of less than a quarter of an hour, on a CPU once for every
        length of piece, and once a minute of all of them; lengths within half a second are one.
        """
        runs = [_Run(piece) for piece in pieces]
        with torch.inference_mode():
            while unheard := [run for run in runs if not run.is_done]:
                self._hear(unheard, _plan_round(unheard, pads=self.pads))
        return [self._describe(run) for run in runs]

    def _hear(self, runs: Sequence["_Run"], samples: int) -> None:
        """Take the next samples of each stream."""
        scored, stretches = [], []
        for run in runs:
            audio, last = run.take(samples)
            run.carry, stretch = self.front.extend(run.carry, audio, last=last)
            if stretch.steps:
                scored.append(run)
                stretches.append(stretch)
        if scored:
            self._score(scored, stretches)

    def _score(
        self, runs: Sequence["_Run"], stretches: Sequence[streaming_frontend.Stretch]
    ) -> None:
        past = self._pasts.read([run.past for run in runs])
        energies = self.front.energies(stretches)
        features = self.front.features(stretches, energies).to(past.dtype)
        silence, known = self.network(features, past.transpose(0, 1))
        steps = [stretch.steps for stretch in stretches]
        speech = endpointing.classify(silence.cpu().numpy(), self.config)
        pasts = self._pasts.write(ragged.cut_windows(known, steps, past.shape[2]))
        heard = [run.heard for run in runs]
        followed = endpointing.follow_all(heard, speech, steps, self.rules)
        for run, own, (now, ended) in zip(runs, pasts, followed, strict=True):
            run.past, run.heard = own, now
            if ended:
                run.ended += ended
        if self.front.front.keeps_banks:
            kept = self.front.keep([run.carry for run in runs], stretches, energies)
            for run, (carry, bank) in zip(runs, kept, strict=True):
                run.carry = carry
                run.bank.append(bank)

    def _describe(self, run: "_Run") -> Endpoints[VadState]:
        heard = run.heard
        state = VadState(run.carry, run.past, heard)
        if run.piece.last:
            received_ms = self.front.count_samples(run.carry) // _SAMPLES_PER_MS
            ended = (*run.ended, *endpointing.finish(heard))
            return Endpoints(state, ended, None, received_ms, received_ms, run.bank)
        return Endpoints(
            state,
            tuple(run.ended),
            None if heard.start is None else heard.start * _FRAME_MS,
            heard.find_decided(self.rules) * _FRAME_MS,
            heard.find_certain(self.rules) * _FRAME_MS,
            run.bank,
        )


class _Run:
    """One piece on its way through the rounds."""

    __slots__ = ("bank", "carry", "ended", "heard", "is_done", "past", "piece", "taken")

    def __init__(self, piece: Piece[VadState]):
        state = piece.state
        self.piece = piece
        self.carry, self.past, self.heard = state.carry, state.past, state.heard
        self.ended: list[Span] = []
        self.bank: list[frontend.Frames] = []
        self.taken = 0
        self.is_done = False

    @property
    def left(self) -> int:
        """How many samples are not taken."""
        return len(self.piece.audio) - self.taken

    def take(self, samples: int) -> tuple[frontend.Audio, bool]:
        """Return the audio of a round, and whether the stream ends with it."""
        piece, start = self.piece, self.taken
        self.taken += samples
        if self.taken < len(piece.audio):
            return piece.audio[start : self.taken], False
        self.taken, self.is_done = len(piece.audio), True
        return piece.audio[start:] if start else piece.audio, piece.last


def _plan_round(runs: Sequence[_Run], *, pads: bool) -> int:
    """Return how many samples of each to take: those of the longest, or of the shortest."""
    left = [run.left for run in runs]
    if pads:
        return max(_ROUND_SAMPLES, min(max(left), _CUDA_ROUND_SAMPLES // len(runs)))
    return max(_ROUND_SAMPLES, min(*left, _CPU_ROUND_SAMPLES // len(runs)))
