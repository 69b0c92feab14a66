"""Which streams a new engine may have, and which of them is to blame when engines die. Pure.

Rules
1. When an engine dies, every stream of which it had audio is a suspect. At first all of them are
   tried again together: most engines die of something else. Newcomers are suspects as well.
2. A suspect is cleared when the engine settles something of it, or has lived with it for a while.
3. If the engine dies with suspects that are not cleared, half of them are tried, and nobody else is
   let in; the other half has its turn when they are cleared. So a few deaths find the one to blame.
4. A suspect that was alone when the engine died is to blame.
"""

from collections import deque
from collections.abc import Iterable


class Trial:
    """The suspects on trial, and those who wait for their turn. Without any, all may enter."""

    def __init__(self) -> None:
        self._suspects: list[int] = []
        self._later: deque[list[int]] = deque()
        self._narrowed = False

    @property
    def running(self) -> bool:
        """Whether there are suspects in the engine, or for the next one."""
        return bool(self._suspects)

    def admits(self, stream_id: int) -> bool:
        """Tell whether the engine may have this stream now."""
        return not self._narrowed or stream_id in self._suspects

    def enter(self, stream_id: int) -> None:
        """A new stream was let in."""
        if self._suspects and stream_id not in self._suspects:
            self._suspects.append(stream_id)

    def lose_engine(self, exposed: Iterable[int]) -> int | None:
        """The engine died, and had audio of these; return the stream to blame, if it is known."""
        if not self._suspects:
            self._suspects = list(exposed)
            return None
        if len(self._suspects) == 1:
            blamed = self._suspects[0]
            self._go_on()
            return blamed
        half = len(self._suspects) // 2
        self._later.appendleft(self._suspects[half:])
        self._suspects, self._narrowed = self._suspects[:half], True
        return None

    def clear(self, stream_ids: Iterable[int]) -> bool:
        """These are no suspects; return whether others may enter for that."""
        cleared = set(stream_ids)
        for group in self._later:
            group[:] = [each for each in group if each not in cleared]
        left = [each for each in self._suspects if each not in cleared]
        if left or not self._suspects:
            self._suspects = left
            return False
        self._go_on()
        return True

    def clear_all(self) -> bool:
        """The engine has lived with its suspects for a while; return what `clear` does."""
        return self.clear(self._suspects)

    def _go_on(self) -> None:
        self._suspects = []
        while self._later and not self._suspects:
            self._suspects = self._later.popleft()
        self._narrowed = bool(self._suspects)
