import pytest
import torch

from asr_server.models import masks, sanm

CONFIG = sanm.SanmConfig(output_size=16, input_layer="pe", linear_units=32, num_blocks=3)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return sanm.SanmEncoder(20, CONFIG).eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("lengths", [[9, 4, 1], [3, 9, 0], [0, 0, 9], [9, 9, 9]])
def test_a_row_does_not_depend_on_the_batch(encoder, lengths):
    features = torch.randn(3, 9, 20)
    together = encoder(features, lengths)
    assert torch.isfinite(together).all()
    for row, length in enumerate(lengths):
        if length:
            alone = encoder(features[row : row + 1, :length], [length])
            torch.testing.assert_close(together[row, :length], alone[0], atol=1e-5, rtol=1e-4)


def test_a_short_input_after_a_long_one_has_the_same_positions(encoder):
    features = torch.randn(1, 5, 20)
    before = encoder(features, [5])
    encoder(torch.randn(1, 300, 20), [300])
    torch.testing.assert_close(encoder(features, [5]), before)


def test_positions_are_sines_then_cosines_from_one():
    codes = sanm.sinusoids(torch.arange(3), 8)
    assert codes.shape == (3, 8)
    assert codes[0, 0].item() == pytest.approx(0.8414710)
    assert codes[0, 4].item() == pytest.approx(0.5403023)
    assert codes[2, 3].item() == pytest.approx(3e-4, rel=1e-3)


@pytest.mark.parametrize("shift", [0, 2])
def test_memory_is_a_filter_around_each_position(shift):
    memory = sanm.FsmnMemory(1, 5, shift).requires_grad_(requires_grad=False)
    memory.fsmn_block.weight[:] = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    impulse = torch.zeros(1, 9, 1)
    impulse[0, 4] = 1
    response = memory(impulse, None)[0, :, 0] - impulse[0, :, 0]
    centre = 4 + shift
    assert response[centre - 2 : centre + 3].tolist() == [5.0, 4.0, 3.0, 2.0, 1.0]
    assert response.sum() == 15.0


def test_a_filter_with_a_past_gives_what_it_gives_at_once():
    memory = sanm.FsmnMemory(3, 5, 2).requires_grad_(requires_grad=False)
    values = torch.randn(2, 12, 3)
    whole = memory(values, None)
    found, past = [], torch.zeros(2, memory.reach, 3)
    for start, stop in ((0, 1), (1, 6), (6, 12)):
        known = torch.cat([past, torch.zeros(2, stop - start, 3)], dim=1)
        found.append(memory(values[:, start:stop], None, known))
        past = known[:, stop - start :]
    torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-6, rtol=1e-5)


def test_positions_of_a_stream_go_on_from_its_start(encoder):
    features = torch.randn(2, 4, 20)
    placed = encoder.place(features, [0, 100])
    whole = encoder.place(torch.zeros(1, 104, 20), [0])[0]
    torch.testing.assert_close(placed[0] - features[0] * 4, whole[:4], atol=1e-5, rtol=0)
    torch.testing.assert_close(placed[1] - features[1] * 4, whole[100:], atol=1e-5, rtol=0)


def test_keys_of_the_past_count_like_keys_of_the_present(encoder):
    """The last four of nine positions, after the keys of the first five, in a padded batch."""
    attention = encoder.encoders[0].self_attn
    inputs, known = torch.randn(1, 9, 16), torch.zeros(1, 9, 32)
    attention(inputs, None, None, known)
    alone = attention(inputs[:, 5:], None, None, known.clone())
    padded = torch.zeros(2, 7 + 6, 32)
    padded[0, 2:7] = known[0, :5]
    wide = torch.cat([inputs[:, 5:], torch.zeros(1, 2, 16)], dim=1).repeat(2, 1, 1)
    attended = masks.recalled_positions([5, 7], [4, 6], 6, wide.device)
    real = masks.real_positions([4, 6], 6, wide.device)[..., None]
    together = attention(wide, attended, real, padded)
    torch.testing.assert_close(together[0, :4], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded[0, 2:11], known[0], atol=1e-5, rtol=1e-4)
