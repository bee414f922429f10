// Pooling by rows of fixed width: out[b, f] = sum over k of weights[f, k] x[b, indices[f, k]]. The gradient
// of x is a gather through the inverse lists, so that it needs no atomics and always adds in the same order.
#include "common/api.h"
#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

template <class T>
int forward(const MeshPoolShape& s, const T* x, const int32_t* indices, const T* weights, T* out) {
  const double work = double(s.batch) * double(s.fine) * double(s.width * s.channels);
  parallel(s.threads, work, [&](int index, int count) {
    const Share mine = share(s.batch * s.fine, index, count);
    for (int64_t row = mine.first; row < mine.last; ++row) {
      const int64_t b = row / s.fine, f = row % s.fine;
      T* target = out + row * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) target[c] = T(0);
      for (int64_t k = 0; k < s.width; ++k) {
        const T w = weights[f * s.width + k];
        const T* source = x + (b * s.coarse + indices[f * s.width + k]) * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) target[c] += w * source[c];
      }
    }
  });
  return 0;
}

template <class T>
int backward(const MeshPoolShape& s, const T* grad_out, const int32_t* starts, const int32_t* entries,
             const T* weights, T* grad_x) {
  const double work = double(s.batch) * double(s.fine) * double(s.width * s.channels);
  parallel(s.threads, work, [&](int index, int count) {
    const Share mine = share(s.batch * s.coarse, index, count);
    for (int64_t row = mine.first; row < mine.last; ++row) {
      const int64_t b = row / s.coarse, u = row % s.coarse;
      T* target = grad_x + row * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) target[c] = T(0);
      for (int64_t e = starts[u]; e < starts[u + 1]; ++e) {
        const T w = weights[entries[e]];
        const T* source = grad_out + (b * s.fine + entries[e] / s.width) * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) target[c] += w * source[c];
      }
    }
  });
  return 0;
}

}  // namespace

int mesh_pool_forward(const MeshPoolShape& shape, const void* x, const int32_t* indices, const void* weights,
                      void* out) {
  if (shape.is_double)
    return forward(shape, static_cast<const double*>(x), indices, static_cast<const double*>(weights),
                   static_cast<double*>(out));
  return forward(shape, static_cast<const float*>(x), indices, static_cast<const float*>(weights),
                 static_cast<float*>(out));
}

int mesh_pool_backward(const MeshPoolShape& shape, const void* grad_out, const int32_t* starts,
                       const int32_t* entries, const void* weights, void* grad_x) {
  if (shape.is_double)
    return backward(shape, static_cast<const double*>(grad_out), starts, entries,
                    static_cast<const double*>(weights), static_cast<double*>(grad_x));
  return backward(shape, static_cast<const float*>(grad_out), starts, entries,
                  static_cast<const float*>(weights), static_cast<float*>(grad_x));
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
