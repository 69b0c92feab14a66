"""The files of one run: several at a time, each with its outputs."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from asr_server.client import inputs
from asr_server.client.attempts import make_file_source, transcribe
from asr_server.client.exchange import NoAnswerError, Watcher
from asr_server.client.inputs import Recording
from asr_server.client.progress import Progress
from asr_server.client.results import Outputs, Result
from asr_server.client.settings import ClientSettings
from asr_server.client.transcript import Transcript

CHAR_MS = 250  # of speech, where nothing else tells how long it was


class Batch:
    """The files of one run, and what became of them."""

    def __init__(self, recordings: Sequence[Recording], settings: ClientSettings) -> None:
        several = len(recordings) > 1
        self.outcomes: Counter[str] = Counter()
        self._settings = settings
        self._outputs = Outputs(settings.output, settings.formats, several=several)
        self._progress = Progress(len(recordings), quiet=settings.quiet)
        self._watcher = Watcher(self._progress.show, lambda _: None)

    async def work(self, queue: Iterator[Recording]) -> None:
        """Do one file after the other. Raises UnreachableError."""
        for recording in queue:
            if self._outputs.are_there(recording) and not self._settings.overwrite:
                self._finish(recording, "done", "is done already (--overwrite does it again)")
            else:
                await self._recognize(recording)

    async def _recognize(self, recording: Recording) -> None:
        began = time.monotonic()
        source = make_file_source(recording, self._settings)
        try:
            found = await transcribe(source, self._settings, self._watcher, self._progress.tell)
            if found.problem is not None:
                raise NoAnswerError(found.problem)
            result = self._make_result(recording, found)
            self._outputs.put(recording, result)
        except (inputs.UnreadableError, NoAnswerError) as error:
            self._finish(recording, "failed", str(error))
        except OSError as error:
            self._finish(recording, "failed", f"cannot write its output: {error}")
        else:
            took_s = time.monotonic() - began
            said = f"{result.duration_ms / 1000:.1f} s of audio in {took_s:.1f} s"
            self._finish(recording, "done", said)

    def _make_result(self, recording: Recording, found: Transcript) -> Result:
        duration_ms = found.received_ms
        if duration_ms is None:
            duration_ms = inputs.estimate_ms(recording, self._settings.sample_rate_hz)
        if duration_ms is None:
            duration_ms = len(found.text) * CHAR_MS
        segments = tuple(found.segments(duration_ms))
        return Result(recording.shown, found.mode, found.text, duration_ms, segments)

    def _finish(self, recording: Recording, outcome: str, said: str) -> None:
        self.outcomes[outcome] += 1
        if outcome == "failed":
            said = f"FAILED: {said}"
        self._progress.finish(recording.shown, said, matters=outcome == "failed")
