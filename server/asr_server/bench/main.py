"""`asr-bench`: how many people at a time a server answers within an objective."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence

from asr_server.bench import arrivals, corpus, exposition, picture, report, search, speech, verdict
from asr_server.bench.report import Row
from asr_server.bench.settings import BenchSettings, parse_settings
from asr_server.bench.stages import break_down
from asr_server.bench.trial import Progress, run_trial
from asr_server.client.arguments import UsageError
from asr_server.client.connecting import UnreachableError, make_tls, open_connection
from asr_server.client.progress import Progress as Screen

OK, NOT_MET, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130
TELL_S = 30  # where there is no terminal to show it on


class Bench:
    """A run of trials."""

    def __init__(self, settings: BenchSettings) -> None:
        self.settings = settings
        self.rows: list[Row] = []
        self.is_complete = False
        self._phrases = corpus.load_phrases(settings.speech.folder, settings.speech.end_silence_s)
        self._screen = Screen(1, quiet=settings.quiet)

    @property
    def largest(self) -> int:
        """The largest number of sessions that held."""
        return search.find_largest({row.trial.sessions: not row.faults for row in self.rows})

    async def run(self) -> None:
        """Run all trials. Raises UnreachableError, and UsageError where no metrics are."""
        if self.settings.metrics_url:
            exposition.fetch_page(self.settings.metrics_url)
        socket = await open_connection(self.settings.server, self._screen.tell)
        await socket.close()
        for sessions in self._levels():
            row = await self._try(sessions)
            self.rows.append(row)
            self._screen.tell(report.render_row(row))
            if row.breakdown:
                self._screen.tell(report.render_breakdown(row.breakdown))
        self.is_complete = True

    def _levels(self) -> Iterator[int]:
        yield from self.settings.levels
        while not self.settings.levels:
            held = {row.trial.sessions: not row.faults for row in self.rows}
            wanted = search.choose_next(held, self.settings.first, self.settings.most)
            if wanted is None:
                return
            yield wanted

    async def _try(self, sessions: int) -> Row:
        settings, said = self.settings, self.settings.speech
        speaker = speech.make_speaker(said.lengths, self._phrases, said.seed)
        plans = arrivals.plan_crowd(
            sessions, settings.duration_s, said.silence_ratio, speaker, said.seed
        )

        def show(progress: Progress) -> None:
            line = report.render_progress(progress, sessions)
            if not sys.stderr.isatty() and not settings.quiet and not round(progress.at_s) % TELL_S:
                self._screen.tell(line)
            self._screen.show(line)

        before = await self._fetch_metrics()
        trial = await run_trial(settings.server, settings.mode, plans, show, settings.frame_s)
        after = await self._fetch_metrics()
        objective = verdict.Objective(settings.objective_s, settings.max_cer)
        return Row(
            trial,
            verdict.find_faults(trial, objective),
            verdict.find_doubts(trial),
            break_down(exposition.subtract(before, after)) if before and after else None,
        )

    async def _fetch_metrics(self) -> exposition.Page:
        """Return what the server counted; nothing where that is not known, which ends no search."""
        if not self.settings.metrics_url:
            return {}
        try:
            return await asyncio.to_thread(exposition.fetch_page, self.settings.metrics_url)
        except UsageError as error:
            self._screen.tell(str(error))
            return {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        settings = parse_settings(sys.argv[1:] if arguments is None else arguments)
        make_tls(settings.server)
        bench = Bench(settings)
        return _run(bench)
    except UsageError as error:
        return _fail(USAGE, str(error))
    except UnreachableError as error:
        return _fail(UNREACHABLE, f"{settings.server.url}: {error}")
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted")


def _run(bench: Bench) -> int:
    try:
        asyncio.run(bench.run())
    except KeyboardInterrupt:
        if bench.rows:
            _conclude(bench)
        raise
    return _conclude(bench)


def _conclude(bench: Bench) -> int:
    """Tell and write what it comes to so far. Raises UsageError where it cannot be written."""
    settings, rows = bench.settings, bench.rows
    conclusion = report.render_conclusion(rows, settings, bench.largest)
    if not bench.is_complete:
        conclusion = f"interrupted, so far: {conclusion}"
    print(conclusion, flush=True)
    try:
        if settings.json:
            found = report.describe(rows, settings, bench.largest)
            found["complete"] = bench.is_complete
            text = json.dumps(found, ensure_ascii=False, indent=1)
            settings.json.write_text(text + "\n", encoding="utf-8")
        if settings.picture:
            picture.draw(settings.picture, rows, settings.objective_s, conclusion)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write the results: {error}") from None
    met = all(not row.faults for row in rows) if settings.levels else bench.largest > 0
    return OK if met else NOT_MET


def _fail(status: int, reason: str) -> int:
    print(f"asr-bench: {reason}", file=sys.stderr)
    return status
