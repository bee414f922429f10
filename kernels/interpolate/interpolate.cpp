// Attributes of vertices on the faces that pixels see: out[b, n] = sum over k of weights[b, n, k] times attributes of
// corner k of face[b, n], zero where there is no face. In the gradient of the attributes each thread owns every so
// many blocks of vertices and looks through all pixels for them: always the same order, no atomics.
#include "common/api.h"
#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

constexpr int64_t kVerticesPerBlock = 64;

template <class T>
int forward(const InterpolateShape& s, const InterpolateArrays& a) {
  const T *attributes = static_cast<const T*>(a.attributes), *weights = static_cast<const T*>(a.weights);
  T* out = static_cast<T*>(a.out);
  const double work = double(s.batch) * double(s.pixels) * double(3 * s.channels);
  parallel(s.threads, work, [&](int index, int threads) {
    const Share mine = share(s.batch * s.pixels, index, threads);
    for (int64_t n = mine.first; n < mine.last; ++n) {
      T* target = out + n * s.channels;
      if (a.face[n] < 0) {
        for (int64_t c = 0; c < s.channels; ++c) target[c] = T(0);
        continue;
      }
      const T* member = attributes + n / s.pixels * s.vertices * s.channels;
      const int32_t* corner = a.faces + 3 * a.face[n];
      const T *w = weights + 3 * n, *one = member + corner[0] * s.channels, *two = member + corner[1] * s.channels,
              *three = member + corner[2] * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) target[c] = w[0] * one[c] + w[1] * two[c] + w[2] * three[c];
    }
  });
  return 0;
}

template <class T>
void gradient_weights(const InterpolateShape& s, const InterpolateArrays& a, Share mine) {
  const T *attributes = static_cast<const T*>(a.attributes), *grad_out = static_cast<const T*>(a.grad_out);
  T* grad_weights = static_cast<T*>(a.grad_weights);
  for (int64_t n = mine.first; n < mine.last; ++n) {
    T* target = grad_weights + 3 * n;
    const T* member = attributes + n / s.pixels * s.vertices * s.channels;
    for (int k = 0; k < 3; ++k) {
      T sum = T(0);
      if (a.face[n] >= 0) {
        const T *row = member + a.faces[3 * a.face[n] + k] * s.channels, *grad = grad_out + n * s.channels;
        for (int64_t c = 0; c < s.channels; ++c) sum += grad[c] * row[c];
      }
      target[k] = sum;
    }
  }
}

template <class T>
void gradient_attributes(const InterpolateShape& s, const InterpolateArrays& a, int index, int threads) {
  const T *weights = static_cast<const T*>(a.weights), *grad_out = static_cast<const T*>(a.grad_out);
  T* grad = static_cast<T*>(a.grad_attributes);
  for (int64_t n = 0; n < s.batch * s.pixels; ++n) {
    if (a.face[n] < 0) continue;
    for (int k = 0; k < 3; ++k) {
      const int64_t vertex = a.faces[3 * a.face[n] + k];
      if (vertex / kVerticesPerBlock % threads != index) continue;
      T* target = grad + (n / s.pixels * s.vertices + vertex) * s.channels;
      const T *source = grad_out + n * s.channels, w = weights[3 * n + k];
      for (int64_t c = 0; c < s.channels; ++c) target[c] += w * source[c];
    }
  }
}

template <class T>
int backward(const InterpolateShape& s, const InterpolateArrays& a) {
  const double work = double(s.batch) * double(s.pixels) * double(6 * s.channels);
  parallel(s.threads, work, [&](int index, int threads) {
    if (a.grad_weights) gradient_weights<T>(s, a, share(s.batch * s.pixels, index, threads));
    if (a.grad_attributes) gradient_attributes<T>(s, a, index, threads);
  });
  return 0;
}

}  // namespace

int interpolate_forward(const InterpolateShape& shape, const InterpolateArrays& arrays) {
  return shape.is_double ? forward<double>(shape, arrays) : forward<float>(shape, arrays);
}

int interpolate_backward(const InterpolateShape& shape, const InterpolateArrays& arrays) {
  return shape.is_double ? backward<double>(shape, arrays) : backward<float>(shape, arrays);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
