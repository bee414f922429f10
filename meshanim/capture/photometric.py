"""How far the pixels of a face are from its look, joined to the landmarks' normal equations.

A frame is compared where the rasterizer sees skin: a place on the surface has a colour, and the picture has
another where that place is seen. The difference changes with pose and weights as the picture changes along
the way that the place moves (Lucas and Kanade 1981).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from meshanim.capture.look import Look
from meshanim.capture.residuals import State
from meshanim.capture.skin import Seen, Skin, at_places
from meshanim.mesh import axis_angle_to_matrix

_DEVIATION = 0.05
"""Standard deviation of a pixel's linear grey from the look."""
_TAIL = 3.0
"""Deviations from which a pixel counts as an outlier (Cauchy's loss)."""
_TELLING = 300.0
"""As much as so many pixels by themselves do all of a face's tell: neighbours err alike."""
_STRIDE = 4
"""Of the pixels compared, along columns and rows."""


class SkinPictures:
    """The pictures of a stretch of frames, as the fit wants them.

    Args:
        skin: of the person.
        images: T pictures (P, P, 3) of the skin's window, linear.
        known: (T,) whether the face was found in a frame; it may be hidden in others.
        look: of the face.
    """

    def __init__(self, skin: Skin, images: list[Tensor], known: Tensor, look: Look) -> None:
        self._skin, self._look, self._known = skin, look, known.tolist()
        self._fields = [_with_gradient(image.mean(dim=2)) for image in images]
        self._places: list[Seen] = []
        self._wanted: list[Tensor] = []

    def _residuals(self, state: State, frame: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Residuals (N,), gradients (N, 2), head-local places (N, 3) and in the camera's room (N, 3)."""
        places = self._places[frame]
        local = at_places(self._skin.local(state.weights[frame]), places.corners, places.weight)
        rotation = axis_angle_to_matrix(state.pose[frame, :3]).float()
        world = local @ rotation.mT + state.pose[frame, 3:].float()
        field = _sample(self._fields[frame], self._skin.camera.project(world)[:, :2])
        return field[:, 0] - self._wanted[frame], field[:, 1:], local, world

    def _share(self, frame: int) -> float:
        """What one pixel of a frame counts."""
        return self._known[frame] * _TELLING / max(len(self._wanted[frame]), 1) / _DEVIATION**2

    def cost(self, state: State) -> Tensor:
        """(T,) Cauchy's loss of the places that :meth:`system` last chose."""
        tail, costs = _TAIL * _DEVIATION, []
        for frame in range(len(self._places)):
            loss = torch.log1p((self._residuals(state, frame)[0] / tail).square()).sum()
            costs.append(self._share(frame) * tail**2 * loss)
        return torch.stack(costs).double()

    def system(self, state: State) -> tuple[Tensor, Tensor]:
        """Normal matrix (T, P, P) and descent (T, P); looks anew at what is seen."""
        self._look_again(state)
        matrices, descents = [], []
        turns = torch.func.vmap(torch.func.jacfwd(axis_angle_to_matrix))(state.pose[:, :3]).float()
        for frame in range(len(self._places)):
            residual, gradient, local, world = self._residuals(state, frame)
            rotation = axis_angle_to_matrix(state.pose[frame, :3]).float()
            by_world = self._along(gradient, world)
            by_turn = torch.einsum("nc,cik,ni->nk", by_world, turns[frame], local)
            places = self._places[frame]
            units = at_places(self._skin.basis, places.corners, places.weight)
            by_weight = torch.einsum("nc,nuc->nu", by_world @ rotation, units)
            rows = torch.cat([by_turn, by_world, by_weight], dim=1)
            weight = self._share(frame) / (1 + (residual / (_TAIL * _DEVIATION)).square())
            weighted = rows * weight[:, None]
            matrices.append(rows.mT @ weighted)
            descents.append(-(weighted.mT @ residual))
        return torch.stack(matrices).double(), torch.stack(descents).double()

    def _along(self, gradient: Tensor, world: Tensor) -> Tensor:
        """(N, 3) change of a picture with gradient (N, 2) as places (N, 3) move in the camera's room."""
        focal = self._skin.camera.matrix[0, 0]
        depth = -world[:, 2]
        across, down = gradient.unbind(dim=1)
        away = (across * world[:, 0] - down * world[:, 1]) / depth
        return torch.stack([across, -down, away], dim=1) * (focal / depth)[:, None]

    def _look_again(self, state: State) -> None:
        self._places, self._wanted = [], []
        for pose, weights in zip(state.pose, state.weights, strict=True):
            places = self._skin.seen(pose, weights, _STRIDE)
            self._places.append(places)
            self._wanted.append(self._look.colours(places.uv, places.normals).mean(dim=1))


def _with_gradient(picture: Tensor) -> Tensor:
    """(3, P, P) a picture (P, P) and how it changes along columns and rows, per pixel."""
    padded = functional.pad(picture[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2
    down = (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    return torch.stack([picture, across, down])


def _sample(field: Tensor, pixels: Tensor) -> Tensor:
    """(N, C) of a field (C, P, P) at pixels (N, 2), bilinear."""
    grid = 2 * pixels / field.shape[-1] - 1
    found = functional.grid_sample(field[None], grid[None, None], padding_mode="border", align_corners=False)
    return found[0, :, 0].T
