"""TCSAN: the paper's sizes, streams that equal the whole, folders, and what does not fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_RATE, AudioToUnits
from meshanim.mesh import Mesh
from meshanim.nn import TEMPORAL_FUSIONS
from meshanim.performance import Performance
from meshanim.talking_heads import TCSAN_CONFIGS, Appearance, TcsanConfig, TcsanModel, TcsanRenderer
from meshanim.talking_heads.tcsan import UNIT_SOURCES
from meshanim.talking_heads.tcsan_networks import FrameDiscriminator

TINY = TcsanConfig(
    features=64,
    hidden=64,
    layers=2,
    identity_channels=(2, 3, 4, 5),
    audio_channels=(2, 3, 4, 3, 2),
    decoder_channels=(6, 5, 4, 3, 2, 2),
    units_hidden=4,
)


def tiny(**changes) -> TcsanModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TcsanModel(replace(TINY, **changes)).eval()
        # as after some training: before it, frames are the identity picture whatever is heard
        torch.nn.init.normal_(model.decoder.last.conv.weight, std=0.3)
        return model


def inputs(frames: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        2 * torch.rand(1, 3, 112, 112, generator=generator) - 1,
        torch.randn(1, frames, 12, 28, generator=generator),
        torch.rand(1, frames, 5, generator=generator),
    )


def spoken(frames: int = 30, units: int | None = 5) -> Performance:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    generator = torch.Generator().manual_seed(2)
    return Performance(
        mesh,
        25.0,
        motion=mesh.vertices.expand(frames, 3, 3),
        waveform=0.1 * torch.randn(frames * SPEECH_RATE // 25, generator=generator),
        sample_rate=SPEECH_RATE,
        action_units=None if units is None else torch.rand(frames, units, generator=generator),
    )


@pytest.fixture(scope="module")
def appearance() -> Appearance:
    """A grey card with landmarks where a face's would be."""
    landmarks = torch.tensor([[80.0 + 5 * (number % 20), 60.0 + number] for number in range(68)])
    frame = torch.arange(256 * 256 * 3).remainder(251).byte().view(1, 256, 256, 3)
    return Appearance(frame, torch.eye(2, 3)[None], landmarks[None])


def test_the_papers_sizes():
    model = TcsanModel(TCSAN_CONFIGS["paper"])
    picture, windows, _ = inputs(3)
    person = model.look(picture)
    assert person.features.shape == (1, 512) and model.sound(windows).shape == (1, 3, 512)
    units = model.unit_features(windows)
    assert units is not None and units.shape == (1, 3, 320) and model.config.width == 1344
    kinds = [type(each).__name__ for each in model.decoder.modules()]
    assert kinds.count("ConvTranspose2d") == 6 and kinds.count("Linear") == 1
    assert [type(each).__name__ for each in model.identity.modules()].count("Conv2d") == 4
    assert [type(each).__name__ for each in model.sound.modules()].count("Conv2d") == 5
    # 16 bits each in the file, which is to stay below 20 MB
    assert 2 * sum(value.numel() for value in model.state_dict().values()) < 20e6


@pytest.mark.parametrize(
    ("fusion", "units"),
    [*((name, "none") for name in TEMPORAL_FUSIONS), *(("tcsan", units) for units in UNIT_SOURCES[1:])],
)
def test_a_stream_equals_the_whole(fusion, units):
    model, (picture, windows, known) = tiny(fusion=fusion, units=units), inputs()
    with torch.no_grad():
        whole = model(picture, windows, known)
        parts = list(model.stream(picture, windows.split(3, dim=1), known.split(3, dim=1)))
    assert whole.shape == (1, 20, 3, 112, 112) and len(parts) > 1
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


def test_a_frame_hears_as_far_as_the_fusion_reaches():
    model, (picture, windows, _) = tiny(units="none"), inputs()
    changed = windows.clone()
    changed[:, 10] += 3
    with torch.no_grad():
        moved = (model(picture, changed) - model(picture, windows)).abs().amax(dim=(0, 2, 3, 4))
    assert (moved > 0).nonzero().flatten().tolist() == list(range(7, 14))


def test_before_training_frames_are_the_picture():
    with torch.random.fork_rng(devices=[]):
        model, (picture, windows, _) = TcsanModel(TINY).eval(), inputs(3)
    assert torch.equal(model(picture, windows), picture[:, None].expand(1, 3, 3, 112, 112))


def test_units_of_the_mesh_are_seen_and_needed():
    model, (picture, windows, known) = tiny(units="mesh"), inputs(4)
    assert not torch.allclose(model(picture, windows, known), model(picture, windows, 1 - known), atol=1e-6)
    for call in (model, lambda *given: list(model.stream(given[0], [given[1]]))):
        with pytest.raises(InputError, match="intensities of action units must be given"):
            call(picture, windows)


def test_folders_give_the_model_back(tmp_path):
    model, (picture, windows, _) = tiny(), inputs(4)
    model.save_pretrained(tmp_path)
    again = TcsanModel.from_pretrained(tmp_path)
    assert again.config == TINY and not again.training
    for name, value in model.state_dict().items():
        assert again.state_dict()[name].dtype == value.dtype
        # 16 bits keep 11 of a number's binary digits
        assert torch.allclose(again.state_dict()[name].float(), value.float(), rtol=2**-11, atol=1e-7)
    assert torch.allclose(again(picture, windows), model(picture, windows), atol=1e-2)
    again.save_pretrained(tmp_path / "twice")
    assert torch.equal(
        TcsanModel.from_pretrained(tmp_path / "twice")(picture, windows), again(picture, windows)
    )


def test_another_models_weights_say_so(tmp_path):
    AudioToUnits().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="must hold a model of kind tcsan, got 'audio-to-units'"):
        TcsanRenderer.from_pretrained(tmp_path)


def test_settings_that_do_not_fit_say_so():
    with pytest.raises(InputError, match="units must be one of none, audio, mesh, got 'video'"):
        replace(TINY, units="video")
    with pytest.raises(InputError, match="decoder_channels must be 6 positive numbers, got"):
        replace(TINY, decoder_channels=(4, 4))
    with pytest.raises(InputError, match="width must be a multiple of 64"):
        TcsanModel(replace(TINY, features=100))


def test_a_renderer_draws_the_whole_in_chunks(appearance):
    renderer = TcsanRenderer(tiny())
    assert renderer.size == (112, 112) and renderer.fps == 25 and renderer.needs == {"audio"}
    chunks = list(renderer.stream(spoken(), appearance))
    assert len(chunks) > 1 and sum(map(len, chunks)) == 30
    assert torch.equal(torch.cat(chunks), renderer.render(spoken(), appearance))
    assert chunks[0].shape[1:] == (112, 112, 3) and chunks[0].dtype == torch.uint8
    chunks[0].zero_()  # frames are to be drawn on


def test_a_renderer_of_mesh_units_needs_them(appearance):
    renderer = TcsanRenderer(tiny(units="mesh"))
    assert renderer.render(spoken(9), appearance).shape == (9, 112, 112, 3)
    with pytest.raises(InputError, match="must have action units to be rendered by tcsan, got one without"):
        renderer.render(spoken(9, None), appearance)
    with pytest.raises(InputError, match=r"action units must be 10, 14, 20, 25, 26, 5 of them, .* got 7"):
        renderer.render(spoken(9, 7), appearance)


def test_a_discriminator_sees_frame_and_identity():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        judge = FrameDiscriminator(2)
    frames, others = torch.rand(2, 2, 3, 112, 112, generator=torch.Generator().manual_seed(0)).unbind()
    assert judge(frames, others).shape == (2,)
    assert not torch.allclose(judge(frames, others), judge(frames, frames))
