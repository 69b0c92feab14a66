from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import work, work_queue


def item(item_id, index=0, deadline=10.0):
    return work.WorkItem(item_id, index, "final", 3.0, deadline, 0.0, 0.0)


@given(st.lists(st.integers(0, 20), max_size=50))
def test_the_order_is_urgency_then_arrival(deadlines):
    queue = work_queue.WorkQueue()
    for number, deadline in enumerate(deadlines):
        queue.add(item(number, deadline=float(deadline)))
    expected = sorted(range(len(deadlines)), key=lambda number: (deadlines[number], number))
    assert [found.item_id for found in queue] == expected
    assert [found.item_id for found in queue.look_ahead()] == expected


def test_an_empty_queue_is_never_urgent():
    queue = work_queue.WorkQueue()
    assert (queue.most_urgent, queue.head, queue.candidates) == (float("inf"), None, 0)


CLASSES = st.sampled_from(["final", "partial", "file"])
STEPS = st.tuples(st.sampled_from(["add", "remove", "hold", "release"]), st.integers(0, 9), CLASSES)


@given(st.lists(STEPS, max_size=40))
def test_what_is_known_of_the_classes_is_what_waits(steps):
    queue = work_queue.WorkQueue()
    for step, number, item_class in steps:
        if step == "add":
            queue.add(work.WorkItem(number, 0, item_class, 3.0, number * 7.0, 0.0, 0.0))
        elif step == "remove":
            queue.discard(number)
        else:
            queue.hold_files(wait=step == "hold")
    assert queue.candidates == len(queue.look_ahead())
    for item_class in ("final", "partial"):
        due = [found.deadline for found in queue if found.item_class == item_class]
        assert queue.first_due(item_class) == min(due, default=float("inf"))


def test_a_class_of_which_nothing_waits_is_not_looked_for():
    queue = work_queue.WorkQueue()
    queue.add(work.WorkItem(1, 0, "file", 3.0, 10.0, 0.0, 0.0))
    queue._entries = None
    assert queue.first_due("final") == float("inf")


def test_the_most_urgent_is_that_of_the_head():
    queue = work_queue.WorkQueue()
    queue.add(item(1, deadline=5.0))
    queue.add(item(2, deadline=4.0))
    assert queue.most_urgent == 4.0


def test_removing_takes_out_these_items_only():
    queue = work_queue.WorkQueue()
    segments = [item(number, index) for number in (1, 2) for index in (0, 1)]
    for segment in segments:
        queue.add(segment)
    queue.remove([segments[0], segments[3]])
    assert list(queue) == [segments[1], segments[2]]


def test_adding_again_replaces_what_waits():
    queue = work_queue.WorkQueue()
    for segment in (item(1, deadline=5.0), item(2, deadline=6.0), item(1, deadline=7.0)):
        queue.add(segment)
    assert list(queue) == [item(2, deadline=6.0), item(1, deadline=7.0)]


def test_what_was_removed_can_be_removed_and_added_again():
    queue = work_queue.WorkQueue()
    queue.add(item(1))
    queue.remove([item(1)])
    queue.remove([item(1)])
    queue.add(item(1))
    assert list(queue) == [item(1)]


def test_discarding_drops_every_segment_of_an_utterance():
    queue = work_queue.WorkQueue()
    for segment in (item(1), item(2, 0), item(2, 1), item(3)):
        queue.add(segment)
    queue.discard(2)
    queue.discard(99)
    assert [found.item_id for found in queue] == [1, 3]


def test_what_lies_beyond_the_look_ahead_comes_when_there_is_room():
    queue = work_queue.WorkQueue()
    for number in range(work_queue.LOOK_AHEAD + 10):
        queue.add(item(number, deadline=float(number)))
    ahead = queue.look_ahead()
    assert len(ahead) == work_queue.LOOK_AHEAD
    queue.remove(ahead)
    assert [found.item_id - work_queue.LOOK_AHEAD for found in queue] == list(range(10))


def test_files_that_have_to_wait_stand_behind_all_that_is_live_and_join_none_of_it():
    queue = work_queue.WorkQueue()
    file = work.WorkItem(1, 0, "file", 3.0, -100.0, -100.0, -100.0)
    live = item(2, deadline=10.0)
    for each in (file, live):
        queue.add(each)
    assert list(queue) == [file, live]
    assert (queue.first_due("file"), queue.first_due("final")) == (-100.0, 10.0)
    assert queue.first_due("partial") == float("inf")
    assert (queue.head, queue.candidates) == (file, 2)
    queue.hold_files(wait=True)
    assert (list(queue), queue.look_ahead()) == ([live, file], [live])
    assert (queue.head, queue.candidates) == (live, 1)
    queue.remove([live])
    assert (queue.look_ahead(), queue.candidates) == ([file], 1)
    queue.add(live)
    queue.hold_files(wait=False)
    assert (queue.look_ahead(), queue.candidates) == ([file, live], 2)
    queue.discard(1)
    assert list(queue) == [live]
