"""Weights of a face that moves along arcs: the linear solution, refined by damped Gauss-Newton steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.func import jvp, vmap

from meshanim._progress import Progress
from meshanim.faces.articulation import ArticulatedMover
from meshanim.mesh.weight_solver import WeightSolver

STEPS, CURVED = 10, 2
"""Steps at most, and how many of them look at the curvature of all frames anew."""
SETTLED = 5e-4
"""Largest change of a weight by the last step."""
SEEN = 800
"""Vertices, about, from which the curvature is told; the error that is minimised counts all of them."""
_AT_ONCE = 16
_RIDGE = 1e-6
_DAMPING, _LEAST_DAMPING = 10.0, 1e-3
"""By how much a frame is held more after a bad step and less after a good one; the first, of its units."""


class ArticulatedSolver:
    """Finds the weights with which an articulated face comes nearest to vertices.

    Damped Gauss-Newton on the objective of the linear solver: residuals and their gradient are those of all
    vertices, through the jaw, lids and eyes; the Gauss-Newton matrix (K, K) of each frame comes from every
    n-th vertex, mixed so that for straight lines it would be that of all. Frames whose error a step makes
    larger go back, and are held to smaller ones (Levenberg 1944). Keeps 16 K^2 bytes a frame (52 kB with 57
    units), but never all vertices.

    Args:
        mover: of the face and identity that moves.
        solver: of its linear basis, with bounds, smoothness and sparsity.
    """

    def __init__(self, mover: ArticulatedMover, solver: WeightSolver) -> None:
        count = len(mover.articulation.rest)
        kept = torch.arange(0, count, max(1, count // SEEN))
        self._whole, self._seen = mover, mover.articulation.of(kept)
        self._solver, basis = solver, solver.basis
        some = basis.shapes[:, kept].flatten(1).double()
        ridge = torch.diag(_RIDGE * solver.scale.square())
        seen, whole = some @ some.mT + ridge * len(kept) / count, basis.gram + ridge
        self._stand_in = torch.linalg.cholesky(whole) @ torch.linalg.cholesky(seen).inverse()

    def refine(
        self,
        weights: Tensor,
        walk: Callable[[], Iterable[Tensor]],
        progress: Progress | None = None,
    ) -> Tensor:
        """Better weights (T, K) than those (T, K) of the linear basis.

        Args:
            weights: to begin with.
            walk: called once a step; gives the positions in chunks (n, V, 3).
            progress: told the steps done and in all.
        """
        own = torch.diag(self._solver.scale.square())
        best, gradient = weights, torch.zeros_like(weights)
        least = weights.new_full((len(weights),), torch.inf)
        damping = torch.zeros_like(least)
        for step in range(STEPS):
            found, error = self._gradient(weights, walk())
            better = error <= least
            best = torch.where(better[:, None], weights, best)
            gradient = torch.where(better[:, None], found, gradient)
            least = torch.minimum(least, error)
            damping = torch.where(better, damping / _DAMPING, _DAMPING * damping.clamp(min=_LEAST_DAMPING))
            if step < CURVED:
                curvature = self._curvature(best)
            elif not bool(better.all()):
                curvature[~better] = self._curvature(best[~better])
            held = curvature + damping[:, None, None] * own
            pull = (held @ best[..., None])[..., 0] + gradient
            weights = self._solver.minimise(held, pull, best)
            if progress is not None:
                progress(step + 1, STEPS)
            if float((weights - best).abs().max()) <= SETTLED:
                return weights
        return best

    def _gradient(self, weights: Tensor, chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
        """How much more of each weight (T, K) lessens half the squared error, and that error (T,)."""
        gradients, errors, start = [], [], 0
        for chunk in chunks:
            level = weights[start : start + len(chunk)].float().requires_grad_()
            moved = self._whole.vertices(level)
            left = chunk - moved.detach()
            gradients.append(torch.autograd.grad(moved, level, left)[0].double())
            errors.append(left.double().square().sum(dim=(1, 2)) / 2)
            start += len(chunk)
        return torch.cat(gradients), torch.cat(errors)

    def _curvature(self, weights: Tensor) -> Tensor:
        """(T, K, K) Gauss-Newton matrices, from the vertices that are seen."""
        units = torch.eye(weights.shape[1])
        found = []
        for level in weights.float().split(_AT_ONCE):

            def along(unit: Tensor, level: Tensor = level) -> Tensor:
                return jvp(self._seen.vertices, (level,), (unit.expand_as(level),))[1]

            tangents = vmap(along)(units).transpose(0, 1).flatten(2).double()
            tangents = self._stand_in @ tangents
            found.append(tangents @ tangents.mT)
        return torch.cat(found)
