"""Where what is in the ICT-FaceKit topology: vertex ranges, landmarks and names, as it is published."""

from __future__ import annotations

from meshanim.faces.arkit import ARKIT_NAMES

VERTEX_COUNT = 26719
IDENTITY_COUNT = 100

RANGES: dict[str, tuple[int, int]] = {
    "face": (0, 9409),
    "head_and_neck": (9409, 11248),
    "mouth_socket": (11248, 13294),
    "eye_socket_left": (13294, 13678),
    "eye_socket_right": (13678, 14062),
    "gums_and_tongue": (14062, 17039),
    "teeth": (17039, 21451),
    "eye_left": (21451, 23021),
    "eye_right": (23021, 24591),
    "lacrimal_fluid_left": (24591, 24795),
    "lacrimal_fluid_right": (24795, 24999),
    "eye_blend_left": (24999, 25023),
    "eye_blend_right": (25023, 25047),
    "eye_occlusion_left": (25047, 25199),
    "eye_occlusion_right": (25199, 25351),
    "lashes_left": (25351, 26035),
    "lashes_right": (26035, 26719),
}
"""The seventeen geometries, first vertex and the one after the last; they fill the mesh without a gap."""

PAIRS = ("lacrimal_fluid", "eye_blend", "eye_occlusion", "lashes")
"""Geometries of both eyes that a group of both names as well."""

SCLERA: dict[str, tuple[int, int]] = {"eye_left": (21451, 22221), "eye_right": (23021, 23791)}
"""Outer shells of the eyeballs; the iris with its pupil is the rest of each."""

LOWER_TEETH = (19247, 21451)

LANDMARKS = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147),
    *(4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081),
    *(0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)
"""Multi-PIE's 68 points: jaw line, brows, nose, eyes, outer and inner lips."""

NAMED_LANDMARKS = {
    "chin": 8,
    "nose_tip": 30,
    "mouth_right": 48,
    "mouth_left": 54,
    "upper_lip": 51,
    "lower_lip": 57,
    "eye_right_outer": 36,
    "eye_right_inner": 39,
    "eye_left_inner": 42,
    "eye_left_outer": 45,
}
"""Landmarks with names of their own, as places among the 68."""

_SIDED_BY_ICT = (
    *("browInnerUpLeft", "browInnerUpRight", "cheekPuffLeft", "cheekPuffRight"),
    *("cheekRaiserLeft", "cheekRaiserRight", "pupilDilateLeft", "pupilDilateRight"),
)


def arkit_style(name: str) -> str:
    """ICT's name of a shape in ARKit's manner: browDown_L is browDownLeft, PupilDilate_R pupilDilateRight."""
    stem = name[:1].lower() + name[1:]
    if stem.endswith("_L"):
        return f"{stem[:-2]}Left"
    return f"{stem[:-2]}Right" if stem.endswith("_R") else stem


EXPRESSIONS: frozenset[str] = frozenset((*ARKIT_NAMES, *_SIDED_BY_ICT)) - {
    "browInnerUp",
    "cheekPuff",
    "tongueOut",
}
"""The 57 shapes of ICT-FaceKit Light, in ARKit's manner."""

BOTH_SIDES = {
    "browInnerUp": ("browInnerUpLeft", "browInnerUpRight"),
    "cheekPuff": ("cheekPuffLeft", "cheekPuffRight"),
}
"""ARKit's shapes that ICT divides into sides."""
