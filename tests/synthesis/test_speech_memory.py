"""Memory of speech: kernel ridge regression that keeps in step with an encoder."""

from dataclasses import replace

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import LogMelEncoder, Sound
from meshanim.synthesis import SPEECH_CONFIGS, SpeechConfig, SpeechModel
from meshanim.synthesis.speech_memory import SpeechMemory, cluster_means, joined

SIZE, PEOPLE = 3, 5
CONFIG = replace(
    SPEECH_CONFIGS["small"],
    encoder_width=8,
    width=8,
    heads=2,
    feed_forward=8,
    expression_size=SIZE,
    identity_size=PEOPLE,
    memory=40,
)


def tones(seed: int, frames: int = 30) -> torch.Tensor:
    """A tone whose pitch wanders, in a little noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames * 640) / 16000
    pitch = 300 + 150 * (2 * torch.pi * (0.5 + torch.rand((), generator=generator)) * time).sin()
    tone = (2 * torch.pi * pitch.cumsum(0) / 16000).sin()
    return 0.3 * tone + 0.003 * torch.randn(len(time), generator=generator)


@pytest.fixture(scope="module")
def encoder() -> LogMelEncoder:
    return LogMelEncoder(width=8, ahead=CONFIG.ahead, behind=CONFIG.behind)


@pytest.fixture(scope="module")
def heard(encoder: LogMelEncoder) -> list[torch.Tensor]:
    return [encoder.padded(tones(seed)[None], 30) for seed in range(3)]


def remembering(encoder: LogMelEncoder, heard: list[torch.Tensor], count: int) -> SpeechMemory:
    memory = SpeechMemory(count, SIZE, PEOPLE, encoder)
    memory.fit(heard, people(3), expressions(), torch.ones(3))
    return memory


def people(count: int) -> torch.Tensor:
    return torch.randn(count, PEOPLE, generator=torch.Generator().manual_seed(5))


def expressions() -> list[torch.Tensor]:
    return list(torch.randn(3, 30, SIZE, generator=torch.Generator().manual_seed(7)))


def test_with_every_window_a_place_it_is_kernel_ridge_regression(
    encoder: LogMelEncoder, heard: list[torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshanim.synthesis.speech_memory._MEMBERS", 1)
    monkeypatch.setattr("meshanim.synthesis.speech_memory._ROUNDS", 0)
    monkeypatch.setattr("meshanim.synthesis.speech_memory._JITTER", 1e-9)
    memory = remembering(encoder, heard, 90)
    windows = torch.cat([memory.windows(piece)[0] for piece in heard]).double()
    who = people(3).double().repeat_interleave(30, dim=0) * 0.2 / PEOPLE**0.5
    scale = (windows - windows.mean(dim=0)).square().sum(dim=1).mean()
    apart = torch.cdist(windows, windows).square() / scale + torch.cdist(who, who).square()
    kernel = torch.exp(-apart / (2 * 0.8**2))
    wanted = torch.cat(expressions()).double()
    beyond = wanted - wanted.mean(dim=0)
    told = kernel @ torch.linalg.solve(kernel + 0.15 * torch.eye(90).double(), beyond) + wanted.mean(dim=0)
    recalled = torch.cat([memory(piece, who[None])[0] for piece, who in zip(heard, people(3), strict=True)])
    torch.testing.assert_close(recalled[:, :-1].double(), told, rtol=0, atol=5e-3)
    torch.testing.assert_close(recalled[:, -1], torch.full((90,), 0.7), rtol=0, atol=1e-3)


def test_no_place_is_a_window(encoder: LogMelEncoder, heard: list[torch.Tensor]) -> None:
    memory = remembering(encoder, heard, 45)
    windows = torch.cat([memory.windows(piece)[0] for piece in heard])
    known = (windows - memory.mean) @ memory.components
    distances = torch.cdist(known.to(memory.places), memory.places[:, : known.shape[1]])
    # 0 would be the same; tones that wander are some hundredths apart from frame to frame
    assert float(distances.min()) > 1e-3


def test_clusters_are_means_of_four_or_more() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]).double()
    samples = centres.repeat_interleave(20, dim=0) + 0.1 * torch.randn(60, 2, generator=generator).double()
    means = cluster_means(samples, 3)
    wanted = samples.unflatten(0, (3, 20)).mean(dim=1)
    torch.testing.assert_close(means, wanted)
    alone = cluster_means(torch.cat([samples, torch.tensor([[90.0, 90.0]]).double()]), 4)
    assert float(alone.max()) < 50


def test_some_windows_tell_most(encoder: LogMelEncoder, heard: list[torch.Tensor]) -> None:
    whole, some = (remembering(encoder, heard, count) for count in (90, 45))
    said, near = (memory(heard[0], people(1))[0, :, :-1] for memory in (whole, some))
    assert float((said - near).square().mean()) < 0.5 * float(said.var(dim=0).mean())


def test_neither_another_sound_nor_another_person_is_like(
    encoder: LogMelEncoder, heard: list[torch.Tensor]
) -> None:
    memory = remembering(encoder, heard, 40)
    unlike = memory(encoder.padded(torch.zeros(1, 16000), 25), people(1))
    assert float(unlike[0, 5:-5, -1].max()) < 0.2
    torch.testing.assert_close(unlike[0, 12, :-1], memory.level, rtol=0, atol=0.2)
    # identities ten deviations away
    assert float(memory(heard[0], 10 + people(1))[..., -1].max()) < 0.1


def test_each_has_its_share() -> None:
    said, recalled = torch.randn(2, 6, SIZE), torch.randn(2, 6, SIZE)
    share = torch.linspace(0, 0.7, 6)[:, None].expand(2, 6, 1)
    both = joined(said, torch.cat([recalled, share], dim=-1))
    torch.testing.assert_close(both, (1 - share) * said + share * recalled)


def test_what_was_never_filled_says_nothing() -> None:
    torch.manual_seed(0)
    empty = SpeechModel(CONFIG).eval()
    sound, said = Sound(tones(0), 16000), []
    for memory in (empty.memory, None):
        empty.memory = memory
        said.append(empty.expressions(sound))
    assert torch.equal(*said)


def test_a_window_hears_a_quarter_of_a_second_to_each_side(
    encoder: LogMelEncoder, heard: list[torch.Tensor]
) -> None:
    memory = remembering(encoder, heard, 40)
    piece = heard[0].clone().requires_grad_()
    memory(piece, people(1))[0, 15, :-1].sum().backward()
    assert piece.grad is not None
    near = piece.grad[0].nonzero().flatten() - encoder.samples_before - 15 * 640
    # 26 spectra of 25 ms, a hundredth of a second apart, and Hann windows that end in zeros
    assert -26 * 160 - 200 <= int(near[0]) < -26 * 160 - 190
    assert 25 * 160 + 190 < int(near[-1]) <= 25 * 160 + 200


def model() -> SpeechModel:
    torch.manual_seed(0)
    made = SpeechModel(CONFIG)
    weights = [torch.rand(30, 52, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    made.calibrate(torch.cat(weights), people(3))
    made.settle(people(3), torch.stack([each.mean(dim=0) for each in weights]))
    made.remember([tones(seed) for seed in range(3)], weights, people(3))
    return made.eval()


@pytest.mark.parametrize(("size", "fps"), [(333, 25), (7000, 60)])
def test_a_stream_with_a_memory_gives_what_the_whole_gives(size: int, fps: float) -> None:
    made, waveform = model(), tones(0, 60)
    whole = made.weights(Sound(waveform, 16000), people(1)[0], fps)
    stream = torch.cat(list(made.stream(waveform.split(size), people(1)[0], fps)))
    torch.testing.assert_close(stream, whole, rtol=0, atol=1e-5)
    if fps == 25:
        at_once = made.weights_of(waveform[None], people(1))[0].detach()
        torch.testing.assert_close(at_once, whole, rtol=0, atol=1e-5)
    made.memory = None
    assert float((made.weights(Sound(waveform, 16000), people(1)[0], fps) - whole).abs().max()) > 1e-3


def test_it_is_saved_with_the_model(tmp_path) -> None:
    made = model()
    made.save_pretrained(tmp_path)
    sound = Sound(tones(1), 16000)
    assert torch.equal(SpeechModel.from_pretrained(tmp_path).weights(sound), made.weights(sound))


def test_what_cannot_be_remembered_is_one_sentence(heard: list[torch.Tensor], encoder: LogMelEncoder) -> None:
    with pytest.raises(InputError, match="memory must be at most the 90 frames"):
        remembering(encoder, heard, 91)
    with pytest.raises(InputError, match=r"hear 0\.27 s to each side, got 0\.19 s"):
        SpeechModel(replace(CONFIG, ahead=(1, 2)))
    with pytest.raises(InputError, match="memory must be 0 with encoder wav2vec2"):
        SpeechConfig(memory=10)
    with pytest.raises(InputError, match="memory must be part of the configuration"):
        SpeechModel(replace(CONFIG, memory=0)).remember([tones(0)], [torch.zeros(30, 52)], people(1))
    filled, track = model(), torch.zeros(30, 52)
    with pytest.raises(InputError, match=r"identities must have shape \(2, 5\), got \(1, 5\)"):
        filled.remember([tones(0), tones(1)], [track, track], people(1))
    with pytest.raises(InputError, match="weights must be those of 2 sounds, got 1"):
        filled.remember([tones(0), tones(1)], [track], people(2))
    with pytest.raises(InputError, match="sounds must be finite"):
        filled.remember([tones(0), tones(1) * torch.nan], [track, track], people(2))


def test_mixed_precision_and_another_default_type_recall_the_same(doubles) -> None:
    model = SpeechModel(CONFIG).eval()
    sounds = [tones(seed) for seed in range(3)]
    model.remember(sounds, [torch.rand(30, 52) for _ in sounds], people(3))
    sound = Sound(sounds[0], 16_000)
    wanted = model.weights(sound)
    with torch.autocast("cpu", torch.bfloat16):
        # the network's own numbers have some 8 bits
        torch.testing.assert_close(model.weights(sound), wanted, rtol=0, atol=0.02)
    with doubles():
        assert torch.equal(model.weights(sound), wanted)
