// The kernels of the rasterizer: boxes around faces, the nearest face of each pixel, and the gradient of the points.
#include "rasterize/gradient.cuh"
#include "rasterize/nearest_face.cuh"

MESHANIM_KERNEL(rasterize_boxes, Picture, meshanim::kGroup, meshanim::find_boxes<true>)
MESHANIM_KERNEL(rasterize, RasterizeParameters, meshanim::kGroup, meshanim::rasterize)
MESHANIM_KERNEL(rasterize_gradient, RasterizeGradientParameters, meshanim::kSumThreads, meshanim::rasterize_gradient)
MESHANIM_KERNEL(rasterize_vertices, VertexSumsParameters, meshanim::kSumThreads, meshanim::vertex_sums)
