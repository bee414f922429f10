"""Meshes of a scene that become one: what is mirrored, what has one name, and what hardly scales."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from meshanim._check import InputError
from meshanim.export.parts import Part, assemble

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
RISE = np.zeros((1, 3, 3), np.float32)
RISE[0, 0, 2] = 1


def part(name="face", levels=(0.0, 0.5), **more):
    """A triangle whose first corner rises by its one weight, where it is drawn."""
    known: dict[str, Any] = {
        "vertices": CORNERS,
        "faces": np.array([[0, 1, 2]]),
        "uv": None,
        "uv_faces": None,
    }
    known |= {"names": ["jawOpen"], "targets": RISE, "weights": np.array(levels)[:, None]}
    return Part(name, **known | {"places": np.tile(np.eye(4), (len(levels), 1, 1))} | more)


def place_of(linear, shift=(0, 0, 0)):
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = linear, shift
    return place


def test_faces_of_a_mirrored_mesh_look_outwards_still():
    mirror = np.diag([-1.0, 1, 1])
    placed = np.tile(place_of(mirror, (5, 0, 0)), (2, 1, 1))
    made = assemble([part(places=placed, uv=CORNERS[:, :2], uv_faces=np.array([[0, 1, 2]]))], 25.0)
    assert made.neutral.vertices.tolist() == (CORNERS @ mirror + [5, 0, 0]).tolist()
    corners = made.vertices()[1][made.neutral.faces[0]].double().numpy()
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    local = (CORNERS + 0.5 * RISE[0])[[0, 1, 2]]
    # A mirror takes a normal, as it takes any displacement, to its image.
    assert normal == pytest.approx(np.cross(local[1] - local[0], local[2] - local[0]) @ mirror)
    assert made.neutral.uv_faces is not None
    assert made.neutral.uv_faces[0].tolist() == made.neutral.faces[0].tolist()


def test_weights_of_one_name_are_one_where_they_go_together():
    made = assemble([part("face"), part("teeth"), part("tongue", (0.0, 0.2))], 25.0)
    assert made.weight_names == ("jawOpen", "tongue: jawOpen")
    assert made.vertices()[1][:, 2].tolist() == pytest.approx([0.5, 0, 0, 0.5, 0, 0, 0.2, 0, 0])


def test_positions_stay_to_the_bit_under_turns_that_are_rounded():
    turns = Rotation.from_euler("XYZ", [[0.3, -0.2, 0.1], [0.1, 0.4, 0.2]]).as_matrix()
    places = np.stack([place_of(turn * (1 + 5e-7)) for turn in turns])
    made = assemble([part(places=places, posed=True, vertices=CORNERS * 0.1)], 25.0)
    assert made.head_motion is not None
    assert made.neutral.vertices.tolist() == (CORNERS * 0.1).astype(np.float32).tolist()


def test_a_head_that_grows_or_is_mirrored_on_its_way_is_named():
    turned = Rotation.from_euler("Y", 0.1).as_matrix()
    with pytest.raises(InputError, match="grows while it moves"):
        assemble([part(places=np.stack([np.eye(4), place_of(1.1 * turned)]))], 25.0)
    with pytest.raises(InputError, match="mirrored while it moves"):
        assemble(
            [part(places=np.stack([place_of(np.diag([-1.0, 1, 1]) @ turn) for turn in (turned, np.eye(3))]))],
            25.0,
        )
