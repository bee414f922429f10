"""Kept faces: drawn once, and as the ones that are drawn each time."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from meshanim._check import InputError
from meshanim.datasets import KeptFaces, RenderedFaces
from meshanim.faces import AnnyFace


@pytest.fixture(scope="module")
def face():
    return AnnyFace()


def test_they_are_those_that_are_drawn_but_for_rounding(face, tmp_path: Path, monkeypatch):
    drawn = RenderedFaces(face, 3, 2, 32)[1]
    first, again = KeptFaces(face, 3, 2, 32, tmp_path)[1], KeptFaces(face, 3, 2, 32, tmp_path)
    monkeypatch.setattr(RenderedFaces, "__getitem__", None)
    for kept in (first, again[1]):
        assert (kept.image - drawn.image).abs().max() < 0.51 / 255
        for name in ("vertices", "identity", "weights", "head_motion"):
            assert torch.equal(getattr(kept, name), getattr(drawn, name)), name
        assert torch.equal(kept.camera.project(kept.vertices), drawn.camera.project(drawn.vertices))
    with pytest.raises(TypeError):
        again[0]


def test_a_worker_draws_into_the_same_file(face, tmp_path: Path):
    kept = KeptFaces(face, 2, 0, 32, tmp_path)
    worker = pickle.loads(pickle.dumps(kept))
    drawn = worker[1].image
    assert kept._records[1]["drawn"] and torch.equal(kept[1].image, drawn)


def test_every_setting_has_its_file(face, tmp_path: Path):
    for settings in ((3, 0, 32), (4, 0, 32), (3, 1, 32), (3, 0, 64)):
        KeptFaces(face, *settings, tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_damaged_files_are_refused(face, tmp_path: Path):
    KeptFaces(face, 3, 0, 32, tmp_path)
    (path,) = tmp_path.iterdir()
    np.save(path, np.zeros(3))
    with pytest.raises(InputError, match="must hold 3 faces of these settings"):
        KeptFaces(face, 3, 0, 32, tmp_path)
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="must be a file of kept faces"):
        KeptFaces(face, 3, 0, 32, tmp_path)


def test_they_are_a_sequence(face, tmp_path: Path):
    drawn = [item.image for item in RenderedFaces(face, 2, 0, 32)]
    kept = KeptFaces(face, 2, 0, 32, tmp_path)
    assert (kept[-1].image - drawn[1]).abs().max() < 0.51 / 255
    assert len(list(kept)) == len(drawn) == 2
    with pytest.raises(IndexError, match="item must be at least -2 and at most 1, got 2"):
        kept[2]
