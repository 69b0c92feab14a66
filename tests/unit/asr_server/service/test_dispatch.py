"""Who goes to the engine, and who is to blame when it dies."""

import time

from hypothesis import given
from hypothesis import strategies as st

from asr_server.service.dispatch import Dispatch, Item


def item(number):
    return Item(number, "file", offset=0, samples=1, received_at=0.0, deadline=1.0)


def dispatch_with(*numbers):
    dispatch = Dispatch()
    for number in numbers:
        dispatch.add(item(number))
    return dispatch


def take(dispatch):
    return [found.item_id for found in dispatch.take()]


def test_everything_goes_at_once_and_only_once():
    dispatch = dispatch_with(1, 2, 3)
    assert (take(dispatch), take(dispatch)) == ([1, 2, 3], [])


def test_an_engine_that_died_idle_leaves_no_suspects():
    dispatch = dispatch_with(1)
    assert dispatch.lose_engine() is None
    assert take(dispatch) == [1]


def test_after_a_death_suspects_go_one_by_one_and_before_everything_else():
    dispatch = dispatch_with(1, 2)
    take(dispatch)
    assert dispatch.lose_engine() is None
    dispatch.add(item(3))
    assert (take(dispatch), take(dispatch)) == ([1], [])
    assert dispatch.remove(1)
    assert (take(dispatch), take(dispatch)) == ([2], [])
    assert dispatch.remove(2)
    assert take(dispatch) == [3]


def test_a_suspect_that_kills_again_alone_is_to_blame_and_the_others_go_on():
    dispatch = dispatch_with(1, 2, 3)
    take(dispatch)
    dispatch.lose_engine()
    take(dispatch)
    dispatch.remove(1)
    assert take(dispatch) == [2]
    assert dispatch.lose_engine() == item(2)
    assert take(dispatch) == [3]
    dispatch.remove(3)
    assert dispatch.lose_engine() is None


def test_a_suspect_waits_until_the_engine_is_empty():
    dispatch = dispatch_with(1)
    take(dispatch)
    dispatch.lose_engine()
    dispatch.add(item(2))
    assert take(dispatch) == [1]
    dispatch.add(item(3))
    assert take(dispatch) == []


def test_a_removed_item_is_told_apart_by_where_it_was():
    dispatch = dispatch_with(1, 2)
    assert not dispatch.remove(2)
    assert take(dispatch) == [1]
    assert dispatch.remove(1)
    assert not dispatch.remove(1)


def test_a_cancelled_suspect_makes_room_for_the_next():
    dispatch = dispatch_with(1, 2, 3)
    take(dispatch)
    dispatch.lose_engine()
    assert take(dispatch) == [1]
    assert not dispatch.remove(2)
    assert dispatch.remove(1)
    assert take(dispatch) == [3]


@given(st.lists(st.sampled_from(["add", "take", "answer", "cancel", "die"]), max_size=60))
def test_each_item_is_answered_cancelled_or_blamed_once_and_a_blamed_one_was_alone(steps):
    dispatch, inside, gone, last = Dispatch(), [], [], 0
    for step in steps:
        if step == "add":
            last += 1
            dispatch.add(item(last))
        elif step == "take":
            inside += take(dispatch)
        elif step == "die":
            blamed = dispatch.lose_engine()
            assert blamed is None or inside == [blamed.item_id]
            gone += [blamed.item_id] if blamed else []
            inside = []
        elif step == "answer" and inside:
            gone.append(inside.pop())
            assert dispatch.remove(gone[-1])
        elif step == "cancel" and last and last not in gone:
            assert dispatch.remove(last) == (last in inside)
            inside = [number for number in inside if number != last]
            gone.append(last)
    while inside or (inside := take(dispatch)):
        gone.append(inside.pop())
        assert dispatch.remove(gone[-1])
    assert sorted(gone) == list(range(1, last + 1))


def test_a_cancelled_item_is_found_in_constant_time():
    def cancel_all(count):
        dispatch = dispatch_with(*range(count))
        began = time.thread_time()
        for number in reversed(range(count)):
            assert not dispatch.remove(number)
        return time.thread_time() - began

    few, many = (min(cancel_all(count) for _ in range(5)) for count in (500, 8000))
    assert many < 16 * few * 4  # a search through what waits takes 256 times as long
