"""A change of the pod template replaces every pod and cuts no session.

Sessions stop half-way through an utterance until the replacement is over; what they said must come
back. All the while others open sessions; a Service that always has an endpoint refuses none.
"""

import asyncio
import contextlib

import pytest

from harness import speaking, waiting

IN_FLIGHT = 4


@pytest.fixture(scope="module")
def rolled(speech, utterances, transcripts):
    """Roll the pods under open sessions; return what those heard and what new ones heard."""
    speech.wait_ready()
    before = speech.pod_uids()
    held, new = asyncio.run(roll(speech, utterances))
    assert not before & speech.pod_uids()
    return held, new


async def roll(speech, utterances):
    url, over = speech.url, asyncio.Event()
    pauses = [speaking.Pause() for _ in range(IN_FLIGHT)]
    pairs = zip(utterances[:IN_FLIGHT], pauses, strict=True)
    held = [asyncio.create_task(speaking.speak(url, *each)) for each in pairs]
    async with asyncio.timeout(speaking.PATIENCE_S):
        await asyncio.gather(*(pause.reached.wait() for pause in pauses))
    coming = asyncio.create_task(keep_coming(url, utterances[IN_FLIGHT:], over))
    await asyncio.to_thread(change_the_pods, speech)
    over.set()
    for pause in pauses:
        pause.over.set()
    return await asyncio.gather(*held), await coming


def change_the_pods(speech):
    """Have every pod replaced, and wait until the old ones are draining."""
    old = [pod["metadata"]["name"] for pod in speech.pods()]
    speech.patch({"runtime": {"resources": {"requests": {"memory": "320Mi"}}}})
    speech.wait_rolled_out()
    waiting.wait_for(
        "drain of the old pods",
        lambda: [speech.readiness(name) for name in old],
        lambda answers: all("drain" in answer for answer in answers),
    )


async def keep_coming(url, utterances, over):
    """Speak one utterance after the other until it is over."""
    heard = []
    while not over.is_set():
        heard.append(await speaking.speak(url, utterances[len(heard) % len(utterances)]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 0.5)
    return heard


def test_open_sessions_finish_with_their_words(rolled, transcripts):
    held, _ = rolled

    assert len(held) == IN_FLIGHT
    assert [each.text for each in held] == [transcripts[each.said] for each in held]


def test_new_sessions_find_a_server_all_the_while(rolled, transcripts):
    _, new = rolled

    assert len(new) >= 5
    assert [each.text for each in new] == [transcripts[each.said] for each in new]
    assert [each.refusals for each in new if each.refusals] == []


def test_old_pods_leave_when_their_sessions_have(rolled, speech):
    speech.wait_left()

    assert len(speech.pods()) == 1
