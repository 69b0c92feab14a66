"""How much of what is computed is audio, when utterances of lognormal lengths come at once."""

import threading
import time

from asr_server.bench import exposition
from benchmarks.server.benching import Grown
from benchmarks.server.figures import Figure
from benchmarks.server.lively import MEDIAN_S, make_segments
from benchmarks.server.sending import send_talks
from benchmarks.serving import Server

SEGMENTS, AT_A_TIME, SAMPLE_S = 800, 128, 0.1


class _Watch:
    """Adds up audio and padded audio of the batches of one stage, sample by sample.

    The histograms tell the mean fill of the batches since the last sample, and their padded audio:
    so large batches count for more, as they cost more.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.audio_s = self.padded_s = self.batches = self.items = 0.0

    def __enter__(self) -> "_Watch":
        self._grown = Grown(self._server)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._take()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._take()

    def _take(self) -> None:
        grown, self._grown = self._grown.read(), Grown(self._server)
        fill = exposition.spread(grown, "asr_batch_fill_ratio", stage="asr")
        padded = exposition.spread(grown, "asr_batch_audio_seconds", stage="asr")
        sizes = exposition.spread(grown, "asr_batch_size", stage="asr")
        if fill and padded and sizes:
            self.padded_s += padded.mean * padded.count
            self.audio_s += fill.mean * padded.mean * padded.count
            self.batches += sizes.count
            self.items += sizes.mean * sizes.count


def measure() -> list[Figure]:
    """Return audio over padded audio of all batches of the recogniser."""
    segments = list(make_segments(SEGMENTS))
    with Server("--batch-size=32") as server:
        send_talks(server.url, segments[:AT_A_TIME], AT_A_TIME)
        began = time.monotonic()
        with _Watch(server) as watch:
            send_talks(server.url, segments, AT_A_TIME)
        took_s = time.monotonic() - began
    if not watch.padded_s:
        raise RuntimeError("no batch was seen")
    mean = watch.items / watch.batches
    audio_s = sum(segment.duration_s for segment in segments)
    detail = (
        f"{SEGMENTS} segments, median {MEDIAN_S} s, {AT_A_TIME} at a time, batch size 32: "
        f"{mean:.1f} in a batch, {audio_s / took_s:.0f} audio s/s"
    )
    raw = {"audio_s": watch.audio_s, "padded_s": watch.padded_s, "batches": watch.batches}
    return [Figure("batch_fill_ratio", watch.audio_s / watch.padded_s, "", detail, raw)]
