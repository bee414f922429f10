"""Images and video, read and written; landmarks of faces, and networks that look at them. Knows no mesh."""

from meshanim.vision.cropping import (
    POLYNOMIAL_CROP,
    TCSAN_CROP,
    FaceCrop,
    cut_clip,
    cut_crop,
    move_points,
    square_around,
)
from meshanim.vision.embedding import embed_face
from meshanim.vision.images import IMAGE_SUFFIXES, check_image, read_image, write_gif, write_image
from meshanim.vision.landmarks import (
    Box,
    find_faces,
    find_landmarks,
    find_only_face,
    follow_landmarks,
    read_landmarks,
    whole_track,
)
from meshanim.vision.lip_sync import LipSyncNetwork, mouth_pictures
from meshanim.vision.perceptual import FaceFeatures, PerceptualFeatures, Vgg19Features
from meshanim.vision.unit_classifier import UnitClassifier, lower_half, upper_half
from meshanim.vision.video import write_video
from meshanim.vision.video_reading import Video, read_video, shown_frames

__all__ = [
    "IMAGE_SUFFIXES",
    "POLYNOMIAL_CROP",
    "TCSAN_CROP",
    "Box",
    "FaceCrop",
    "FaceFeatures",
    "LipSyncNetwork",
    "PerceptualFeatures",
    "UnitClassifier",
    "Vgg19Features",
    "Video",
    "check_image",
    "cut_clip",
    "cut_crop",
    "embed_face",
    "find_faces",
    "find_landmarks",
    "find_only_face",
    "follow_landmarks",
    "lower_half",
    "mouth_pictures",
    "move_points",
    "read_image",
    "read_landmarks",
    "read_video",
    "shown_frames",
    "square_around",
    "upper_half",
    "whole_track",
    "write_gif",
    "write_image",
    "write_video",
]
