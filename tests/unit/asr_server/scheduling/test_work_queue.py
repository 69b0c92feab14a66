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
    assert work_queue.WorkQueue().most_urgent == float("inf")


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
    queue.hold_files(wait=True)
    assert (list(queue), queue.look_ahead()) == ([live, file], [live])
    queue.remove([live])
    assert queue.look_ahead() == [file]
    queue.add(live)
    queue.hold_files(wait=False)
    assert queue.look_ahead() == [file, live]
    queue.discard(1)
    assert list(queue) == [live]
