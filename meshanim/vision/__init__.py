"""Writing images and video. Knows no mesh."""

from meshanim.vision.images import check_image, write_gif, write_image
from meshanim.vision.video import write_video

__all__ = ["check_image", "write_gif", "write_image", "write_video"]
