// Which face each pixel sees and where on it, and the gradients of that to the projected vertices (see
// rasterize.py); the same for several faces around each pixel (soft_rasterize.py).
#include "common/api.h"
#include "rasterize/backward.h"
#include "rasterize/forward.h"
#include "rasterize/soft.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

int rasterize_forward(const RasterizeShape& shape, const void* points, const int32_t* faces, int64_t* face,
                      void* barycentric, void* depth) {
  const RasterizeOut out{face, barycentric, depth};
  if (shape.is_double) return forward(shape, static_cast<const double*>(points), faces, out);
  return forward(shape, static_cast<const float*>(points), faces, out);
}

int rasterize_backward(const RasterizeShape& shape, const RasterizeBackward& arrays) {
  return shape.is_double ? backward<double>(shape, arrays) : backward<float>(shape, arrays);
}

int soft_rasterize_forward(const RasterizeShape& shape, const void* points, const int32_t* faces, int64_t* face,
                           void* weights, void* depth, void* distance) {
  const SoftOut out{face, weights, depth, distance};
  if (shape.is_double) return soft_forward(shape, static_cast<const double*>(points), faces, out);
  return soft_forward(shape, static_cast<const float*>(points), faces, out);
}

int soft_rasterize_backward(const RasterizeShape& shape, const SoftBackward& arrays) {
  return shape.is_double ? soft_backward<double>(shape, arrays) : soft_backward<float>(shape, arrays);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
