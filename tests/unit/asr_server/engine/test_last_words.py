"""However a client cuts, pauses and ends, and whatever happens meanwhile: the same words."""

import asyncio
import contextlib
import itertools

import looptime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asr_server.scheduling.shedding import Step
from tests.unit.asr_server.engine.callers import sound
from tests.unit.asr_server.engine.conftest import Clock, FakeDevice, FakeModels
from tests.unit.asr_server.engine.whole_way import WholeWay, as_bytes

END = {"is_speaking": False, "is_end": True}
MODES = ["online", "2pass"]
EVER = 10_000  # turns of the engine
VALUES = st.sampled_from([0, 0, 1, 2, 3])
SAMPLES = st.sampled_from([1, 159, 160, 2_000, 9_599, 9_600, 9_601, 15_000, 31_000])
PARTS = st.lists(st.tuples(VALUES, SAMPLES.map(lambda n: n / 16_000)), min_size=1, max_size=6)
CUTS = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8).map(sorted)
HAPPENS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.03, 1.0])),
    st.tuples(st.just("work"), st.integers(1, 12)),
    st.tuples(st.just("work"), st.just(EVER)),
    st.tuples(st.just("shed"), st.sampled_from(list(Step))),
)
DIES = st.tuples(st.just("die"), st.integers(0, 3))


def converse(talk):
    """Run a conversation in virtual time; return what the client was told."""

    async def run():
        clock = Clock()
        way = WholeWay(FakeModels(clock), FakeDevice(), clock)
        with contextlib.closing(way):
            await talk(way)
            way.work(EVER)
            assert way.streams.unsettled_s() == 0
        return way.told

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(run())


async def happen(way, what, value):
    match what:
        case "wait":
            await asyncio.sleep(value)
        case "work":
            way.work(value)
        case "shed":
            way.shed(value)
        case "die":
            way.kill_engine(after_turns=value)
            await asyncio.sleep(0.01)
            way.start_engine()


async def say_at_once(way, mode, audio):
    way.say({"mode": mode})
    way.say(as_bytes(audio))
    way.say(END)


def words(told, mode):
    """Return what a client is left with, and how much of its audio was answered."""
    *said, account = told
    assert [message["is_final"] for message in said] == [False] * (len(said) - 1) + [True]
    assert account["received_ms"] == account["processed_ms"]
    if mode == "online":
        return "".join(message["text"] for message in said), account["processed_ms"]
    finals = [each for each in said if each["mode"] == "2pass-offline" and each["text"]]
    spans = [(each["text"], each["start_time"], each["end_time"]) for each in finals]
    return spans, account["processed_ms"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(parts=PARTS, mode=st.sampled_from(MODES), data=st.data())
def test_whatever_happens_the_words_are_those_of_one_send(parts, mode, data):
    audio = sound(*parts)
    sent = as_bytes(audio)
    cuts = [round(place * len(sent)) for place in data.draw(CUTS)]
    frames = [sent[start:end] for start, end in itertools.pairwise([0, *cuts, len(sent)])]
    between = [data.draw(st.lists(HAPPENS, max_size=3)) for _ in frames]
    after = data.draw(st.lists(HAPPENS, max_size=3))
    dying = data.draw(st.one_of(st.none(), st.tuples(st.integers(0, len(frames)), DIES)))
    if dying is not None:
        [*between, after][dying[0]].append(dying[1])

    async def talk(way):
        way.say({"mode": mode})
        for frame, meanwhile in zip(frames, between, strict=True):
            way.say(frame)
            for what, value in meanwhile:
                await happen(way, what, value)
        way.say(END)
        for what, value in after:
            await happen(way, what, value)

    told = converse(talk)
    whole = converse(lambda way: say_at_once(way, mode, audio))
    assert words(told, mode) == words(whole, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tail", [0, 1, 399, 2_400, 9_599, 9_600])
@pytest.mark.parametrize("what", ["lives", "dies before", "dies", "dies answering"])
def test_no_tail_is_too_short_and_no_engine_dies_at_the_wrong_moment(mode, tail, what):
    audio = sound((1, 1.5), (0, 0.2), (2, tail / 16_000))

    async def talk(way):
        way.say({"mode": mode})
        way.say(as_bytes(audio[:24_000]))
        await happen(way, "wait", 0.03)
        way.work(EVER)
        way.say(as_bytes(audio[24_000:]))
        if what == "dies before":
            await happen(way, "die", 0)
        way.say(END)
        if what in ("dies", "dies answering"):
            await happen(way, "die", 4 if what == "dies answering" else 0)

    told = converse(talk)
    assert words(told, mode) == words(converse(lambda way: say_at_once(way, mode, audio)), mode)


@pytest.mark.parametrize("step", list(Step))
def test_online_has_its_partials_and_its_last_word_on_every_step_of_the_ladder(step):
    audio = sound((1, 1.5), (0, 0.1))

    async def talk(way):
        way.shed(step)
        way.say({"mode": "online"})
        way.say(as_bytes(audio))
        await happen(way, "wait", 0.03)
        way.work(EVER)
        way.say(END)

    told = converse(talk)
    assert [each["text"] for each in told[:2]] == ["s0 d9600", " s1 d9600"]
    assert words(told, "online") == ("s0 d9600 s1 d9600 s2 d4800", 1600)
