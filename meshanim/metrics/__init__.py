"""Tensors in, numbers with units out."""

from meshanim.metrics.action_units import UnitScores, action_unit_scores, units_in_neither
from meshanim.metrics.blinks import Blinks, eye_aspect_ratio, eye_closure, find_blinks
from meshanim.metrics.classification import ClassificationScores, classification_scores, confusion_matrix
from meshanim.metrics.dynamics import DynamicsDeviation, face_dynamics_deviation_mm
from meshanim.metrics.frechet import frechet_distance
from meshanim.metrics.likeness import content_distance, cosine_similarity
from meshanim.metrics.lip_sync import AVOffset, av_offset
from meshanim.metrics.lips import (
    lip_vertex_error_mm2,
    lip_vertex_error_root_mm,
    mouth_opening_difference_mm,
    mouth_opening_mm,
)
from meshanim.metrics.mouth_landmarks import LandmarkDistance, mouth_landmark_distance
from meshanim.metrics.pictures import Region, mouth_region, psnr_db, ssim
from meshanim.metrics.sharpness import cpbd
from meshanim.metrics.synchrony import MotionOffset, correlation, envelope, motion_offset_frames
from meshanim.metrics.talking_heads import Film, measure_offset, score_talking_head
from meshanim.metrics.vertex_error import VertexError, summarise_mm, vertex_distances_mm, vertex_error_mm

__all__ = [
    "AVOffset",
    "Blinks",
    "ClassificationScores",
    "DynamicsDeviation",
    "Film",
    "LandmarkDistance",
    "MotionOffset",
    "Region",
    "UnitScores",
    "VertexError",
    "action_unit_scores",
    "av_offset",
    "classification_scores",
    "confusion_matrix",
    "content_distance",
    "correlation",
    "cosine_similarity",
    "cpbd",
    "envelope",
    "eye_aspect_ratio",
    "eye_closure",
    "face_dynamics_deviation_mm",
    "find_blinks",
    "frechet_distance",
    "lip_vertex_error_mm2",
    "lip_vertex_error_root_mm",
    "measure_offset",
    "motion_offset_frames",
    "mouth_landmark_distance",
    "mouth_opening_difference_mm",
    "mouth_opening_mm",
    "mouth_region",
    "psnr_db",
    "score_talking_head",
    "ssim",
    "summarise_mm",
    "units_in_neither",
    "vertex_distances_mm",
    "vertex_error_mm",
]
