"""Tensors in, numbers with units out."""

from meshanim.metrics.classification import ClassificationScores, classification_scores, confusion_matrix
from meshanim.metrics.vertex_error import VertexError, summarise_mm, vertex_distances_mm, vertex_error_mm

__all__ = [
    "ClassificationScores",
    "VertexError",
    "classification_scores",
    "confusion_matrix",
    "summarise_mm",
    "vertex_distances_mm",
    "vertex_error_mm",
]
