"""The rule as a table: what waits, what is decided."""

from dataclasses import dataclass, replace

import pytest

from asr_server.scheduling import batch_rule, service_time, work

NOW = 100.0


@dataclass(frozen=True)
class Limits:
    batch_size: int = 8
    batch_audio_s: float = 60.0
    max_wait_ms: float = 10.0


def waiting(*lengths_s, deadline=NOW + 10, enqueued_at=NOW):
    return [
        work.WorkItem(number, 0, "final", float(length_s), deadline, enqueued_at, enqueued_at)
        for number, length_s in enumerate(lengths_s)
    ]


def learned(start_s, per_padded_s):
    model = service_time.ServiceTime()
    for padded_s in (3, 12, 50, 100, 7, 30, 80):
        model = model.after(padded_s, start_s + per_padded_s * padded_s)
    return model


UNKNOWN = service_time.ServiceTime()


def decide(items, limits=Limits(), *, service_time=UNKNOWN, idle=False, now=NOW, live=False):
    return batch_rule.decide_batch(
        items, limits, now, service_time=service_time, idle=idle, live=live
    )


FILLED = {
    "one item": ([3], {}, [0], "idle"),
    "one bucket, all of it": ([3, 2.5, 2.2], {}, [0, 1, 2], "idle"),
    "as many as the size allows": ([3] * 10, {}, [0, 1, 2, 3, 4, 5, 6, 7], "size"),
    "a size of one": ([3, 3], {"batch_size": 1}, [0], "size"),
    "as much audio as allowed": ([6] * 10, {"batch_audio_s": 20}, [0, 1, 2], "audio"),
    "exactly as much audio": ([6] * 3, {"batch_audio_s": 18}, [0, 1, 2], "audio"),
    "padding counts against the budget": ([4, 4, 5.5], {"batch_audio_s": 12}, [0, 1], "audio"),
    "a head over the budget goes alone": ([90, 3, 3], {}, [0], "audio"),
    "a head over the budget, alone": ([90], {}, [0], "audio"),
    "what is far too short stays out": ([30, 1, 29], {"batch_audio_s": 200}, [0, 2], "idle"),
    "what is far too long stays out": ([1, 30, 1], {}, [0, 2], "idle"),
    "a near neighbour joins": ([4, 3, 4], {}, [0, 2, 1], "idle"),
    "the shorter neighbour before the longer": ([3.5, 4.1, 3.0], {}, [0, 2, 1], "idle"),
    "audio of no length": ([0, 0], {}, [0, 1], "idle"),
}


@pytest.mark.parametrize(("lengths_s", "limits", "chosen", "reason"), FILLED.values(), ids=FILLED)
def test_a_batch_is_filled(lengths_s, limits, chosen, reason):
    release = decide(waiting(*lengths_s), Limits(**limits))
    assert [item.item_id for item in release.items] == chosen
    assert release.reason == reason


def test_the_head_leads_whatever_its_length():
    assert decide(waiting(20, 3, 3, 3, 3)).items[0].item_id == 0


def test_a_crowd_of_another_length_keeps_to_itself():
    few, many = waiting(4, 3), waiting(4, *[3] * 7)
    assert len(decide(few).items) == 2
    assert len(decide(many, service_time=learned(0.0, 0.01)).items) == 1


def test_where_starting_a_batch_is_dear_more_padding_is_accepted():
    items = waiting(10, 1)
    assert len(decide(items, service_time=learned(0.001, 0.001)).items) == 1
    assert len(decide(items, service_time=learned(0.1, 0.001)).items) == 2


def test_a_batch_ends_where_the_head_would_be_late():
    items = waiting(*[5] * 8, deadline=NOW + 0.26)
    release = decide(items, service_time=learned(0.05, 0.01))
    assert (len(release.items), release.reason) == (4, "slack")


def test_a_head_that_is_late_anyway_does_not_shorten_the_batch():
    items = waiting(*[5] * 8, deadline=NOW + 0.05)
    release = decide(items, service_time=learned(0.05, 0.01))
    assert (len(release.items), release.reason) == (8, "size")


def test_an_idle_engine_waits_for_company():
    assert decide(waiting(3, 3), idle=True) == batch_rule.Wait(NOW + 0.010)


def test_the_wait_counts_from_when_the_head_was_enqueued():
    assert decide(waiting(3, enqueued_at=NOW - 0.004), idle=True) == batch_rule.Wait(NOW + 0.006)


STARTS = {
    "busy": (waiting(3), {"idle": False}, "idle"),
    "the wait is over": (waiting(3, enqueued_at=NOW - 0.010), {"idle": True}, "idle"),
    "the batch is full": (waiting(*[3] * 8), {"idle": True}, "size"),
    "the audio is full": (waiting(*[30] * 3), {"idle": True}, "audio"),
    "no waiting is configured": (
        waiting(3),
        {"idle": True, "limits": Limits(max_wait_ms=0)},
        "idle",
    ),
    "the deadline has come": (waiting(3, deadline=NOW), {"idle": True}, "idle"),
}


@pytest.mark.parametrize(("items", "options", "reason"), STARTS.values(), ids=STARTS)
def test_nobody_waits_when(items, options, reason):
    assert decide(items, **options).reason == reason


def test_waiting_leaves_the_time_that_the_batch_needs():
    items = waiting(5, deadline=NOW + 0.105)
    decision = decide(items, idle=True, service_time=learned(0.05, 0.01))
    assert decision == batch_rule.Wait(pytest.approx(NOW + 0.005))


def test_a_release_knows_its_audio_and_its_padding():
    release = batch_rule.Release(tuple(waiting(2, 3)), "idle")
    assert (release.audio_s, release.padded_s) == (5.0, 6.0)


def test_new_limits_hold_for_the_next_decision():
    items = waiting(*[3] * 8)
    limits = Limits()
    assert len(decide(items, limits).items) == 8
    assert len(decide(items, replace(limits, batch_size=3)).items) == 3


@pytest.mark.parametrize(
    ("deadline", "lengths_s", "size"),
    [(NOW + 60, [10] * 6, 2), (NOW - 60, [10] * 6, 2), (NOW + 60, [50, 50], 1)],
    ids=["with time left", "too late for the head", "a head that takes longer goes alone"],
)
def test_while_speech_is_live_no_batch_is_filled_for_long(deadline, lengths_s, size):
    items, slow = waiting(*lengths_s, deadline=deadline), learned(0.0, work.LIVE_BATCH_S / 25)
    live = decide(items, Limits(batch_audio_s=200), service_time=slow, live=True)
    assert (len(live.items), live.reason) == (size, "slack")
    alone = decide(items, Limits(batch_audio_s=200), service_time=slow)
    assert len(alone.items) == len(lengths_s)
