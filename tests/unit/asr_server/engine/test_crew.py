import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_server.engine import crew, stages
from asr_server.link import messages
from asr_server.scheduling import batch_rule, work
from tests.unit.asr_server.engine.test_streams import sound, spans, talk

POISON = 666


def make_stage(compute):
    return stages.Stage("asr", compute)


def begin(stage, *values, item_class="file"):
    """Return a batch of values, and what its tasks are told."""
    told = []
    items = [add(stage, value, told, item_class=item_class) for value in values]
    return stage.begin(batch_rule.Release(tuple(items), "idle")), told


def add(stage, value, told=None, item_class="file"):
    """Let a value wait; return its item."""
    told = [] if told is None else told
    item = work.WorkItem(value, 0, item_class, 1.0, 9.0, 0.0, 0.0)
    stage.add(stages.Task(item, lambda: value, told_taker(told), told.append))
    return item


def told_taker(told):
    return lambda output, _now: told.append(output)


def test_two_workers_compute_two_batches_at_a_time(device, clock):
    meeting = threading.Barrier(2)
    woken = threading.Semaphore(0)

    def compute(inputs):
        meeting.wait(timeout=30.0)  # breaks unless the other batch runs too
        return [value * 10 for value in inputs]

    workers = crew.Crew(device, clock, workers=2, wake=woken.release)
    stage = make_stage(compute)
    batches = [begin(stage, 1, 2)[0], begin(stage, 3)[0]]
    for batch in batches:
        assert workers.has_room
        workers.begin(batch)
    assert not workers.has_room
    finished = []
    while len(finished) < 2:
        assert woken.acquire(timeout=30.0)
        finished += workers.take_finished()
    assert sorted(batch.outcomes for batch in finished) == [[10, 20], [30]]
    assert workers.is_idle


def test_what_ends_the_engine_is_raised_where_batches_are_taken(device, clock):
    woken = threading.Event()

    def compute(_inputs):
        raise SystemError("the device is gone")

    workers = crew.Crew(device, clock, workers=2, wake=woken.set)
    workers.begin(begin(make_stage(compute), 1)[0])
    assert woken.wait(timeout=30.0)
    with pytest.raises(SystemError, match="the device is gone"):
        workers.take_finished()


def test_batches_that_run_together_share_the_time(device, clock):
    going_on = {1: threading.Event(), 2: threading.Event()}
    woken = threading.Semaphore(0)

    def compute(inputs):
        assert going_on[inputs[0]].wait(timeout=30.0)
        return inputs

    workers = crew.Crew(device, clock, workers=2, wake=woken.release)
    stage = make_stage(compute)
    first, second = begin(stage, 1)[0], begin(stage, 2)[0]
    workers.begin(first)
    clock.now += 1.0
    workers.begin(second)
    clock.now += 2.0
    going_on[1].set()
    woken.acquire(timeout=30.0)
    assert workers.take_finished() == [first]
    clock.now += 4.0
    going_on[2].set()
    woken.acquire(timeout=30.0)
    assert workers.take_finished() == [second]
    assert (first.charged_s, second.charged_s) == (2.0, 5.0)


def test_what_is_discarded_while_its_batch_runs_is_not_told(device, clock):
    stage = make_stage(lambda inputs: [value * 10 for value in inputs])
    batch, told = begin(stage, 1, 2)
    stage.discard(1)
    batch.run(device, clock)
    stage.finish(batch, clock, lambda _: None)
    assert told == [20]


class LateCrew:
    """Computes a batch when the test says so: as late as possible, and in any order."""

    def __init__(self, device, clock, workers=3):
        self.device, self.clock, self.workers = device, clock, workers
        self.running, self.ended = [], []

    @property
    def has_room(self):
        return len(self.running) < self.workers

    @property
    def is_idle(self):
        return not self.running and not self.ended

    def begin(self, batch):
        self.running.append(batch)

    def compute(self, place):
        batch = self.running.pop(place % len(self.running))
        batch.run(self.device, self.clock)
        self.ended.append(batch)

    def take_finished(self):
        ended, self.ended = self.ended, []
        return ended


@pytest.fixture
def make_late_front(make_front):
    def make(**options):
        return make_front(make_crew=LateCrew, **options)

    return make


def test_while_a_batch_of_a_stage_runs_the_next_one_gathers_until_it_is_full(make_late_front):
    front = make_late_front(batch_size=3, max_wait_ms=0.0)
    running = front.loop._crew.running
    front.turn(front.speak((1, 2.0)))
    front.turn(front.speak((2, 2.0)))
    front.turn(front.speak((3, 2.0)))
    assert [len(batch.tasks) for batch in running] == [1]
    front.turn(front.speak((4, 2.0)))
    assert [len(batch.tasks) for batch in running] == [1, 3]
    front.turn(front.speak((5, 2.0)))
    front.loop._crew.compute(1)
    front.turn()
    assert [(batch.stage.name, len(batch.tasks)) for batch in running] == [("vad", 1), ("asr", 3)]
    front.loop._crew.compute(0)
    front.turn()
    assert [(batch.stage.name, len(batch.tasks)) for batch in running] == [("asr", 3), ("vad", 1)]


@pytest.mark.parametrize(
    ("runs", "comes", "begins"),
    [
        ("file", "final", True),
        ("final", "final", False),
        ("file", "file", False),
        ("file", "partial", False),
    ],
)
def test_a_final_does_not_wait_for_recordings_beside_a_free_worker(runs, comes, begins):
    stage = make_stage(lambda inputs: inputs)
    begin(stage, 1, 2, item_class=runs)
    add(stage, 3, item_class=comes)
    assert stage.may_begin(2) is begins


def test_files_that_have_to_wait_fill_no_batch_of_what_is_live():
    stage = make_stage(lambda inputs: inputs)
    begin(stage, 1, item_class="final")
    for value, item_class in ((2, "final"), (3, "file"), (4, "file")):
        add(stage, value, item_class=item_class)
    assert stage.may_begin(3)
    stage.queue.hold_files(wait=True)
    assert not stage.may_begin(3)
    assert stage.may_begin(1)


def go_on(front, data):
    """Let some batches end."""
    for place in data.draw(st.lists(st.integers(0, 2), max_size=2)):
        if front.loop._crew.running:
            front.loop._crew.compute(place)


def run_out(front, data):
    """Turn, and let batches end in any order, until nothing is left to do; return all replies."""
    replies = []
    while True:
        told, wait_s = front.turn()
        replies += told
        if front.loop._crew.running:
            front.loop._crew.compute(data.draw(st.integers(0, 2)))
        elif wait_s is None:
            return replies
        front.clock.now += wait_s or 0.0


SHARED = settings(suppress_health_check=list(HealthCheck))  # fixtures, by all examples
PARTS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, POISON]), st.floats(0.1, 2.0)), min_size=1, max_size=3
)


@SHARED
@given(data=st.data(), batch_size=st.integers(1, 4))
def test_utterances_are_answered_once_however_batches_overlap(make_late_front, data, batch_size):
    front = make_late_front(batch_size=batch_size, seconds=100)
    everything, cancelled, replies = set(), set(), []
    for _ in range(data.draw(st.integers(1, 10))):
        request = front.speak(*data.draw(PARTS))
        everything.add(request.item_id)
        replies += front.turn(request)[0]
        go_on(front, data)
        if data.draw(st.booleans()):
            victim = data.draw(st.sampled_from(sorted(everything)))
            cancelled.add(victim)
            replies += front.turn(messages.Cancel(victim))[0]
    replies += run_out(front, data)
    kinds = messages.Recognized | messages.Failed
    answered = [reply.item_id for reply in replies if isinstance(reply, kinds)]
    assert len(set(answered)) == len(answered)
    assert everything - cancelled <= set(answered) <= everything
    assert not any(stage._tasks or stage._running for stage in front.loop._line._all)


@pytest.mark.slow
@SHARED
@given(data=st.data(), mode=st.sampled_from(["online", "2pass"]), has_online=st.booleans())
def test_streams_have_the_same_words_however_batches_overlap(
    make_front, make_late_front, data, mode, has_online
):
    spoken = st.tuples(st.sampled_from([0, 0, 1, 2]), st.floats(0.1, 2.0))
    talks = [
        data.draw(st.lists(spoken, min_size=1, max_size=6))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    alone = [
        talk(make_front(seconds=100, has_online=has_online), *parts, mode=mode) for parts in talks
    ]
    front = make_late_front(seconds=100, has_online=has_online)
    callers = [front.call(mode=mode) for _ in talks]
    front.turn(*[caller.opening for caller in callers])
    left = {caller: sound(*parts) for caller, parts in zip(callers, talks, strict=True)}
    while left:
        caller = data.draw(st.sampled_from(list(left)))
        cut = data.draw(st.sampled_from([64_000, 20_000, 9_600, 5_001]))
        front.turn(caller.feed(left[caller][:cut]))
        left[caller] = left[caller][cut:]
        if not len(left[caller]):
            del left[caller]
            front.turn(caller.end)
        front.clock.now += data.draw(st.sampled_from([0.0, 0.01, 1.0]))
        go_on(front, data)
    run_out(front, data)
    for caller, expected in zip(callers, alone, strict=True):
        assert (caller.outcome, caller.settled) == ("ended", caller.fed)
        assert spans(caller) == spans(expected)
        if mode == "online":
            assert said(caller) == said(expected)


def said(caller):
    return [caller.partials.get(final.utterance, "") + final.text for final in caller.finals]


def test_its_threads_run_before_the_first_batch(device, clock):
    before = set(threading.enumerate())
    crew.Crew(device, clock, workers=2)
    new = [thread.name for thread in set(threading.enumerate()) - before]
    assert sorted(new) == ["batch_0", "batch_1"]


def test_a_thread_that_cannot_start_ends_the_start_and_leaves_none_waiting(
    device, clock, monkeypatch
):
    """As where the container may have no more processes."""
    started, start = [], threading.Thread.start

    def start_first(thread):
        if thread.name == "batch_1":
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_first)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        crew.Crew(device, clock, workers=2)
    (first,) = started
    first.join(timeout=30.0)  # as the interpreter does at its end, for as long as it takes
    assert not first.is_alive()


def test_a_thread_that_never_runs_ends_the_start(device, clock, monkeypatch):
    run = threading.Thread.run
    monkeypatch.setattr(crew, "START_S", 0.05)
    monkeypatch.setattr(
        threading.Thread, "run", lambda thread: thread.name == "batch_1" or run(thread)
    )
    with pytest.raises(threading.BrokenBarrierError):
        crew.Crew(device, clock, workers=2)
