import copy
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim._pretrained import settings_from
from meshanim.audio import EncoderStream, Sound, Wav2Vec2Encoder
from meshanim.faces.anny import AnnyFace
from meshanim.faces.lips import lip_vertices
from meshanim.mesh import MeshHierarchy
from meshanim.synthesis import SPEECH_CONFIGS, ExpressionMotion, SpeechConfig, SpeechModel
from meshanim.synthesis.speech_stream import SpeechStream

TINY = SpeechConfig(
    encoder="log-mel",
    ahead=(1, 2),
    behind=(1,),
    encoder_width=12,
    width=8,
    heads=2,
    feed_forward=8,
    window=10,
    expression_size=6,
)
SHIPPED = ((SpeechModel, "speech-small"), (ExpressionMotion, "speech-motion"))
IDENTITY = torch.linspace(-1, 1, 135)


def voice(seconds: float = 4.0, seed: int = 0) -> torch.Tensor:
    """Noise that swells and fades, at 16 kHz."""
    time = torch.arange(round(seconds * 16000)) / 16000
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    return 0.3 * noise * (2 * torch.pi * 1.7 * time).sin()


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    torch.manual_seed(0)
    made = SpeechModel(TINY)
    made.space.fit(0.3 + 0.2 * torch.randn(100, 52))
    return made.eval()


def parts(model: SpeechModel, waveform: torch.Tensor, size: int, fps: float) -> Iterator[torch.Tensor]:
    return model.stream(waveform.split(size), IDENTITY, fps)


def test_waveforms_in_a_batch_give_the_weights_of_each(model: SpeechModel) -> None:
    waveforms, people = torch.stack([voice(2, 1), voice(2, 2)]), torch.stack([IDENTITY, -IDENTITY])
    together = model.weights_of(waveforms, people)
    for weights, waveform, who in zip(together, waveforms, people, strict=True):
        # float32: a batch may sum in another order, and every frame goes by the last
        torch.testing.assert_close(weights, model.weights(Sound(waveform, 16000), who), rtol=0, atol=1e-5)
    alone = model.weights_of(waveforms[:1])
    assert model.weights_of(waveforms[:0]).shape == (0, *alone.shape[1:])
    torch.testing.assert_close(alone[0], model.weights(Sound(waveforms[0], 16000)), rtol=0, atol=1e-5)


def test_gradients_reach_the_samples_and_who_speaks(model: SpeechModel) -> None:
    exact = copy.deepcopy(model).double()
    waveform = voice(0.4).double()[None].requires_grad_()
    who = IDENTITY.double()[None].requires_grad_()
    toward = torch.randn(52, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def told(samples: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        return (exact.weights_of(samples, identity) @ toward).sum()

    told(waveform, who).backward()
    with torch.no_grad():
        for given in (waveform, who):
            assert given.grad is not None and bool(torch.isfinite(given.grad).all())
            slope = float(given.grad.square().sum().sqrt())
            step = 1e-5 * given.grad / slope
            moved = [
                told(*(x + sign * step if x is given else x for x in (waveform, who))) for sign in (1, -1)
            ]
            # the second difference of a step of 1e-5 is far below, and so are float64's 1e-16 / 1e-5
            assert slope > 0 and abs(float(moved[0] - moved[1]) / 2e-5 - slope) < 1e-4 * slope


@pytest.mark.parametrize(("size", "fps"), [(333, 25), (7000, 60), (40000, 12), (40000, 29.97)])
def test_a_stream_gives_what_the_whole_gives(model: SpeechModel, size: int, fps: float) -> None:
    waveform = voice(3)
    whole = model.weights(Sound(waveform, 16000), IDENTITY, fps)
    assert whole.shape == (round(3 * fps), 52)
    assert float(whole.min()) >= 0 and float(whole.max()) <= 1 and float(whole.std(dim=0).max()) > 1e-3
    # float32: convolutions of another length may sum in another order, and every frame goes by the last
    torch.testing.assert_close(torch.cat(list(parts(model, waveform, size, fps))), whole, rtol=0, atol=1e-5)


def test_a_stream_keeps_no_more_than_it_needs(model: SpeechModel) -> None:
    hearing = model._overlapping()
    stream = SpeechStream(model, hearing, IDENTITY, 60)
    for block in voice(6).split(1600):
        stream.push(block)
        assert isinstance(hearing, EncoderStream) and hearing._held.shape[1] < sum(model.samples_around) + 640
        assert len(stream._track) <= 5
    assert stream._state is not None
    for cache in stream._state.caches:
        assert cache.attention is not None and cache.attention.keys.shape[2] == TINY.window - 1


def test_frames_come_as_soon_as_what_they_hear(model: SpeechModel) -> None:
    """The encoder's look-ahead, and two frames for the curve, not more."""
    given, samples = 0, 0
    for block, heard in zip(parts(model, voice(), 640, 25), [640] * 100 + [0], strict=True):
        given, samples = given + len(block), samples + heard
        frames = (samples - model.samples_around[1]) // 640 + 1
        assert given == (max(0, frames - 2) if heard else 100)


def test_what_comes_later_than_the_look_ahead_plays_no_part(model: SpeechModel) -> None:
    waveform = voice()
    before = model.weights(Sound(waveform, 16000))
    changed = waveform.clone()
    changed[640 * 60 :] = 0
    after = model.weights(Sound(changed, 16000))
    unmoved = 60 - math.ceil(model.samples_around[1] / 640)
    torch.testing.assert_close(after[:unmoved], before[:unmoved], rtol=0, atol=1e-6)
    assert float((after - before)[unmoved:].abs().max()) > 1e-4


def test_rates_agree_where_they_meet(model: SpeechModel) -> None:
    sound = Sound(voice(), 16000)
    slow, fast = model.weights(sound, fps=25), model.weights(sound, fps=100)
    # the curve goes through the model's own frames
    torch.testing.assert_close(fast[::4], slow, rtol=0, atol=1e-5)


def test_rolling_is_a_fixed_point_of_telling(model: SpeechModel) -> None:
    sound = torch.stack([voice(2, seed=1), voice(2, seed=2)])
    style = model.styled(torch.stack([IDENTITY, -IDENTITY]))
    with torch.no_grad():
        heard = model.listen(sound)
        rolled, _ = model.roll(heard, style)
        previous = torch.cat([torch.zeros_like(rolled[:, :1]), rolled[:, :-1]], dim=1)
        told = model(heard, style, previous)
    torch.testing.assert_close(told, rolled, rtol=1e-4, atol=1e-5)


def test_the_first_frame_has_the_style_alone(model: SpeechModel) -> None:
    heard = model.listen(voice()[None])
    previous = torch.randn(1, heard.shape[1], 6, requires_grad=True)
    style = model.styled(IDENTITY[None])
    gradient = torch.autograd.grad(model(heard, style, previous)[:, 0].sum(), previous)[0]
    assert not gradient.any()
    gradient = torch.autograd.grad(model(heard, style, previous)[:, 5].sum(), previous)[0]
    assert gradient.abs().amax(dim=-1).nonzero()[:, 1].tolist() == [1, 2, 3, 4, 5]


def test_who_speaks_makes_a_difference(model: SpeechModel) -> None:
    sound = Sound(voice(), 16000)
    assert not torch.equal(model.weights(sound, IDENTITY), model.weights(sound, -IDENTITY))
    assert torch.equal(model.weights(sound), model.weights(sound, model.identity_mean))


def test_a_habit_is_added_to_all_frames(model: SpeechModel) -> None:
    settled = SpeechModel(model.config).eval()
    settled.load_state_dict(model.state_dict())
    generator = torch.Generator().manual_seed(0)
    identities, means = torch.randn(9, 135, generator=generator), torch.rand(9, 52, generator=generator)
    settled.settle(identities, means)
    sound, who = Sound(voice(), 16000), identities[0]
    mean, own = settled.expressions(sound), settled.expressions(sound, who)
    torch.testing.assert_close(own - mean, settled.habit(who[None]).expand_as(own), rtol=0, atol=1e-5)
    assert float((own - mean).abs().max()) > 1e-3 and not settled.habit(identities.mean(dim=0)[None]).any()
    pieces = torch.cat(list(settled.stream(sound.waveform.split(700), who)))
    torch.testing.assert_close(pieces, settled.weights(sound, who), rtol=0, atol=1e-5)


def test_the_habits_of_strangers_fall_with_the_distance(model: SpeechModel) -> None:
    settled = SpeechModel(model.config)
    settled.load_state_dict(model.state_dict())
    generator = torch.Generator().manual_seed(0)
    settled.settle(torch.randn(9, 135, generator=generator), torch.rand(9, 52, generator=generator))
    way = torch.randn(135, generator=generator)
    away = torch.tensor([1, 2, 10, 100])[:, None] * way / way.square().mean().sqrt()
    near, rim, far, further = settled.habit(settled.identity_mean + away * settled.identity_spread).norm(
        dim=-1
    )
    assert 0 < near < rim and rim > 2 * far > 4 * further > 0


@pytest.mark.parametrize("samples", [1, 640, 700])
def test_a_short_sound_has_a_frame(model: SpeechModel, samples: int) -> None:
    assert model.weights(Sound(voice()[:samples], 16000)).shape == (1, 52)
    assert sum(len(block) for block in model.stream([])) == 1


def test_any_sample_rate(model: SpeechModel) -> None:
    time = torch.arange(2 * 48000) / 48000
    sounds = [Sound((440 * 2 * torch.pi * time[::step]).sin(), 48000 // step) for step in (1, 3)]
    slow, fast = (model.weights(sound) for sound in sounds)
    # a tone is the same at both rates, but at its ends
    torch.testing.assert_close(slow[12:-12], fast[12:-12], rtol=0, atol=0.02)


def test_bad_input_is_one_sentence(model: SpeechModel) -> None:
    sound = Sound(voice(0.2), 16000)
    with pytest.raises(InputError, match="fps must be above 0, got -1"):
        model.weights(sound, fps=-1)
    with pytest.raises(InputError, match=r"identity must have shape \(135,\), got \(3,\)"):
        model.weights(sound, torch.zeros(3))
    with pytest.raises(InputError, match="waveform must be finite, got nan at index"):
        list(model.stream([torch.tensor([0.0, torch.nan])]))
    with pytest.raises(InputError, match=r"waveform must be a tensor, got numpy\.ndarray"):
        list(model.stream([sound.waveform.numpy()]))  # type: ignore[list-item]
    loud = (32767 * sound.waveform).short()
    with pytest.raises(InputError, match=r"waveform must be of a floating type, .* got torch\.int16"):
        list(model.stream([loud]))
    with pytest.raises(InputError, match=r"waveforms must be of a floating type, .* got torch\.int16"):
        model.weights_of(loud[None])
    with pytest.raises(InputError, match=r"identities must have shape \(1, 135\), got \(2, 135\)"):
        model.weights_of(voice(0.2)[None], torch.zeros(2, 135))
    nobody = torch.full((135,), torch.nan)
    with pytest.raises(InputError, match=r"identity must be finite, got nan at index \[0\]"):
        model.weights(sound, nobody)
    with pytest.raises(InputError, match=r"identities must be finite, got nan at index \[0, 0\]"):
        model.weights_of(voice(0.2)[None], nobody[None])
    with pytest.raises(InputError, match=r"waveforms must stay within 1e\+06 times full scale"):
        model.weights_of(1e30 * voice(0.2)[None])


def test_saved_and_loaded_it_says_the_same(model: SpeechModel, tmp_path: Path) -> None:
    loaded = SpeechModel.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert loaded.config == TINY and not loaded.training
    sound = Sound(voice(1.0), 16000)
    assert torch.equal(loaded.weights(sound, IDENTITY), model.weights(sound, IDENTITY))


def test_settings_are_checked() -> None:
    assert settings_from(SpeechConfig, json.loads(json.dumps(asdict(TINY)))) == TINY
    with pytest.raises(InputError, match="encoder must be one of wav2vec2, log-mel, got 'ears'"):
        SpeechConfig(encoder="ears")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="window must be at least 1, got 0"):
        SpeechConfig(window=0)
    with pytest.raises(InputError, match=r"settings must be among .*, got depth"):
        settings_from(SpeechConfig, {"depth": 1})


def test_it_performs_by_weights_or_by_a_spiral_decoder(model: SpeechModel) -> None:
    face = AnnyFace()
    identity = face.sample_identity(torch.Generator().manual_seed(0), 1)[0]
    sound = Sound(voice(0.4), 16000)
    by_weights = model.animate(sound, face, identity)
    assert by_weights.weights is not None and by_weights.waveform is not None
    assert torch.equal(by_weights.waveform, sound.waveform)
    assert torch.equal(by_weights.weights, model.weights(sound, identity))
    torch.manual_seed(0)
    hierarchy = MeshHierarchy.from_mesh(face.neutral, factors=(8, 8))
    motion = ExpressionMotion(face.neutral, hierarchy, 6, (4, 4)).eval()
    with pytest.raises(InputError, match="motion must be of the speech model's expressions"):
        model.animate(sound, face, identity, motion=motion)
    motion.calibrate(model.space, lambda: [torch.full((1, 4, 3), 0.001)])
    still = motion(model.space.encode(torch.zeros(2, 52))).detach()
    # of metres: the same sums in another place of the batch
    assert float(still.abs().max()) < 1e-9
    by_spirals = model.animate(sound, face, identity, motion=motion)
    assert by_spirals.motion is not None and by_spirals.frame_count == by_weights.frame_count == 10
    assert torch.equal(by_spirals.neutral.vertices, face.rest(identity))


SMALL_WAV2VEC = SpeechConfig(
    encoder_width=16, encoder_layers=1, encoder_heads=2, width=8, heads=2, feed_forward=8, expression_size=64
)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained wav2vec 2.0 in a folder, as transformers writes it."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("wav2vec2")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    return folder


def test_the_paper_s_sizes() -> None:
    """Huang et al. 2023, supplement, section 1.1; nothing is allocated."""
    pytest.importorskip("transformers")
    with torch.device("meta"):
        model = SpeechModel(SPEECH_CONFIGS["paper"])
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    assert isinstance(model.encoder, Wav2Vec2Encoder) and len(model.blocks) == 1
    layers = model.encoder.model.encoder.layers
    assert len(layers) == 24 and all(layer.attention.num_heads == 16 for layer in layers)
    for layer in range(24):
        assert shapes[f"encoder.model.encoder.layers.{layer}.attention.q_proj.weight"] == (1024, 1024)
    assert shapes["project.weight"] == (1024, 1024)
    assert shapes["style.weight"] == (1024, 135)
    assert shapes["expression_encoder.weight"] == (1024, 64)
    assert shapes["expression_decoder.weight"] == (64, 1024)
    assert shapes["blocks.0.look_back.project.weight"] == (3 * 1024, 1024)
    assert shapes["blocks.0.listen.query.weight"] == (1024, 1024)
    assert shapes["blocks.0.think.0.weight"] == (2048, 1024)
    assert SPEECH_CONFIGS["paper"].window == 100 and SPEECH_CONFIGS["paper"].period == 25
    assert SPEECH_CONFIGS["paper"].heads == 4


def test_it_takes_wav2vec_from_a_folder_and_streams_near_the_whole(listener: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = SpeechModel(SMALL_WAV2VEC, Wav2Vec2Encoder.from_pretrained(listener)).eval()
    waveform = voice(31)
    whole = made.weights(Sound(waveform, 16000), IDENTITY)
    streamed = torch.cat(list(made.stream(waveform.split(5000), IDENTITY)))
    assert whole.shape == streamed.shape == (775, 52)
    # what is further than two seconds away, and the level of the whole, are not heard in a stream
    assert float((streamed - whole).abs().max()) < 0.2 * float(whole.std(dim=0).max())
    loaded = SpeechModel.from_pretrained(made.save_pretrained(tmp_path / "model"))
    assert torch.equal(loaded.weights(Sound(waveform, 16000), IDENTITY), whole)
    for samples in (1, 9000, 9500):  # the last frame is cut, or filled up with silence
        part = voice(1)[:samples]
        said = made.weights_of(part[None], IDENTITY[None])[0]
        torch.testing.assert_close(said, made.weights(Sound(part, 16000), IDENTITY), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="encoder must have width 1024, got 16"):
        SpeechModel(SPEECH_CONFIGS["paper"], Wav2Vec2Encoder.from_pretrained(listener))


def test_the_shipped_model_rests_in_silence_and_its_decoder_knows_its_expressions() -> None:
    shipped, motion = (kind.from_pretrained(name) for kind, name in SHIPPED)
    assert isinstance(shipped, SpeechModel) and isinstance(motion, ExpressionMotion)
    motion.check_space(shipped.space)
    face = AnnyFace()
    lips = face.units[:, lip_vertices(face)]
    hiss = 0.01 * torch.randn(32000, generator=torch.Generator().manual_seed(0))
    for waveform in (torch.zeros(32000), hiss):
        moved = torch.einsum("tk,kvc->tvc", shipped.weights(Sound(waveform, 16000)), lips)
        assert float(moved.norm(dim=-1).max()) < 0.5e-3
    spoken = shipped.expressions(Sound(voice(), 16000))
    straight = torch.einsum("tk,kvc->tvc", shipped.space(spoken), face.units)
    with torch.no_grad():
        apart = (motion(spoken) - straight).norm(dim=-1)
    # arcs are not lines, but near them
    assert float(apart.mean()) < 0.5e-3
