import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.link import arena

SAMPLES = 64 * arena.PAGE_SAMPLES


@pytest.fixture
def room():
    made = arena.Arena.create(SAMPLES)
    yield made
    made.close()


def occupied_bytes(made):
    return os.fstat(made.fd).st_blocks * 512


@given(
    st.lists(
        st.one_of(
            st.sampled_from([arena.PIECE_SAMPLES, arena.PIECE_SAMPLES, 1, SAMPLES // 2]),
            st.integers(-8, -1),
        ),
        max_size=60,
    )
)
def test_room_that_is_taken_and_given_back_is_nobody_elses_and_never_lost(steps):
    """Positive: take so much; negative: give back one of what is there."""
    room = arena.Arena.create(SAMPLES)
    view = arena.attach(room.fd, room.samples)
    taken = {}
    for value, step in enumerate(steps, 1):
        if step > 0:
            offset = room.allocate(step)
            if offset is not None:
                room.write(offset, np.full(step, value, dtype=np.int16))
                taken[offset] = step, value
        elif taken:
            offset = list(taken)[step % len(taken)]
            length, written = taken.pop(offset)
            assert (view[offset : offset + length] == written).all()
            room.release(offset)
            with pytest.raises(KeyError):
                room.release(offset)
    for offset, (length, written) in taken.items():
        assert (view[offset : offset + length] == written).all()
        room.release(offset)
    assert room.free_samples == SAMPLES
    assert room.allocate(SAMPLES) == 0
    room.close()


def test_pieces_keep_their_memory_for_the_next_ones_but_not_too_many(monkeypatch):
    monkeypatch.setattr(arena, "MOST_SPARE", 2)
    room = arena.Arena.create(SAMPLES)
    piece_bytes = arena.PIECE_SAMPLES * arena.SAMPLE_BYTES
    offsets = [room.allocate(arena.PIECE_SAMPLES) for _ in range(3)]
    for offset in offsets:
        room.write(offset, np.ones(arena.PIECE_SAMPLES, dtype=np.int16))
        room.release(offset)
    assert occupied_bytes(room) <= 2 * piece_bytes
    assert room.free_samples == room.samples
    again = room.allocate(arena.PIECE_SAMPLES)
    assert arena.attach(room.fd, room.samples)[again] == 1
    room.release(again)
    assert room.allocate(SAMPLES) == 0
    assert occupied_bytes(room) == 0
    room.close()


@given(lengths=st.lists(st.integers(1, 6 * arena.PAGE_SAMPLES), min_size=1, max_size=40))
def test_what_is_written_is_read_back_and_nobody_writes_over_it(lengths):
    room = arena.Arena.create(SAMPLES)
    view = arena.attach(room.fd, room.samples)
    written = {}
    for value, length in enumerate(lengths):
        offset = room.allocate(length)
        if offset is not None:
            written[offset] = (length, value)
            room.write(offset, np.full(length, value, dtype=np.int16))
    for offset, (length, value) in written.items():
        assert (view[offset : offset + length] == value).all()
        room.release(offset)
    assert room.free_samples == room.samples
    room.close()


def test_an_arena_takes_memory_only_for_the_audio_in_it(room):
    assert occupied_bytes(room) == 0
    offset = room.allocate(10 * arena.PAGE_SAMPLES)
    room.write(offset, np.ones(10 * arena.PAGE_SAMPLES, dtype=np.int16))
    assert occupied_bytes(room) == 10 * arena.PAGE_SAMPLES * arena.SAMPLE_BYTES
    room.release(offset)
    assert occupied_bytes(room) == 0


def test_a_full_arena_gives_no_room_until_some_is_released(room):
    first = room.allocate(SAMPLES // 2)
    assert room.allocate(SAMPLES // 2) is not None
    assert room.allocate(1) is None
    room.release(first)
    assert room.allocate(1) == first


def test_an_utterance_without_samples_has_a_place_too(room):
    offset = room.allocate(0)
    room.write(offset, np.empty(0, dtype=np.int16))
    room.release(offset)
    assert room.free_samples == room.samples


def test_strided_audio_is_written_in_its_own_order(room):
    audio = np.arange(20, dtype=np.int16)[::2]
    room.write(room.allocate(10), audio)
    assert arena.attach(room.fd, room.samples)[:10].tolist() == audio.tolist()


def test_the_engine_cannot_write(room):
    view = arena.attach(room.fd, room.samples)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.parametrize("offset", [0, 1, arena.PAGE_SAMPLES])
def test_releasing_what_is_not_allocated_is_an_error(room, offset):
    with pytest.raises(KeyError):
        room.release(offset)


def test_the_size_is_rounded_up_to_whole_pages():
    made = arena.Arena.create(arena.PAGE_SAMPLES + 1)
    assert made.samples == 2 * arena.PAGE_SAMPLES
    made.close()


def test_room_is_given_back_piece_by_piece_with_its_memory(room):
    pages, page = SAMPLES // arena.PAGE_SAMPLES, arena.PAGE_SAMPLES
    offset = room.allocate(SAMPLES)
    room.write(offset, np.ones(SAMPLES, dtype=np.int16))
    before = occupied_bytes(room)
    assert not room.release_some(offset, page)
    assert room.free_samples == page
    assert occupied_bytes(room) == before - page * arena.SAMPLE_BYTES
    done = [room.release_some(offset, page) for _ in range(pages - 1)]
    assert done == [False] * (pages - 2) + [True]
    assert (room.free_samples, occupied_bytes(room)) == (room.samples, 0)
