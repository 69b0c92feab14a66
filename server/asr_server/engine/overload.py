"""The shedding ladder at work: sees how late live work is, and says what is left undone."""

from asr_server.engine import pipeline
from asr_server.link import messages
from asr_server.scheduling import shedding

WATCH_S = 0.5  # while a step is in force, the engine looks at least so often whether all is calm


class Overload:
    """The ladder of one engine."""

    def __init__(self, line: pipeline.Pipeline) -> None:
        self._line = line
        self._limits = messages.SheddingLimits()
        self._ladder = shedding.Ladder()
        self._files = 0
        self._told = shedding.Step.NOTHING

    @property
    def files_wait(self) -> bool:
        """Whether files stand behind all that is live."""
        return self._ladder.step >= shedding.Step.FILES_WAIT

    def configure(self, limits: messages.SheddingLimits) -> None:
        """Climb by these limits from now on."""
        self._limits = limits
        self._apply()

    def hold_files(self, count: int) -> None:
        """Count files that have to wait."""
        self._files += count

    def observe(self, now: float) -> bool:
        """See how late live work is; return whether files have to wait from now on."""
        held = self.files_wait
        self._ladder = self._ladder.after(self._line.find_lateness(now), self._limits, now)
        self._apply()
        return self.files_wait and not held

    def limit_wait(self, wait_s: float | None) -> float | None:
        """Return for how long the engine may wait: a step is left even where nothing comes."""
        if not self._ladder.step:
            return wait_s
        return WATCH_S if wait_s is None else min(wait_s, WATCH_S)

    def take_news(self) -> list[messages.ToFront]:
        """Return what the front does not know yet."""
        step, partials, files = self._ladder.step, self._line.partials_shed, self._files
        if step == self._told and not partials and not files:
            return []
        self._told, self._line.partials_shed, self._files = step, 0, 0
        return [messages.Overload(int(step), partials, files)]

    def _apply(self) -> None:
        self._line.partial_gap_s = shedding.partial_gap_s(self._ladder.step, self._limits)
        self._line.hold_files(wait=self.files_wait)
