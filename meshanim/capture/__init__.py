"""Capture: video or a photo in, a performance and an appearance out."""

from meshanim.capture.capturing import Captured as Captured
from meshanim.capture.capturing import Clip as Clip
from meshanim.capture.capturing import capture as capture
from meshanim.capture.capturing import find_clip_landmarks as find_clip_landmarks
from meshanim.capture.landmark_fit import LandmarkFit as LandmarkFit
from meshanim.capture.landmark_fit import Person as Person
from meshanim.capture.overlay import Overlay as Overlay
from meshanim.capture.refinement import Refinement as Refinement
from meshanim.capture.residuals import interocular as interocular
from meshanim.capture.slits import shut_slits as shut_slits
