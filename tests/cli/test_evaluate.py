"""``meshanim evaluate``: the figures of two videos, and one sentence for those that do not fit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim.audio import Sound
from meshanim.vision import (
    TCSAN_CROP,
    LipSyncNetwork,
    cut_clip,
    follow_landmarks,
    read_video,
    whole_track,
    write_image,
    write_video,
)

from .commands import call

pytest.importorskip("dlib", reason="the extra vision is not installed")
pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")

SECONDS = 1.6


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> list[np.ndarray]:
    frames = read_video(shared_data / "grid_sample" / "speakers" / "brbk7n.mpg").frames()
    return list(itertools.islice(frames, 4))


@pytest.fixture
def still(monkeypatch) -> None:
    """Put the face at one place, instead of looking for it in every frame."""
    landmarks = np.random.default_rng(0).uniform(15, 45, (68, 2))
    monkeypatch.setattr("meshanim.vision.follow_landmarks", lambda frames: [landmarks for _ in frames])


def noise(path: Path, count: int, sound: Sound | None = None, seed: int = 0) -> Path:
    frames = np.random.default_rng(seed).integers(0, 256, (count, 60, 60, 3), np.uint8)
    write_video(path, frames, 25, *((sound.waveform.numpy(), sound.sample_rate) if sound else ()))
    return path


def test_real_faces_are_compared(faces, tmp_path: Path, capsys) -> None:
    write_video(tmp_path / "a.mp4", faces, 25)
    write_video(tmp_path / "b.mp4", faces[:3], 25)
    write_image(tmp_path / "her.png", faces[-1])
    arguments = ("-o", tmp_path / "report.json", "--reference", tmp_path / "her.png")
    assert call("evaluate", tmp_path / "b.mp4", tmp_path / "a.mp4", *arguments) == 0
    told = capsys.readouterr()
    assert "3 frames beside 4 true ones: the first 3 are compared" in told.err
    assert "PSNR of the mouth, dB" in told.out and "picture late by" not in told.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["frames"], report["fps"], report["size"]) == (3, 25, [288, 360])
    assert report["scores"]["lmd_px"] < 1 and report["scores"]["acd_dlib"] < 0.6


def test_a_whole_film_is_cut_as_a_renderer_draws(faces, tmp_path: Path, capsys) -> None:
    landmarks = whole_track(follow_landmarks(faces))
    drawn, _ = cut_clip(faces, landmarks, TCSAN_CROP)
    write_video(tmp_path / "drawn.mp4", drawn, 25)
    write_video(tmp_path / "whole.mp4", [frame for frame in faces for _ in range(2)], 50)
    films = (tmp_path / "drawn.mp4", tmp_path / "whole.mp4")
    assert call("evaluate", *films, "--renderer", "tcsan", "-o", tmp_path / "a.json") == 0
    assert "the true film's 50 frames/s are compared at 25" in capsys.readouterr().err
    report = json.loads((tmp_path / "a.json").read_text())
    assert (report["frames"], report["fps"], report["size"]) == (4, 25, [112, 112])
    # both films are compressed, and dlib reads a small face less finely
    assert report["scores"]["psnr_db"] > 30 and report["scores"]["lmd_px"] < 1
    for arguments, sentence in (
        (("--renderer", "polynomial"), "drawn.mp4 must have the renderer's size, 128 x 96, got 112 x 112"),
        (("--renderer", "mesh"), "renderer must be one of polynomial, tcsan, got 'mesh'"),
        ((), "the true one's size, 288 x 360, got 112 x 112; --renderer cuts a true one"),
    ):
        assert call("evaluate", *films, *arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())


def test_rates_that_differ_by_rounding_are_one(still, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("meshanim.cli.evaluate._LIP_SYNC", "research/nobody")
    monkeypatch.setattr("meshanim.cli.evaluate._CLASSIFIER", "research/nobody")
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 60, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames, 25)
    write_video(tmp_path / "b.mp4", frames, 25.004)
    assert read_video(tmp_path / "b.mp4").fps != 25
    assert call("evaluate", tmp_path / "b.mp4", tmp_path / "a.mp4") == 0


def test_picture_and_sound_are_judged(still, babble: Callable[..., Sound], tmp_path: Path, capsys) -> None:
    LipSyncNetwork(2, 4).save_pretrained(tmp_path / "judge")
    count = round(25 * SECONDS)
    first = noise(tmp_path / "a.mp4", count, babble(SECONDS))
    second = noise(tmp_path / "b.mp4", count, seed=1)
    assert call("evaluate", second, first, "--judge", tmp_path / "judge") == 0
    assert "picture late by, frames" in capsys.readouterr().out
    silent = noise(tmp_path / "c.mp4", 3)
    assert call("evaluate", silent, silent, "--judge", tmp_path / "judge") == 0
    told = capsys.readouterr()
    assert "neither video has sound" in told.err and "picture late by" not in told.out


def test_units_that_neither_shows_are_counted(still, monkeypatch, tmp_path: Path, capsys) -> None:
    class Reader:
        """Sees the second unit in all frames, two others in none."""

        def see(self, frames: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
            return torch.tensor([0.1, 0.9, 0.5]).expand(len(frames), -1)

    monkeypatch.setattr("meshanim.cli.evaluate._LIP_SYNC", "research/nobody")
    monkeypatch.setattr("meshanim.vision.UnitClassifier.from_pretrained", lambda name: Reader())
    clip = noise(tmp_path / "a.mp4", 3)
    assert call("evaluate", clip, clip, "-o", tmp_path / "a.json") == 0
    assert "those that neither video shows, each 0 in the mean F1" in capsys.readouterr().out
    scores = json.loads((tmp_path / "a.json").read_text())["scores"]
    assert scores["au_absent"] == 2
    assert scores["au_f1"] == pytest.approx(1 / 3) and scores["au_accuracy"] == 1


def test_without_a_judge_its_figures_are_left_out(still, monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr("meshanim.cli.evaluate._LIP_SYNC", "research/nobody")
    monkeypatch.setattr("meshanim.cli.evaluate._CLASSIFIER", "research/nobody")
    clip = noise(tmp_path / "a.mp4", 3)
    assert call("evaluate", clip, clip, "-o", tmp_path / "a.json") == 0
    said = capsys.readouterr().err
    assert "no trained lip-sync network is here" in said and "no trained classifier of action units" in said
    # The PSNR of equal frames is infinite, for which JSON has no number.
    assert json.loads((tmp_path / "a.json").read_text())["scores"]["psnr_db"] is None


def test_what_does_not_fit_is_one_sentence(faces, monkeypatch, tmp_path: Path, capsys) -> None:
    wall, small = noise(tmp_path / "wall.mp4", 3), tmp_path / "small.mp4"
    write_video(small, np.zeros((3, 40, 60, 3), np.uint8), 25)
    write_video(tmp_path / "slow.mp4", np.zeros((3, 60, 60, 3), np.uint8), 12)
    (tmp_path / "folder.json").mkdir()
    write_image(tmp_path / "wall.png", np.full((40, 40, 3), 90, np.uint8))
    for arguments, sentence in (
        ((wall, wall), "wall.mp4 must show a face, got none in 3 frames"),
        ((small, wall), "small.mp4 must have the true one's size, 60 x 60, got 40 x 60"),
        ((tmp_path / "slow.mp4", wall), "slow.mp4 must have the true one's 25 frames/s, got 12"),
        ((tmp_path / "none.mp4", wall), "none.mp4 does not exist"),
        ((wall, wall, "--reference", tmp_path / "wall.png"), "wall.png must show a face, got none"),
        ((wall, wall, "--judge", tmp_path), "must hold config.json and model.safetensors"),
        ((wall, wall, "-o", tmp_path / "a.txt"), "output must end in .json"),
        ((wall, wall, "-o", wall / "a.json"), "a.json must lie in a folder, but"),
        ((wall, wall, "-o", tmp_path / "folder.json"), "folder.json must be a file to write"),
    ):
        assert call("evaluate", *arguments) == 2
        assert sentence in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("meshanim.cli.evaluate._LARGEST", 2 * 60 * 60 * 3)
    assert call("evaluate", wall, wall) == 2
    assert "must have at most 2 frames of its size" in capsys.readouterr().err
