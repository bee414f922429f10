"""A renderer says what it lacks, and draws the same however it is cut."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.mesh import Mesh
from meshanim.performance import Performance
from meshanim.talking_heads import Appearance, Renderer, from_network, to_network


class Counting(Renderer):
    """Draws the number of each frame and how loud it is there."""

    name, needs, fps = "counting", frozenset({"audio"}), 10.0
    size = (2, 2)

    def _chunks(self, performance, appearance, generator) -> Iterator[torch.Tensor]:
        per_frame = round(performance.sample_rate / performance.fps)
        for start in range(0, performance.frame_count, 3):
            stop = min(start + 3, performance.frame_count)
            loud = performance.waveform[start * per_frame : stop * per_frame].view(stop - start, -1).amax(1)
            yield loud.mul(100).byte().view(-1, 1, 1, 1).expand(-1, 2, 2, 3)


def performance(frames: int = 8, fps: float = 10.0, samples: int = 800) -> Performance:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    still = mesh.vertices.expand(frames, 3, 3)
    return Performance(mesh, fps, motion=still, waveform=torch.ones(samples), sample_rate=1000)


APPEARANCE = Appearance(
    torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.zeros(1, 2, 3), torch.zeros(1, 68, 2)
)


def test_chunks_make_the_whole() -> None:
    renderer = Counting()
    chunks = list(renderer.stream(performance(), APPEARANCE))
    assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    assert torch.equal(torch.cat(chunks), renderer.render(performance(), APPEARANCE))


def test_another_rate_is_resampled_and_short_sound_ends_in_silence() -> None:
    frames = Counting().render(performance(16, 20.0, 500), APPEARANCE)
    assert frames[:, 0, 0, 0].tolist() == [100] * 5 + [0] * 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_performances_of_any_floating_type_are_drawn_in_single_precision(dtype: torch.dtype) -> None:
    class Typed(Counting):
        def _chunks(self, performance, appearance, generator) -> Iterator[torch.Tensor]:
            assert performance.waveform.dtype == performance.motion.dtype == torch.float32
            return super()._chunks(performance, appearance, generator)

    for fps in (10.0, 20.0):
        given = performance(8, fps)
        frames = Typed().render(given.to(dtype), APPEARANCE)
        assert torch.equal(frames, Counting().render(given, APPEARANCE))


def test_what_is_missing_is_named() -> None:
    silent = replace(performance(), waveform=None, sample_rate=None)
    with pytest.raises(InputError, match="must have audio to be rendered by counting, got one without"):
        Counting().stream(silent, APPEARANCE)
    with pytest.raises(InputError, match="must have audio"):
        Counting().check(replace(performance(), waveform=torch.zeros(0)))

    class Greedy(Counting):
        needs = frozenset({"audio", "action_units", "head_motion", "landmarks", "mesh"})

    with pytest.raises(InputError, match="audio and action units and head motion and landmarks"):
        Greedy().check(silent)


def test_pictures_come_back() -> None:
    frames = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    seen = to_network(frames)
    assert seen.shape == (1, 3, 16, 16) and float(seen.min()) == -1 and float(seen.max()) == 1
    assert torch.equal(from_network(seen), frames)
    assert int(from_network(torch.full((3, 1, 1), 7.0)).max()) == 255
