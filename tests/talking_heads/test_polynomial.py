"""The talking head by polynomial fusion: its sizes, its stream, its files, and what it learned."""

from collections.abc import Callable
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound, resample
from meshanim.nn import FUSIONS, TuckerFusion
from meshanim.performance import Performance
from meshanim.synthesis import HeadMotionModel
from meshanim.talking_heads import (
    POLYNOMIAL_CONFIGS,
    Appearance,
    PolynomialConfig,
    PolynomialModel,
    PolynomialRenderer,
)
from meshanim.talking_heads.polynomial import landmark_displacements
from meshanim.vision import POLYNOMIAL_CROP

Speaking = Callable[..., Performance]
SMALL = POLYNOMIAL_CONFIGS["small"]


def make(config: PolynomialConfig = SMALL, chunk: int = 8) -> PolynomialRenderer:
    torch.manual_seed(0)
    model = PolynomialModel(config)
    settle(model)
    torch.nn.init.normal_(model.generator.ups[-1].conv.weight, std=0.1)  # type: ignore[union-attr, arg-type]
    return PolynomialRenderer(model, chunk)


@torch.no_grad()
def settle(model: PolynomialModel) -> None:
    """Let batch normalisation see something once; without it, sound would hardly change a frame."""
    for part in model.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
    heard, _ = model.audio_encoder(torch.randn(2, 8, 3200))
    identity, shares = model.look(torch.randn(2, 3, 128, 96))
    model.draw(heard, identity, shares, torch.randn(2, 8, model.config.noise), torch.randn(2, 8, 68, 3))


def apart(first: torch.Tensor, second: torch.Tensor) -> int:
    """Largest difference in grey levels."""
    return int((first.int() - second.int()).abs().max())


def test_the_paper_s_sizes() -> None:
    config = POLYNOMIAL_CONFIGS["paper"]
    assert (config.audio, config.identity, config.noise, config.joint) == (256, 128, 10, 384)
    assert config.rank == 128 and config.ranks == (192, 128, 64)
    model = PolynomialModel(config)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 2 * parameters < 20e6  # bytes as they are stored


@pytest.mark.parametrize("name", POLYNOMIAL_CONFIGS)
def test_all_sizes_can_be_fused_by_tucker(name: str) -> None:
    fusion = PolynomialModel(replace(POLYNOMIAL_CONFIGS[name], fusion="tucker")).fusion
    assert isinstance(fusion, TuckerFusion)
    assert len(fusion.factors) == len(POLYNOMIAL_CONFIGS[name].views)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_all_fusions_draw(fusion: str, seen: Appearance, speaking: Speaking) -> None:
    frames = make(SMALL.fused_by(fusion)).render(speaking(3), seen)
    assert frames.shape == (3, 128, 96, 3) and frames.dtype == torch.uint8
    assert apart(frames[0], frames[2]) > 0


@pytest.mark.parametrize("name", ["small", "small-mesh"])
def test_how_it_is_cut_is_not_seen(name: str, seen: Appearance, speaking: Speaking) -> None:
    config, said = POLYNOMIAL_CONFIGS[name], speaking(11)
    whole = make(config, 50).render(said, seen)
    for chunk in (1, 4):
        # sums of other lengths round otherwise, at most across one grey level's edge
        assert apart(make(config, chunk).render(said, seen), whole) <= 1
    assert [len(part) for part in make(config, 4).stream(said, seen)] == [4, 4, 3]
    assert apart(make(config).render(said.slice(4), seen), whole[4:]) > 5  # there is something to go on with


def test_before_it_has_learned_anything_it_draws_the_reference(seen: Appearance, speaking: Speaking) -> None:
    frames = PolynomialRenderer(PolynomialModel(SMALL)).render(speaking(2), seen)
    reference = torch.from_numpy(seen.reference(POLYNOMIAL_CROP))
    assert torch.equal(frames, reference.expand_as(frames))


def test_frames_follow_sound_chance_and_person(seen: Appearance, speaking: Speaking) -> None:
    renderer, said = make(), speaking(6)
    whole = renderer.render(said, seen)
    assert torch.equal(whole, renderer.render(said, seen, torch.Generator().manual_seed(0)))
    assert renderer.chance and apart(whole, renderer.render(said, seen, torch.Generator().manual_seed(1))) > 0
    assert said.waveform is not None
    assert apart(whole, renderer.render(replace(said, waveform=3 * said.waveform), seen)) > 0
    assert apart(whole, renderer.render(said, replace(seen, frames=255 - seen.frames))) > 0


def test_a_frame_does_not_hear_what_comes_later(seen: Appearance, speaking: Speaking) -> None:
    renderer, said = make(), speaking(12)
    assert said.waveform is not None
    cut = said.waveform.clone()
    cut[6 * 640 + 1600 :] = 0  # beyond 0.1 s after frame 6
    frames, others = (renderer.render(each, seen) for each in (said, replace(said, waveform=cut)))
    assert apart(frames[:7], others[:7]) <= 1 and apart(frames[8:], others[8:]) > 2


def test_sound_at_another_rate_is_heard_as_it_is(seen: Appearance, speaking: Speaking) -> None:
    said = speaking(5)
    assert said.waveform is not None
    finer = resample(Sound(said.waveform, 16_000), 48_000)
    again = replace(said, waveform=finer.waveform, sample_rate=48_000)
    silent = replace(said, waveform=torch.zeros_like(said.waveform))
    frames, others, without = (make().render(each, seen) for each in (said, again, silent))
    assert apart(others, frames) < 0.1 * apart(without, frames)


def test_the_mesh_is_a_view_where_the_model_has_it(seen: Appearance, speaking: Speaking) -> None:
    renderer, said = make(POLYNOMIAL_CONFIGS["small-mesh"]), speaking(4)
    still = replace(said, motion=said.neutral.vertices.expand(4, -1, -1))
    assert apart(renderer.render(said, seen), renderer.render(still, seen)) > 0
    assert apart(make().render(said, seen), make().render(still, seen)) == 0
    bare = replace(said, neutral=replace(said.neutral, landmarks={}))
    with pytest.raises(InputError, match="must have landmarks to be rendered by polynomial"):
        renderer.render(bare, seen)


def test_displacements_are_those_of_landmarks_whatever_the_head_s_size(speaking: Speaking) -> None:
    said = speaking(3)
    moved = landmark_displacements(said)
    assert said.motion is not None and moved.shape == (3, 68, 3)
    neutral = said.neutral
    larger = replace(said, neutral=neutral.with_vertices(2 * neutral.vertices), motion=2 * said.motion)
    torch.testing.assert_close(landmark_displacements(larger), moved)
    left, right = (neutral.vertices[[first, last]].mean(0) for first, last in ((36, 39), (42, 45)))
    expected = (said.motion[1, 7] - neutral.vertices[7]) / (left - right).norm()
    torch.testing.assert_close(moved[1, 7], expected)


def test_without_sound_it_says_so(seen: Appearance, speaking: Speaking) -> None:
    silent = replace(speaking(3), waveform=None, sample_rate=None)
    for without in (silent, replace(silent, waveform=torch.zeros(0), sample_rate=16_000)):
        with pytest.raises(InputError, match="must have audio to be rendered by polynomial, got one without"):
            make().render(without, seen)


@pytest.mark.parametrize("name", ["small", "small-mesh"])
def test_it_comes_back_from_its_files(
    name: str, seen: Appearance, speaking: Speaking, tmp_path: Path
) -> None:
    renderer, said = make(replace(POLYNOMIAL_CONFIGS[name], fusion="tucker")), speaking(3)
    renderer.save_pretrained(tmp_path)
    back = PolynomialRenderer.from_pretrained(tmp_path)
    assert back.model.config == renderer.model.config and not back.model.training
    assert next(back.model.parameters()).dtype == torch.float32
    # weights are stored with 11 significant bits
    assert apart(back.render(said, seen), renderer.render(said, seen)) <= 6
    assert (tmp_path / "model.safetensors").stat().st_size < 20e6


def test_no_model_is_loaded_unless_one_is_named() -> None:
    """None is shipped by a name that a default could be."""
    assert signature(PolynomialRenderer.from_pretrained).parameters["name"].default is Parameter.empty


def test_another_model_s_files_are_refused(tmp_path: Path) -> None:
    HeadMotionModel().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="must hold a model of kind PolynomialModel, got 'HeadMotionModel'"):
        PolynomialRenderer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion": "sum"}, "fusion must be one of"),
        ({"audio": 0}, "audio must be at least 1, got 0"),
        ({"noise": 11}, "noise must be at least 1 and at most 10, got 11"),
        ({"width": 1}, "width must be at least 2, got 1"),
        ({"motion": -1}, "motion must be at least 0, got -1"),
    ],
)
def test_sizes_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PolynomialConfig(**settings)


def test_chunks_are_checked() -> None:
    with pytest.raises(InputError, match="chunk must be at least 1, got 0"):
        make(chunk=0)
