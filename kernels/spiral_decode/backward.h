// Gradients, by the adjoint of the forward pass: with g = grad_out act'(out) and f = s(v, l),
//   r[u, l] = sum over (v, k) with i(f, k) = u of w[f, k] g[v],
//   grad_x[u] = sum over l of W_l^T r[u, l],   grad_W_l = sum over u of r[u, l] x[u]^T,   grad_bias = sum of g,
// where the sum of r is a gather through inverse lists: no atomics, always the same order of addition. A tile
// of r stays in cache and serves both products. Members of the batch go through together in lanes or alone, as
// in the forward pass; sums over vertices go on in double precision from tile to tile, thread by thread, and
// the threads' are added in order.
#pragma once

#include "common/api.h"
#include "spiral_decode/forward.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

// Rows of grad act'(out); relu' is 1 or 0, elu' is 1 or out + 1.
template <class T, int W>
struct GradientRows {
  const T *grad, *out;
  int64_t stride;
  int32_t activation;
  MESHANIM_INLINE Vec<T, W> vector(int64_t n, int64_t i) const {
    const Vec<T, W> g = load<T, W>(grad + n * stride + i), zero = {};
    if (activation == kNone) return g;
    const Vec<T, W> y = load<T, W>(out + n * stride + i);
    if (activation == kRelu) return y <= zero ? zero : g;
    return y > zero ? g : g * (y + T(1));
  }
  MESHANIM_INLINE T value(int64_t n, int64_t i) const {
    const T g = grad[n * stride + i];
    if (activation == kNone) return g;
    const T y = out[n * stride + i];
    if (activation == kRelu) return y <= 0 ? T(0) : g;
    return y > 0 ? g : g * (y + T(1));
  }
};

template <class T>
struct BackwardScratch {
  const T* weight;  // (length * out, padded): columns in, padded to whole vectors
  int64_t padded;
  T* g;          // (fine, out, lanes), and room for one vector
  T *r, *tile;   // of one thread: r of a tile, (kCoarseTile, in, lanes) for x and its gradient
  double* sums;  // of one thread: weight (length * out, padded), bias (out)
};

// r (length, piece) of one coarse vertex, columns [n, n + NV * W) of each piece; from the last to the first.
template <class T, int W, int NV>
MESHANIM_KERNEL void gather_gradient_block(const SpiralDecodeShape& s, const SpiralDecodeBackward& a, const T* g,
                                           int64_t piece, int64_t u, int64_t n, T* r) {
  const T* up_weights = static_cast<const T*>(a.up_weights);
  const int32_t* starts = a.starts + u * s.length;
  g += n;
  r += n;
  for (int64_t l = 0; l < s.length; ++l, r += piece) {
    Vec<T, W> sum[NV];
    for (int i = 0; i < NV; ++i) sum[i] = Vec<T, W>{};
    for (int64_t e = starts[l]; e < starts[l + 1]; ++e) {
      const T* source = g + a.sources[e] * piece;
      const T up_weight = up_weights[a.places[e]];
      for (int i = 0; i < NV; ++i) sum[i] += load<T, W>(source + i * W) * up_weight;
    }
    for (int i = 0; i < NV; ++i) store<T, W>(r + i * W, sum[i]);
  }
}

template <class T>
void gather_gradient(const SpiralDecodeShape& s, const SpiralDecodeBackward& a, const T* g, int64_t piece,
                     int64_t u, int64_t n, T* r) {
  with_piece_block<T>(piece - n, [&](auto shape) {
    using Shape = decltype(shape);
    if (piece - n > Shape::N) gather_gradient(s, a, g, piece, u, n + Shape::N, r);
    gather_gradient_block<T, Shape::W, Shape::NV>(s, a, g, piece, u, n, r);
  });
}

// g of a run, and its sum to that of the bias.
template <class T, int W>
MESHANIM_INLINE void gradient_run(const SpiralDecodeShape& s, const SpiralDecodeBackward& a,
                                  const BackwardScratch<T>& f, int64_t b, int64_t members, int64_t v) {
  const int64_t last = v + kFineRun < s.fine ? v + kFineRun : s.fine, values = (last - v) * s.out;
  const int64_t offset = (b * s.fine + v) * s.out;
  const T* out = s.activation == kNone ? nullptr : static_cast<const T*>(a.out) + offset;
  const T* grad = static_cast<const T*>(a.grad_out) + offset;
  T* g = f.g + v * s.out * W;
  if constexpr (W == 1) {
    constexpr int V = kLanes<T>;
    const GradientRows<T, V> rows{grad, out, 0, s.activation};
    int64_t i = 0;
    for (; i + V <= values; i += V) store<T, V>(g + i, rows.vector(0, i));
    for (; i < values; ++i) g[i] = rows.value(0, i);
  } else {
    to_lanes<T, W>(GradientRows<T, W>{grad, out, s.fine * s.out, s.activation}, members, values, g);
  }
  if (!a.grad_bias) return;
  double* sums = f.sums + s.length * s.out * f.padded;
  for (int64_t o = 0; o < s.out; ++o) {
    Vec<T, W> sum = {};
    for (int64_t i = 0; i < last - v; ++i) sum += load<T, W>(g + (i * s.out + o) * W);
    sums[o] += double(LaneSums<T, W>::one(sum));
  }
}

// Members [b, b + members), in W lanes; W = 1 stands for one member alone.
template <class T, int W>
void backward_group(const SpiralDecodeShape& s, const SpiralDecodeBackward& a, const BackwardScratch<T>& f,
                    int64_t b, int64_t members, int index, int count) {
  const int64_t products = s.length * s.out, coarse_size = s.coarse * s.in;
  const Share runs = share((s.fine + kFineRun - 1) / kFineRun, index, count);
  for (int64_t run = runs.first; run < runs.last; ++run) gradient_run<T, W>(s, a, f, b, members, run * kFineRun);
  barrier();
  const bool wanted = a.grad_x || a.grad_weight;
  const Share tiles = share(wanted ? (s.coarse + kCoarseTile - 1) / kCoarseTile : 0, index, count);
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    const int64_t u = tile * kCoarseTile;
    const int64_t rows = s.coarse - u < kCoarseTile ? s.coarse - u : kCoarseTile;
    for (int64_t i = 0; i < rows; ++i)
      gather_gradient(s, a, f.g, s.out * W, u + i, 0, f.r + i * products * W);
    if (a.grad_weight) {
      const T* x = static_cast<const T*>(a.x) + b * coarse_size + u * s.in;
      if constexpr (W == 1) {
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t c = 0; c < f.padded; ++c) f.tile[i * f.padded + c] = c < s.in ? x[i * s.in + c] : T(0);
        plain_outer<T>({f.r, products, f.tile, f.sums, rows, products, f.padded});
      } else {
        to_lanes<T, W>(PlainRows<T, W>{x, coarse_size}, members, rows * s.in, f.tile);
        lane_outer<T, W>({f.r, f.tile, f.sums, f.padded, rows, products, s.in});
      }
    }
    if (a.grad_x) {
      T* grad_x = static_cast<T*>(a.grad_x) + b * coarse_size + u * s.in;
      if constexpr (W == 1) {
        plain_product<T>({f.r, products, nullptr, f.weight, f.tile, rows, products, f.padded});
        for (int64_t i = 0; i < rows; ++i)
          __builtin_memcpy(grad_x + i * s.in, f.tile + i * f.padded, size_t(s.in) * sizeof(T));
      } else {
        lane_product<T, W>({f.r, f.weight, f.padded, f.tile, rows, products, s.in});
        from_lanes<T, W>(f.tile, members, rows * s.in, grad_x, coarse_size);
      }
    }
  }
  barrier();
}

template <class T>
int backward(const SpiralDecodeShape& s, const SpiralDecodeBackward& a) {
  constexpr int W = kLanes<T>;
  const int64_t products = s.length * s.out, padded = round_up(s.in, W);
  const int64_t in_lanes = members_in_lanes<T>(s.batch), lanes = in_lanes ? W : 1;
  const int64_t r_size = round_up(kCoarseTile * products * lanes + W, W), tile_size = kCoarseTile * padded * lanes;
  const int64_t sums_size = round_up(products * padded + s.out, 8);
  Scratch<T> weights(products * padded), g(s.fine * s.out * lanes + W);
  Scratch<T> tiles((r_size + tile_size) * s.threads);
  Scratch<double> sums(sums_size * s.threads);
  if (weights.failed() || g.failed() || tiles.failed() || sums.failed()) return 1;
  T* packed = weights.get();
  for (int64_t l = 0; l < s.length; ++l)
    for (int64_t o = 0; o < s.out; ++o, packed += padded) {
      const T* source = static_cast<const T*>(a.weight) + (o * s.length + l) * s.in;
      for (int64_t c = 0; c < padded; ++c) packed[c] = c < s.in ? source[c] : T(0);
    }
  int used = 1;
  const double work = double(s.batch) * double(products) *
                      (2 * double(s.coarse) * double(s.in) + double(s.fine) * double(s.corners));
  parallel(s.threads, work, [&](int index, int count) {
    if (index == 0) used = count;
    double* mine = sums.get() + sums_size * index;
    for (int64_t i = 0; i < sums_size; ++i) mine[i] = 0;
    T* r = tiles.get() + (r_size + tile_size) * index;
    const BackwardScratch<T> f{weights.get(), padded, g.get(), r, r + r_size, mine};
    int64_t b = 0;
    for (; b < in_lanes; b += W)
      backward_group<T, W>(s, a, f, b, in_lanes - b < W ? in_lanes - b : W, index, count);
    for (; b < s.batch; ++b) backward_group<T, 1>(s, a, f, b, 1, index, count);
  });
  double* total = sums.get();
  for (int i = 1; i < used; ++i)
    for (int64_t j = 0; j < sums_size; ++j) total[j] += sums.get()[sums_size * i + j];
  if (a.grad_weight)
    for (int64_t o = 0; o < s.out; ++o)
      for (int64_t l = 0; l < s.length; ++l) {
        T* target = static_cast<T*>(a.grad_weight) + (o * s.length + l) * s.in;
        for (int64_t c = 0; c < s.in; ++c) target[c] = T(total[(l * s.out + o) * padded + c]);
      }
  if (a.grad_bias)
    for (int64_t o = 0; o < s.out; ++o) static_cast<T*>(a.grad_bias)[o] = T(total[products * padded + o]);
  return 0;
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
