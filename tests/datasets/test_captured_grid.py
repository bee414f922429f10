"""Captured clips: real voices beside fixed performances, in the split that everybody uses."""

from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.audio import Sound, write_sound
from meshanim.datasets import CapturedGrid
from meshanim.datasets.captured_grid import PERFORMANCES, clip_digest, grid_splits, save_performances


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips, which hold sound alone, and their made performances in ``made.safetensors``."""
    captured, known = {}, {}
    for place, name in enumerate(("s1/bbaf2n", "speakers/swwp2s")):
        sound = Sound(0.1 * torch.randn(44100, generator=torch.Generator().manual_seed(place)), 44100)
        clip = tmp_path / f"{name}.mpg"
        write_sound(clip.with_suffix(".wav"), sound)
        clip.with_suffix(".wav").rename(clip)
        generator = torch.Generator().manual_seed(place + 10)
        captured[name] = {
            "weights": torch.rand(25, 52, generator=generator),
            "head_motion": torch.randn(25, 6, generator=generator),
            "identity": torch.randn(135, generator=generator),
        }
        known[name] = {"fps": 25.0, "sha256": clip_digest(clip)}
    save_performances(tmp_path / "made.safetensors", captured, known)
    return tmp_path


def test_the_split_is_by_sorted_name() -> None:
    names = [f"s1/{place:03d}" for place in range(108)] + ["speakers/000"]
    splits = grid_splits(names[::-1])
    assert [splits[f"s1/{place:03d}"] for place in (0, 79, 80, 89, 90, 107)] == [
        "train",
        "train",
        "validation",
        "validation",
        "test",
        "test",
    ]
    assert splits["speakers/000"] == "test" and len(splits) == 109


def test_a_clip_is_read_with_its_voice_and_its_performance(clips: Path) -> None:
    corpus = CapturedGrid(clips, "train", clips / "made.safetensors")
    assert len(corpus) == 1
    utterance = corpus[0]
    expected = torch.rand(25, 52, generator=torch.Generator().manual_seed(10))
    assert torch.allclose(utterance.weights, expected, atol=5e-4)
    assert (utterance.text, utterance.speaker, utterance.fps) == ("bin blue at f two now", "s1", 25.0)
    assert utterance.sound.sample_rate == 16000 and utterance.sound.duration == 1.0
    assert CapturedGrid(clips, "test", clips / "made.safetensors")[-1].speaker == "speakers/swwp2s"


def test_another_clip_of_the_name_is_refused(clips: Path) -> None:
    corpus = CapturedGrid(clips, "train", clips / "made.safetensors")
    clip = clips / "s1" / "bbaf2n.mpg"
    clip.write_bytes(clip.read_bytes() + b"\0")
    with pytest.raises(InputError, match="must be the clip that was captured"):
        corpus[0]
    clip.unlink()
    with pytest.raises(InputError, match="must hold the clip s1/bbaf2n"):
        corpus[0]


def test_bad_places_are_refused(clips: Path) -> None:
    with pytest.raises(InputError, match="folder must hold the clips"):
        CapturedGrid(clips / "nowhere")
    with pytest.raises(InputError, match=r"folder must hold the clip s1/bbaf2n\.mpg, got .*speakers without"):
        CapturedGrid(clips / "speakers", "train", clips / "made.safetensors")
    with pytest.raises(InputError, match="performances must be a file"):
        CapturedGrid(clips, "train", clips / "nothing.safetensors")
    with pytest.raises(InputError, match="must hold captured clips"):
        CapturedGrid(clips, "train", clips / "s1" / "bbaf2n.mpg")


def test_where_there_is_no_checkout_it_is_said_that_performances_are_in_one(clips, monkeypatch) -> None:
    own = PERFORMANCES.with_name("no-such.safetensors")
    monkeypatch.setattr("meshanim.datasets.captured_grid.PERFORMANCES", own)
    with pytest.raises(InputError, match=r"no-such\.safetensors, which is in a checkout of meshanim only"):
        CapturedGrid(clips, performances=own)


@pytest.mark.skipif(not PERFORMANCES.is_file(), reason="no research data in this checkout")
def test_the_clips_beside_the_checkout_are_those_that_were_captured(shared_data: Path) -> None:
    sizes = {
        split: len(CapturedGrid(shared_data / "grid_sample", split)) for split in ("train", "validation")
    }
    assert sizes == {"train": 80, "validation": 10}
    test = CapturedGrid(shared_data / "grid_sample", "test")
    assert len(test) == 29
    assert test[0].frame_count == 75 and test[0].sound.duration == pytest.approx(3.0, abs=0.03)
