"""Where what is in the built-in head's topology."""

from __future__ import annotations

LANDMARKS = (
    *(1592, 813, 1447, 815, 1596, 737, 1295, 872, 732, 2950, 3363, 2827, 3654, 2896, 3511, 2894, 3650),
    *(262, 225, 204, 205, 208, 2353, 2350, 2349, 2369, 2401, 132, 131, 201, 1409, 286, 313, 317, 2446, 2425),
    *(1027, 1020, 1036, 1041, 1033, 1030, 3109, 3104, 3088, 3095, 3098, 3101),
    *(527, 1706, 460, 466, 2589, 3757, 2642, 2609, 2611, 492, 486, 484),
    *(445, 532, 537, 2647, 2575, 2650, 540, 535),
)
"""Multi-PIE's 68 points: jaw line, brows, nose, eyes, outer and inner lips; each the nearest vertex.

Read off pictures of the mean head; its vertices stand 3 to 5 mm apart on brows and jaw.
"""
