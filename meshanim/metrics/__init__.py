"""Tensors in, numbers with units out."""

from meshanim.metrics.action_units import UnitScores, action_unit_scores
from meshanim.metrics.blinks import Blinks, eye_aspect_ratio, eye_closure, find_blinks
from meshanim.metrics.classification import ClassificationScores, classification_scores, confusion_matrix
from meshanim.metrics.dynamics import DynamicsDeviation, face_dynamics_deviation_mm
from meshanim.metrics.lips import (
    lip_vertex_error_mm2,
    lip_vertex_error_root_mm,
    mouth_opening_difference_mm,
    mouth_opening_mm,
)
from meshanim.metrics.synchrony import MotionOffset, correlation, envelope, motion_offset_frames
from meshanim.metrics.vertex_error import VertexError, summarise_mm, vertex_distances_mm, vertex_error_mm

__all__ = [
    "Blinks",
    "ClassificationScores",
    "DynamicsDeviation",
    "MotionOffset",
    "UnitScores",
    "VertexError",
    "action_unit_scores",
    "classification_scores",
    "confusion_matrix",
    "correlation",
    "envelope",
    "eye_aspect_ratio",
    "eye_closure",
    "face_dynamics_deviation_mm",
    "find_blinks",
    "lip_vertex_error_mm2",
    "lip_vertex_error_root_mm",
    "motion_offset_frames",
    "mouth_opening_difference_mm",
    "mouth_opening_mm",
    "summarise_mm",
    "vertex_distances_mm",
    "vertex_error_mm",
]
