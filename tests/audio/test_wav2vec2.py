"""wav2vec 2.0 at frame rates, on small random networks in the format that ``transformers`` writes."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.nn import functional

from meshanim._check import InputError, MissingExtra
from meshanim.audio import Wav2Vec2Encoder
from meshanim.audio.wav2vec2 import LARGE

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
}


@pytest.fixture(scope="module")
def encoder() -> Wav2Vec2Encoder:
    pytest.importorskip("transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Wav2Vec2Encoder.from_settings(**SMALL).eval()


@pytest.mark.parametrize("fps", [12.0, 25.0, 29.97, 60.0])
@torch.no_grad()
def test_there_is_a_feature_for_every_frame(encoder, babble, fps):
    assert encoder(babble.waveform[None], fps).shape == (1, round(2 * fps), 24)


@torch.no_grad()
def test_one_sample_is_one_frame(encoder):
    features = encoder(torch.zeros(2, 1), 25)
    assert features.shape == (2, 1, 24) and bool(features.isfinite().all())


@torch.no_grad()
def test_at_its_own_rate_the_transformer_gets_its_own_features(encoder, babble):
    """At 50 fps, frames are half a sample beside the centres of features, which is next to nothing."""
    waveform = babble.waveform[None]
    heard = encoder.model.feature_extractor(encoder._prepared(waveform)).mT
    frames = encoder._at_frames(heard, 100, 50)
    assert torch.allclose(
        frames, heard[:, :100] + (heard[:, 1:101] - heard[:, :100]) * (0.5 / 320), atol=1e-6
    )
    expected = encoder.model(encoder._prepared(waveform)[:, : 99 * 320 + 400]).last_hidden_state
    assert functional.cosine_similarity(encoder(waveform, 50), expected, dim=-1).min() > 0.999


def test_features_between_two_lie_on_a_line(encoder):
    rising = torch.arange(60.0)[None, :, None].expand(1, 60, 8)
    read = encoder._at_frames(rising, 30, 30)[0, :, 0]
    moments = torch.arange(30) / 30
    assert torch.allclose(read, (moments * 16_000 + 0.5) / 320, atol=1e-4)


@torch.no_grad()
def test_a_click_is_heard_at_its_frame(encoder):
    """The convolutions alone are local: what changes with the click are the frames about it."""
    silent, click = torch.zeros(1, 32_000), torch.zeros(1, 32_000)
    click[0, 16_000] = 1
    for fps in (25.0, 30.0):
        heard = [encoder.model.feature_extractor(functional.pad(x, (200, 520))).mT for x in (silent, click)]
        plain, struck = (encoder._at_frames(features, round(2 * fps), fps) for features in heard)
        changed = (plain != struck).any(dim=-1)[0].nonzero().flatten() / fps
        # Half the reach of a feature and a stride to the next: 12.5 ms and 20 ms.
        assert bool(((changed - 1).abs() < 0.0326).all()) and float((changed - 1).abs().min()) < 1e-6


@torch.no_grad()
def test_loudness_does_not_count(encoder, babble):
    quiet, loud = (encoder(level * babble.waveform[None], 25) for level in (1.0, 4.0))
    assert torch.allclose(quiet, loud, atol=2e-3)


@torch.no_grad()
def test_a_local_folder_is_read(encoder, babble, tmp_path):
    encoder.model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    again = Wav2Vec2Encoder.from_pretrained(tmp_path)
    assert torch.equal(again(babble.waveform[None], 25), encoder(babble.waveform[None], 25))


def test_settings_make_the_same_network(encoder):
    again = Wav2Vec2Encoder.from_settings(**encoder.settings)
    shapes = [{name: value.shape for name, value in e.state_dict().items()} for e in (encoder, again)]
    assert shapes[0] == shapes[1]


def test_no_pickle_is_read(encoder, tmp_path):
    encoder.model.config.save_pretrained(tmp_path)
    torch.save(encoder.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"a folder with config\.json and model\.safetensors"):
        Wav2Vec2Encoder.from_pretrained(tmp_path)


def test_the_large_settings_are_those_published():
    pytest.importorskip("transformers")
    with torch.device("meta"):
        encoder = Wav2Vec2Encoder.from_settings(**LARGE)
    layers = encoder.model.encoder.layers
    assert (len(layers), encoder.width, layers[0].attention.num_heads) == (24, 1024, 16)
    # 315,438,720 of wav2vec 2.0's large model (Baevski et al. 2020 give 317 million with its quantizer).
    assert sum(p.numel() for p in encoder.parameters()) == 315_438_720


def test_without_transformers_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"transformers is not installed.*meshanim\[speech\]"):
        Wav2Vec2Encoder.from_pretrained("somewhere")


def test_every_parameter_learns(encoder, babble):
    encoder.zero_grad()
    direction = torch.randn(24, generator=torch.Generator().manual_seed(1))
    (encoder(babble.waveform[None, :8000], 25) @ direction).square().mean().backward()
    unused = [name for name, p in encoder.named_parameters() if p.grad is None]
    # Only pre-training masks.
    assert unused == ["model.masked_spec_embed"]
