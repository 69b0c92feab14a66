"""A server under crowds, in virtual time: what ladder and limit make of each other.

The server does `cores` seconds of work in a second. A stream costs some from its first moment on
(front and VAD), more once partials are due, and some for each final; the figures are those of the
demo models on two cores, where 280 streams have all in time and 425 their finals. The ladder and
the limit are the real ones; so is the order, finals before partials. Newcomers wait at a door for
some seconds, knock again when they are refused, and give up after a while.
"""

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass, field

from asr_server.scheduling.capacity import Capacity
from asr_server.scheduling.shedding import Ladder, Lateness, Step
from asr_server.service.door import WAIT_S

CORES = 1.96
LISTEN_S, PARTIALS_S, FINALS_S = 0.0034, 0.0024, 0.0012  # of work, for a second of a stream
FIRST_PARTIAL_S, FIRST_FINAL_S, BETWEEN_FINALS_S = 1.5, 3.8, 3.6
DUE_S = 0.2
TICK_S, LOOK_TICKS = 0.05, 5
RETRY_S = (0.3, 2.3)
CROWD_S = 3.0


@dataclass(frozen=True)
class Limits:
    late_ms: float = 100.0
    partial_interval_ms: float = 2400.0


@dataclass(eq=False)
class Client:
    """When it comes, how long it stays once it is in, and when it gives up."""

    came_at: float
    stays_s: float
    gives_up_at: float
    entered_at: float | None = None
    final_at: float = 0.0

    @property
    def waited_s(self):
        """How long it took to be let in; None: it never was."""
        return None if self.entered_at is None else self.entered_at - self.came_at


@dataclass
class Work:
    """What is to be done: seconds of work, and from when it is late."""

    seconds: float
    due: float
    is_final: bool = False


@dataclass
class Server:
    """`busy`: (from, until, share of the cores that others take)."""

    cores: float = CORES
    busy: tuple = ()
    capacity: Capacity = field(default_factory=Capacity)
    seed: int = 1

    def __post_init__(self):
        self.draw = random.Random(self.seed)
        self.ticks = 0
        self.ladder = Ladder()
        self.serial = itertools.count()
        self.clients = []
        self.knocks = []  # a heap of (time, serial, client)
        self.door = deque()  # (since, client)
        self.open = []
        self.urgent, self.partials = deque(), deque()
        self.latencies = []  # (when the final was due, seconds)
        self.history = []  # (time, open streams, step, limit)

    @property
    def now(self):
        return self.ticks * TICK_S

    def expect(self, came_at, stays_s, patience_s=20.0):
        """Somebody will come."""
        client = Client(came_at, stays_s, came_at + patience_s)
        self.clients.append(client)
        heapq.heappush(self.knocks, (came_at, next(self.serial), client))
        return client

    def expect_crowd(self, size, at, stays_s=12.0, patience_s=20.0):
        """So many will come within seconds, speak until the same time, and finish their turn."""
        return [
            self.expect(at + late_s, stays_s - late_s + self.draw.uniform(0, 3.5), patience_s)
            for late_s in (self.draw.uniform(0, CROWD_S) for _ in range(size))
        ]

    def run(self, until):
        """Let time pass."""
        while self.now < until:
            self._let_go()
            self._let_in()
            self._speak()
            self._work()
            self._look()
            self.ticks += 1

    def p95_s(self, start, end):
        """Return how late finals were that were due in this time."""
        found = sorted(late_s for due, late_s in self.latencies if start <= due < end)
        return found[int(0.95 * len(found))]

    def streams(self, start, end):
        """Return the numbers of open streams."""
        return [open_streams for at, open_streams, *_ in self.history if start <= at < end]

    def _let_go(self):
        gone = [each for each in self.open if each.entered_at + each.stays_s <= self.now]
        for client in gone:
            self.open.remove(client)
            if self.now - client.entered_at > FIRST_FINAL_S:
                self._owe_final()

    def _let_in(self):
        while self.knocks and self.knocks[0][0] <= self.now:
            self.door.append((self.now, heapq.heappop(self.knocks)[2]))
        while self.door and self._has_room:
            _, client = self.door.popleft()
            client.entered_at, client.final_at = self.now, self.now + FIRST_FINAL_S
            self.open.append(client)
        while self.door and self.door[0][0] + WAIT_S <= self.now:
            _, client = self.door.popleft()
            if self.now < client.gives_up_at:
                again = self.now + self.draw.uniform(*RETRY_S)
                heapq.heappush(self.knocks, (again, next(self.serial), client))

    @property
    def _has_room(self):
        return self.ladder.step < Step.REFUSE and len(self.open) + 1 <= self.capacity.streams

    def _speak(self):
        due = self.now + DUE_S
        self.urgent.append(Work(LISTEN_S * TICK_S * len(self.open), due))
        for client in self.open:
            if client.final_at <= self.now:
                client.final_at += BETWEEN_FINALS_S
                self._owe_final()
        share = {Step.NOTHING: 1.0, Step.FEWER_PARTIALS: 0.4}.get(self.ladder.step, 0.0)
        if not share:
            self.partials.clear()
            return
        speaking = sum(self.now - each.entered_at > FIRST_PARTIAL_S for each in self.open)
        self.partials.append(Work(share * PARTIALS_S * TICK_S * speaking, due))

    def _owe_final(self):
        seconds = FINALS_S * BETWEEN_FINALS_S
        self.urgent.append(Work(seconds, self.now + DUE_S, is_final=True))

    def _work(self):
        taken = max((share for a, b, share in self.busy if a <= self.now < b), default=0.0)
        left_s = self.cores * (1 - taken) * TICK_S
        for queue in (self.urgent, self.partials):
            while queue and left_s > 0:
                done_s = min(left_s, queue[0].seconds)
                queue[0].seconds -= done_s
                left_s -= done_s
                if queue[0].seconds <= 1e-12:
                    work = queue.popleft()
                    if work.is_final:
                        came_at = work.due - DUE_S
                        self.latencies.append((came_at, self.now + TICK_S - came_at))

    def _look(self):
        late = [max(0.0, self.now - queue[0].due) if queue else 0.0 for queue in self._queues]
        self.ladder = self.ladder.after(Lateness(*late), Limits(), self.now)
        if self.ticks % LOOK_TICKS == 0:
            step = self.ladder.step
            self.capacity = self.capacity.after(len(self.open), step, self.now)
        self.history.append((self.now, len(self.open), self.ladder.step, self.capacity.streams))

    @property
    def _queues(self):
        return self.urgent, self.partials
