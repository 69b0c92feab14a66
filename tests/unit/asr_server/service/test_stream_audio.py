"""The audio of a stream: each sample is where the engine is told it is, until it is settled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.link import arena
from asr_server.service.stream_audio import LEAST_SAMPLES, StreamAudio

PAGE = arena.PAGE_SAMPLES
LEAST = arena.room_for(LEAST_SAMPLES)


@pytest.fixture
def memory():
    memory = arena.Arena.create(8 * PAGE)
    yield memory
    memory.close()


def count(start, samples):
    return (np.arange(start, start + samples) % 30000).astype(np.int16)


def read(memory, stretches):
    heard = arena.attach(memory.fd, memory.samples)
    return np.concatenate([heard[:0], *(heard[s.offset : s.offset + s.samples] for s in stretches)])


def test_samples_are_sent_once_in_order(memory):
    audio = StreamAudio(memory)
    assert audio.append(count(0, 10), 1.0) == 10
    assert audio.append(count(10, LEAST), 2.0) == LEAST
    stretches = audio.take_unsent()
    assert [(s.start, s.samples) for s in stretches] == [(0, LEAST), (LEAST, 10)]
    assert np.array_equal(read(memory, stretches), count(0, LEAST + 10))
    assert audio.take_unsent() == []


def test_what_is_settled_is_given_back_and_the_rest_is_sent_again(memory):
    audio = StreamAudio(memory)
    audio.append(count(0, LEAST), 1.0)
    audio.append(count(LEAST, 5), 1.0)
    audio.take_unsent()
    audio.settle(LEAST - 7)
    audio.rewind()
    assert np.array_equal(read(memory, audio.take_unsent()), count(LEAST - 7, 12))
    audio.settle(LEAST + 5)
    assert memory.free_samples == 8 * PAGE - LEAST
    audio.release()
    assert memory.free_samples == 8 * PAGE


def test_what_finds_no_room_is_told(memory):
    audio = StreamAudio(memory)
    assert audio.append(count(0, 9 * PAGE), 1.0) == 8 * PAGE
    assert audio.append(count(0, 1), 1.0) == 0
    audio.settle(8 * PAGE)
    assert audio.append(count(0, 1), 1.0) == 1


def test_room_in_pieces_is_used_too(memory):
    first = [memory.allocate(PAGE) for _ in range(8)]
    for offset in first[::2]:
        memory.release(offset)
    audio = StreamAudio(memory)
    assert audio.append(count(0, 3 * PAGE), 1.0) == 3 * PAGE
    assert np.array_equal(read(memory, audio.take_unsent()), count(0, 3 * PAGE))


def test_it_is_known_when_each_sample_came(memory):
    audio = StreamAudio(memory)
    for second in range(3):
        audio.append(count(0, 10), float(second))
    assert [audio.arrival(position) for position in (1, 10, 11, 30, 31)] == [0, 0, 1, 2, None]
    audio.settle(20)
    assert [audio.arrival(position) for position in (20, 21)] == [1, 2]


@given(st.lists(st.tuples(st.sampled_from("asr"), st.integers(0, 3 * PAGE)), max_size=30))
def test_whatever_happens_what_is_unsettled_is_there(steps):
    memory = arena.Arena.create(16 * PAGE)
    audio, sent = StreamAudio(memory), 0
    for step, amount in steps:
        if step == "a":
            audio.append(count(audio.end, amount), 0.0)
            stretches = audio.take_unsent()
            assert np.array_equal(read(memory, stretches), count(sent, audio.end - sent))
            sent = audio.end
        elif step == "s":
            audio.settle(audio.settled + amount)
        else:
            audio.rewind()
            assert sum(s.samples for s in audio.take_unsent()) == audio.end - audio.settled
    held = audio.end - audio.settled
    assert memory.free_samples >= 16 * PAGE - held - 2 * LEAST
    audio.release()
    assert memory.free_samples == 16 * PAGE
    memory.close()
