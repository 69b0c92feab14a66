"""When a trial holds, and what is said when it does not."""

import dataclasses

import pytest

from asr_server.bench import verdict
from asr_server.bench.ledger import Ledger
from asr_server.bench.trial import Trial, describe_profile

OBJECTIVE = verdict.Objective(p95_s=0.5, max_cer=0.05)


def make_trial(*, answer="一二三四", latency_s=0.4, event=None, **changes):
    book = Ledger()
    book.send("a", "一二三四", 1.0)
    if answer is not None:
        book.receive("a", answer, 1.0 + latency_s)
    if event:
        book.count(event)
    trial = Trial(1, 2.0, book.settle(), *(4 * [latency_s]), 0.1, 0.0, describe_profile([]))
    return dataclasses.replace(trial, **changes)


def test_a_good_trial_has_no_faults():
    assert verdict.find_faults(make_trial(), OBJECTIVE) == []
    assert verdict.find_doubts(make_trial()) == []


@pytest.mark.parametrize(
    ("trial", "faults"),
    [
        (make_trial(latency_s=0.6), ["p95 600 ms over 500 ms"]),
        (make_trial(answer=None), ["1 lost", "CER 100.0% over 5.0%"]),
        (make_trial(answer="一二三五"), ["CER 25.0% over 5.0%"]),
        (make_trial(event="cut"), ["1 cut"]),
        (make_trial(event="turned_away"), ["1 turned away"]),
        (make_trial(account=Ledger().settle()), ["nothing was said"]),
    ],
)
def test_each_fault_is_told(trial, faults):
    assert verdict.find_faults(trial, OBJECTIVE) == faults


def test_a_load_that_cannot_keep_its_times_is_doubted():
    assert "20% of the messages" in verdict.find_doubts(make_trial(late_ratio=0.2))[0]
    assert "0.95 cores" in verdict.find_doubts(make_trial(generator_cores=0.95))[0]
