"""The offline utterances of one connection that are in the engine: a task for each.

Whatever happens there, each is resolved once, unless the connection ends before.
"""

import asyncio
import logging
from collections.abc import Callable

from asr_server.link.messages import Recognized
from asr_server.service.engine_link import Engine, Stored
from asr_server.speech import audio, effects, words
from asr_server.speech.hints import Hints

BUFFER_FULL = "the audio buffer of this server is full: send this input again later"
# How soon a file should be answered: what the batch rule orders and sizes batches by.
DEADLINE_S, DEADLINE_PER_AUDIO_S = 1.0, 0.1

Resolve = Callable[[int, effects.Transcript | effects.Failure], None]

logger = logging.getLogger(__name__)


class Utterances:
    """Those that are not answered; `resolve` takes the answers."""

    def __init__(self, engine: Engine, resolve: Resolve) -> None:
        self._engine = engine
        self._resolve = resolve
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, submit: effects.Submit) -> None:
        """Have an utterance recognised."""
        task = asyncio.create_task(self._recognize(submit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def join(self) -> None:
        """Return when those that are there by now are answered."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def cancel(self) -> None:
        """Drop all; none is resolved any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _recognize(self, submit: effects.Submit) -> None:
        number, ended_at, hints = submit.number, submit.ended_at, submit.hints
        try:
            stored = await self._engine.store(submit.samples)
            del submit  # the audio is in the arena now, or nowhere
            result = await self._await_answer(stored, ended_at, hints)
        except Exception:  # whatever happens, the input gets its final
            logger.exception("an utterance failed inside the server")
            result = effects.Failure("internal error")
        self._resolve(number, result)

    async def _await_answer(
        self, stored: Stored | None, ended_at: float, hints: Hints
    ) -> effects.Transcript | effects.Failure:
        if stored is None:
            return effects.Failure(BUFFER_FULL)
        audio_s = audio.duration_s(stored.samples)
        deadline = ended_at + DEADLINE_S + DEADLINE_PER_AUDIO_S * audio_s
        answer = await self._engine.recognize(stored, "file", ended_at, deadline, hints)
        if isinstance(answer, Recognized):
            spoken = (words.Words(part.tokens, part.stamps) for part in answer.segments)
            return effects.Transcript(answer.text, words.join(spoken))
        return effects.Failure(answer.reason)
