// Pooling by rows of fixed width: out[b, f] = sum over k of weights[f, k] x[b, indices[f, k]]. The gradient
// of x is a gather through the inverse lists, so that it needs no atomics and always adds in the same order.
#include "common/api.h"
#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

// The terms of an output row are numbered from first(row) to first(row + 1). K is the width of the weights, 0
// for any.
template <class T, int K>
struct PoolTerms {
  const int32_t* indices;
  const T* weights;
  int64_t any_width;
  MESHANIM_INLINE int64_t first(int64_t row) const { return row * (K > 0 ? K : any_width); }
  MESHANIM_INLINE T weight(int64_t term) const { return weights[term]; }
  MESHANIM_INLINE int64_t source(int64_t term) const { return indices[term]; }
};

template <class T, int K>
struct InverseTerms {
  const int32_t *starts, *entries;
  const T* weights;
  int32_t any_width;
  MESHANIM_INLINE int64_t first(int64_t row) const { return starts[row]; }
  MESHANIM_INLINE T weight(int64_t term) const { return weights[entries[term]]; }
  MESHANIM_INLINE int64_t source(int64_t term) const { return entries[term] / (K > 0 ? K : any_width); }
};

// Channels [c, c + NV * W) of rows [first, last).
template <class T, int W, int NV, class Terms>
MESHANIM_KERNEL void sum_terms(const Terms& terms, const T* x, int64_t channels, int64_t c, int64_t first,
                               int64_t last, T* out) {
  for (int64_t row = first; row < last; ++row) {
    Vec<T, W> acc[NV];
    for (int i = 0; i < NV; ++i) acc[i] = Vec<T, W>{};
    const int64_t end = terms.first(row + 1);
    for (int64_t term = terms.first(row); term < end; ++term) {
      const T weight = terms.weight(term);
      const T* source = x + terms.source(term) * channels + c;
      for (int i = 0; i < NV; ++i) acc[i] += load<T, W>(source + i * W) * weight;
    }
    for (int i = 0; i < NV; ++i) store<T, W>(out + row * channels + c + i * W, acc[i]);
  }
}

// All channels from c on, by vectors of W, of half of that, down to 16 bytes, the rest together.
template <class T, int W, class Terms>
void sum_channels(const Terms& terms, const T* x, int64_t channels, int64_t c, int64_t first, int64_t last,
                  T* out) {
  if constexpr (W == kLanes<T>)
    for (; c + 4 * W <= channels; c += 4 * W) sum_terms<T, W, 4>(terms, x, channels, c, first, last, out);
  for (; c + W <= channels; c += W) sum_terms<T, W, 1>(terms, x, channels, c, first, last, out);
  if constexpr (W * sizeof(T) > 16) {
    if (c < channels) sum_channels<T, W / 2>(terms, x, channels, c, first, last, out);
  } else {
    if (channels - c == 3) sum_terms<T, 1, 3>(terms, x, channels, c, first, last, out);
    if (channels - c == 2) sum_terms<T, 1, 2>(terms, x, channels, c, first, last, out);
    if (channels - c == 1) sum_terms<T, 1, 1>(terms, x, channels, c, first, last, out);
  }
}

// out (batch, rows, channels) from x (batch, sources, channels).
template <class T, class Terms>
int sum_rows(const MeshPoolShape& s, const Terms& terms, const T* x, int64_t sources, T* out, int64_t rows) {
  constexpr int64_t kRun = 256;
  const int64_t runs = (rows + kRun - 1) / kRun;
  const double work = double(s.batch) * double(s.fine) * double(s.width * s.channels);
  parallel(s.threads, work, [&](int index, int count) {
    const Share mine = share(s.batch * runs, index, count);
    for (int64_t task = mine.first; task < mine.last; ++task) {
      const int64_t b = task / runs, first = task % runs * kRun;
      const int64_t last = rows - first < kRun ? rows : first + kRun;
      sum_channels<T, kLanes<T>>(terms, x + b * sources * s.channels, s.channels, 0, first, last,
                                 out + b * rows * s.channels);
    }
  });
  return 0;
}

template <class T>
int forward(const MeshPoolShape& s, const T* x, const int32_t* indices, const T* weights, T* out) {
  if (s.width == 3) return sum_rows(s, PoolTerms<T, 3>{indices, weights, 3}, x, s.coarse, out, s.fine);
  return sum_rows(s, PoolTerms<T, 0>{indices, weights, s.width}, x, s.coarse, out, s.fine);
}

template <class T>
int backward(const MeshPoolShape& s, const T* grad_out, const int32_t* starts, const int32_t* entries,
             const T* weights, T* grad_x) {
  if (s.width == 3)
    return sum_rows(s, InverseTerms<T, 3>{starts, entries, weights, 3}, grad_out, s.fine, grad_x, s.coarse);
  const InverseTerms<T, 0> terms{starts, entries, weights, int32_t(s.width)};
  return sum_rows(s, terms, grad_out, s.fine, grad_x, s.coarse);
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
