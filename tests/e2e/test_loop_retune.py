"""A new batch size reaches running servers at once: other batches, the same pods.

Before and after, the same is said all at once; how the sizes of the batches are distributed is read
from the server's own metrics.
"""

import asyncio

import pytest

from harness import speaking

SMALL, LARGE = 1, 16


@pytest.fixture(scope="module")
def bursts(speech, utterances, prometheus):
    """Say everything at once at two batch sizes; return what was seen at each."""
    speech.wait_ready()
    return {size: burst(speech, utterances, size) for size in (SMALL, LARGE)}


def burst(speech, utterances, size):
    behavior = {"intervalSeconds": 5}  # how often the servers are looked at that take it over
    speech.patch({"batching": {"size": size}, "autoscaling": {"behavior": behavior}})
    speech.wait_condition("BatchSizeApplied", "True")
    before = batches(speech)
    heard = asyncio.run(speaking.speak_all(speech.url, utterances))
    after = batches(speech)
    return {
        "applied": speech.status["batchSize"],
        "heard": [each.pair for each in heard],
        "sizes": {bound: after[bound] - before[bound] for bound in after},
        "containers": containers(speech),
    }


def batches(speech):
    """Return how many batches of the recognizer were at most so large, by that bound."""
    (metrics,) = speech.metrics().values()
    return {
        float(labels["le"]): value
        for name, labels, value in metrics.samples
        if name == "asr_batch_size_bucket" and labels["stage"] == "asr"
    }


def containers(speech):
    """Return the containers that run and since when."""
    return {
        (pod["metadata"]["uid"], status["containerID"], status["state"]["running"]["startedAt"])
        for pod in speech.pods()
        for status in pod["status"]["containerStatuses"]
    }


def test_status_tells_that_the_servers_took_it_over(bursts):
    assert {size: burst["applied"] for size, burst in bursts.items()} == {
        size: {"desired": size, "applied": size} for size in (SMALL, LARGE)
    }


def test_sizes_of_batches_move_with_the_limit(bursts):
    small, large = (bursts[size]["sizes"] for size in (SMALL, LARGE))

    assert small[SMALL] == small[float("inf")]
    assert large[LARGE] == large[float("inf")] < small[float("inf")] / 2
    assert large[SMALL] < large[float("inf")] / 2


def test_same_words_are_heard_at_either_size(bursts, utterances):
    assert [said for said, _ in bursts[SMALL]["heard"]] == [each.text for each in utterances]
    assert bursts[SMALL]["heard"] == bursts[LARGE]["heard"]


def test_no_container_was_started_for_it(bursts):
    assert bursts[SMALL]["containers"] == bursts[LARGE]["containers"] != set()
