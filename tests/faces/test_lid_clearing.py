import torch

from meshanim.faces import retarget, solve_performance
from meshanim.faces.lid_clearing import clear_lids, lid_limits
from meshanim.mesh import Mesh, fit_sphere
from meshanim.synthesis import expression_labels, perform_prototype


def test_eyes_are_found_where_the_face_turns_them(anny):
    for name in ("eye_left", "eye_right"):
        centre = fit_sphere(anny.neutral.vertices[anny.neutral.groups[name]]).centre
        # The cornea draws the sphere a little forward.
        assert (centre - anny.joints()[name].position).norm() < 1.5e-3


def test_a_face_at_rest_and_one_without_eyes_stay_as_they_are(anny):
    assert torch.equal(clear_lids(anny.neutral, anny.neutral.vertices), anny.neutral.vertices)
    plain = Mesh(anny.neutral.vertices, anny.neutral.faces)
    sunk = plain.vertices * 0.9
    assert clear_lids(plain, sunk) is sunk


def test_lids_that_sank_in_come_back_and_nothing_else_moves(anny):
    neutral = anny.neutral
    ball, lids = neutral.groups["eye_left"], neutral.groups["lids"]
    centre = fit_sphere(neutral.vertices[ball]).centre
    near, least = lid_limits(neutral.vertices, lids, ball, centre)
    assert 100 < len(near) < len(lids)
    sunk = neutral.vertices.expand(2, -1, -1).clone()
    sunk[1, near] = centre + 0.9 * (sunk[1, near] - centre)
    before = sunk.clone()
    cleared = clear_lids(neutral, sunk)
    assert torch.equal(sunk, before) and torch.equal(cleared[0], sunk[0])
    # float32 rounds positions of 0.1 m to a hundred-millionth
    assert ((cleared[1, near] - centre).norm(dim=-1) > least - 1e-7).all()
    others = torch.ones(len(neutral.vertices), dtype=torch.bool)
    others[near] = False
    assert torch.equal(cleared[1, others], sunk[1, others])


def test_whatever_moves_along_arcs_keeps_lids_in_front_of_the_eyes(anny):
    performed = perform_prototype(anny, expression_labels("disgust", duration=1.0, fps=5.0), 5.0)
    solved = solve_performance(performed, anny, articulated=True).performance
    for moved in (performed, retarget(performed, anny), solved):
        vertices = moved.vertices()
        # float32 rounds positions of 0.1 m to a hundred-millionth
        torch.testing.assert_close(clear_lids(anny.neutral, vertices), vertices, rtol=0, atol=1e-7)
