"""Values stay what they are for as long as somebody holds their slots, and no longer."""

import gc
from concurrent import futures

import torch

from asr_server.models import slots

CPU = torch.device("cpu")


def make(shape=(2, 3)):
    return slots.Slots(shape, torch.float32, CPU)


def test_what_is_written_is_read_in_the_order_asked_for():
    store, values = make(), torch.randn(5, 2, 3)
    held = store.write(values)
    assert torch.equal(store.read(held[::-1]), values.flip(0))
    assert torch.equal(store.read([held[2], held[2]]), values[[2, 2]])


def test_old_values_stay_beside_new_ones_while_the_store_grows():
    store, values = make((1,)), torch.arange(100.0)[:, None]
    held = []
    for value in values.split(7):
        held += store.write(value)
    assert torch.equal(store.read(held), values)
    assert len({slot.place for slot in held}) == 100


def test_a_place_is_used_again_when_nobody_holds_it():
    store = make((1,))
    places = set()
    for turn in range(200):
        held = store.write(torch.full((8, 1), float(turn)))
        places |= {slot.place for slot in held}
        assert store.read(held)[0].item() == turn
    del held
    gc.collect()
    assert len(places) <= 16
    assert len(store.write(torch.zeros(16, 1))) == 16


def test_threads_do_not_take_each_others_places():
    store = make((64,))

    def live(name):
        held = store.write(torch.full((1, 64), float(name)))
        for turn in range(200):
            beside = store.write(torch.full((turn % 9, 64), -1.0))
            value = store.read(held)
            assert (value == name + turn).all()
            held = store.write(value + 1)
            del beside
        return store.read(held)[0, 0].item()

    with futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(live, range(8))) == [name + 200 for name in range(8)]
