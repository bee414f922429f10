"""Figures that the papers print, for columns of their own: other data, other networks that judge.

Polynomial fusion: Kefalas et al. 2020, Table 1, its GRID part. TCSAN: Chen et al. 2022, Tables 1 to 6, their
GRID parts.
"""

from __future__ import annotations

POLYNOMIAL_COLUMNS = "PSNR SSIM CPBD ACD offset conf. blinks/s, s"
POLYNOMIAL: dict[str, tuple[float, ...]] = {
    "tucker": (27.360, 0.831, 0.260, 1.11e-4, 1, 7.1, 0.37, 0.38),
    "cp": (27.619, 0.863, 0.259, 1.18e-4, 1, 7.3, 0.32, 0.36),
    "cmf": (27.529, 0.836, 0.268, 8.63e-5, 1, 7.4, 0.33, 0.36),
    "cmf-sr": (27.608, 0.833, 0.253, 9.74e-5, 1, 7.3, 0.37, 0.32),
    "concatenation": (27.100, 0.818, 0.268, 1.47e-4, 1, 7.4, 0.45, 0.36),
}
"""Table 1; concatenation is Vougioukas et al. 2019."""

UNIT_CLASSIFIER: dict[int, tuple[float, float, float, float]] = {
    10: (0.971, 0.9681, 0.875, 0.8860),
    14: (0.896, 0.9554, 0.752, 0.9107),
    20: (0.955, 0.9513, 0.896, 0.8985),
    25: (0.983, 0.9716, 0.979, 0.9638),
    26: (0.920, 0.9199, 0.854, 0.8218),
}
"""Table 1: F1 and accuracy on training images, then on test images."""
UNIT_CLASSIFIER_MEAN = (0.945, 0.9533, 0.871, 0.8962)

DETECTED = {"AU classifier": (0.745, 0.7943), "OpenFace": (0.751, 0.8056)}
"""Table 2: mean F1 and accuracy of units in generated frames, by who detects them."""

TCSAN_COLUMNS = "PSNR SSIM F1 acc."
TCSAN_FUSIONS: dict[str, tuple[float, ...]] = {
    "gru": (29.403, 0.753, 0.735, 0.7927),
    "tcn": (29.671, 0.765, 0.739, 0.7945),
    "attention+tcn": (29.757, 0.766, 0.740, 0.7955),
    "co-attention+tcn": (29.720, 0.765, 0.740, 0.7950),
    "tcsan": (29.817, 0.767, 0.744, 0.8001),
}
"""Table 3, without the audio-to-AU module."""
TCSAN_UNITS: dict[str, tuple[float, ...]] = {
    "TCSAN": (29.817, 0.767, 0.744, 0.8001),
    "Audio2AU": (29.838, 0.769, 0.751, 0.8092),
    "TCSAN + Audio2AU": (29.971, 0.772, 0.751, 0.8115),
}
"""Table 4; the paper gives no figures of the variant with a discriminator."""
TCSAN_OTHERS: dict[str, tuple[float, ...]] = {
    "CRAN": (28.041, 0.694, 0.710, 0.7871),
    "Speech2Vid": (28.863, 0.755, 0.738, 0.7897),
    "Lrec alone": (28.681, 0.746, 0.725, 0.7777),
    "full": (29.971, 0.772, 0.751, 0.8115),
}
"""Table 5."""
TCSAN_ABLATION: dict[str, tuple[float, ...]] = {
    "Lrec": (28.681, 0.746, 0.725, 0.7777),
    "Lrec,per": (28.897, 0.748, 0.732, 0.7876),
    "Lrec,per,id": (29.403, 0.753, 0.735, 0.7927),
    "Lrec,per,id + TCSAN": (29.817, 0.767, 0.744, 0.8001),
    "Lrec,per,id,au + TCSAN": (29.809, 0.767, 0.746, 0.8019),
    "full": (29.971, 0.772, 0.751, 0.8115),
}
"""Table 6; single units beside the means are left out here."""
