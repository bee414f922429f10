import pytest
import torch

from meshanim._check import InputError
from meshanim.nn import AlignedAttention, AlignedDecoderBlock


def block() -> AlignedDecoderBlock:
    torch.manual_seed(0)
    return AlignedDecoderBlock(8, heads=2, feed_forward=12, period=3, window=10).double().eval()


def noise(steps: int, seed: int) -> torch.Tensor:
    return torch.randn(2, steps, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ratio", [1, 3])
def test_the_alignment_is_equation_3_written_out(ratio: int) -> None:
    torch.manual_seed(0)
    attend = AlignedAttention(8, heads=2).double()
    given, memory = noise(5, 0), noise(5 * ratio, 1)
    query = attend.query(given).unflatten(-1, (2, 4))
    keys, values = (part.unflatten(-1, (2, 4)) for part in attend.remember(memory).chunk(2, dim=-1))
    score = torch.einsum("bihc,bjhc->bhij", query, keys) / 2
    for i in range(5):
        for j in range(5 * ratio):
            score[:, :, i, j] += 0 if ratio * i <= j < ratio * (i + 1) else -torch.inf
    read = torch.einsum("bhij,bjhc->bihc", score.softmax(dim=-1), values).flatten(2)
    # float64: rounding only
    torch.testing.assert_close(attend(given, memory), attend.out(read), rtol=1e-12, atol=1e-12)


def test_one_frame_a_step_is_read_whatever_is_asked() -> None:
    attend = AlignedAttention(8).double()
    memory = noise(5, 1)
    torch.testing.assert_close(attend(noise(5, 2), memory), attend(noise(5, 3), memory))


def test_step_by_step_comes_to_the_whole() -> None:
    decode, given, memory, cache, steps = block(), noise(40, 0), noise(40, 1), None, []
    for step in range(40):
        decoded, cache = decode(given[:, step : step + 1], memory[:, step : step + 1], cache)
        steps.append(decoded)
    assert cache is not None and cache.position == 40
    torch.testing.assert_close(torch.cat(steps, dim=1), decode(given, memory)[0], rtol=1e-12, atol=1e-12)


def test_the_future_plays_no_part() -> None:
    decode, given, memory = block(), noise(12, 0), noise(12, 1)
    before = decode(given, memory)[0]
    given[:, 7:], memory[:, 7:] = 0, 0
    assert torch.equal(decode(given, memory)[0][:, :7], before[:, :7])


def test_the_paper_s_sizes() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in AlignedDecoderBlock().named_parameters()}
    assert shapes["look_back.project.weight"] == (3 * 1024, 1024)
    assert shapes["listen.query.weight"] == (1024, 1024)
    assert shapes["listen.remember.weight"] == (2 * 1024, 1024)
    assert shapes["think.0.weight"] == (2048, 1024) and shapes["think.3.weight"] == (1024, 2048)


def test_a_memory_that_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match="a whole number of frames a step of 5, got 7"):
        AlignedAttention(8)(noise(5, 0), noise(7, 0))
    with pytest.raises(InputError, match="heads must divide the width 8, got 3"):
        AlignedAttention(8, 3)
