"""Networks of action units: sizes, what they hear and when, and that folders give them back."""

from __future__ import annotations

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import SPEECH_UNITS, AudioToUnits, Sound, mfcc_windows
from meshanim.audio.timing import read_linearly


@pytest.fixture
def model() -> AudioToUnits:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AudioToUnits(hidden=8).eval()


@pytest.fixture
def windows(babble) -> torch.Tensor:
    return mfcc_windows(babble, 25)[None]


def test_five_units_have_64_features_each(model, windows):
    assert SPEECH_UNITS == (10, 14, 20, 25, 26)
    assert model.features(windows).flatten(2).shape == (1, 50, 320)
    probabilities = model(windows)
    assert probabilities.shape == (1, 50, 5)
    assert bool(((probabilities > 0) & (probabilities < 1)).all())
    assert torch.equal(probabilities, model.logits(windows).sigmoid())


def test_layers_are_those_of_the_paper(model):
    for network in model.networks:
        assert network.lstm.num_layers == 2 and not network.lstm.bidirectional
        kernels = [layer.kernel_size for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
        assert kernels == [(3, 1), (3, 1), (1, 3), (1, 3)]
        assert sum(isinstance(layer, torch.nn.Linear) for layer in network.modules()) == 3
        assert network.occurs.in_features == 64


def test_frames_do_not_hang_on_later_ones(model, windows):
    changed = windows.clone()
    changed[:, 30:] += 1
    assert torch.allclose(model(changed)[:, :30], model(windows)[:, :30], atol=1e-6)
    assert not torch.allclose(model(changed)[:, 30:], model(windows)[:, 30:], atol=1e-4)


def test_sounds_of_a_batch_do_not_hang_on_each_other(model, windows):
    pair = torch.cat([windows, windows.flip(1)])
    assert torch.allclose(model(pair.flip(0)), model(pair).flip(0), atol=1e-6)


def test_units_have_networks_of_their_own(model, windows):
    model.logits(windows)[..., 3].sum().backward()
    for number, network in enumerate(model.networks):
        for parameter in network.parameters():
            learns = parameter.grad is not None and bool((parameter.grad != 0).any())
            assert learns == (number == 3)


def test_chunk_after_chunk_is_the_whole(model, windows):
    states, parts = None, []
    for chunk in windows.split([1, 20, 29], dim=1):
        part, states = model.go_on(chunk, states)
        parts.append(part)
    assert torch.allclose(torch.cat(parts, dim=1), model.features(windows), atol=1e-6)


def test_coefficients_are_standardised(model, windows):
    model.standardise(windows)
    normal = (windows - model.mean) / model.deviation
    assert normal.mean(dim=(0, 1, 3)).abs().max() < 1e-5
    assert torch.allclose(normal.std(dim=(0, 1, 3)), torch.ones(12), atol=1e-3)


def test_any_rate_is_read_from_the_networks_own(model, babble, windows):
    own = model(windows)[0]
    assert torch.allclose(model.listen(babble, 25), own, atol=1e-6)
    read = model.listen(babble, 50)
    assert read.shape == (100, 5)
    assert torch.allclose(read[::2], own) and torch.allclose(
        read[1:-2:2], (own[1:] + own[:-1]) / 2, atol=1e-6
    )


def test_reading_is_held_at_the_ends():
    track = torch.tensor([[0.0], [2.0]])
    assert read_linearly(track, torch.tensor([-1, 0.25, 1, 5])).flatten().tolist() == [0, 0.5, 2, 2]


def test_a_sound_of_one_sample_is_heard(model):
    assert model.listen(Sound(torch.zeros(1), 48_000), 60).shape == (1, 5)


def test_it_listens_where_it_is(model, babble):
    assert model.to("meta").listen(babble, 30).device.type == "meta"


def test_folders_give_the_model_back(model, windows, tmp_path):
    model.standardise(windows).save_pretrained(tmp_path)
    again = AudioToUnits.from_pretrained(tmp_path)
    assert (again.units, again.fps) == (model.units, model.fps)
    assert torch.equal(again(windows), model(windows))


def test_what_is_no_window_says_so(model):
    with pytest.raises(InputError, match=r"windows must have shape \(any, any, 12, 28\)"):
        model(torch.zeros(1, 5, 13, 28))
