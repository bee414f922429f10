// out[b, v] = act(bias + sum over l of W_l sum over k of w[f, k] x[b, i(f, k)]), f = s(v, l). The weight and
// the up-sampling commute, so W_l goes first, on the coarse level with its fewer vertices:
//   z[u, l] = W_l x[u],   out[v] = act(bias + sum over l of (sum over k of w[f, k] z[i(f, k), l])).
// Either as many members of the batch as a vector has lanes go through together, z being (coarse, length * out,
// lanes); or one member alone, patch by patch of the fine level, with z (rows, length * out) of those coarse
// vertices only that the patch needs: it stays in the cache of the one processor that makes and reads it. The
// inner sum is taken anew for every (v, l), or, where single pieces of z fill too little of a vector, once for
// every vertex f that a patch reads, all slots one after the other. All ways add in the same order, so that a
// batch gives the same bits as its members one by one.
#pragma once

#include "common/api.h"
#include "spiral_conv/activation.h"
#include "spiral_decode/lanes.h"
#include "spiral_decode/products.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

constexpr int64_t kCoarseTile = 16, kFineRun = 32;

// The bytes of z and inner sums that a patch of the usual shape keeps.
constexpr int64_t kPatchBytes = 320 * 1024;

template <class T>
struct Decode {
  const SpiralDecodeShape& s;
  const SpiralDecodeTables& t;
  const T *x, *up_weights, *weight, *bias;
  T* out;
};

// Members that go through together, or one alone, whose slots and corners are places in a patch, numbers of 16 bits.
template <class T, class Slot>
struct ForwardGroup {
  const SpiralDecodeShape& s;
  const Slot *corners, *slots;
  int64_t vertex_stride, slot_stride;
  int64_t rows;  // slots beyond them are of no vertex
  const T* up_weights;
  const T* bias;   // (piece), and room for one vector behind it
  int64_t piece;   // values of one vertex and slot: out * lanes
  const T* z;      // (coarse, row)
  const T* inner;  // (rows and one of zeros, row), or null
  int64_t row;     // values of one vertex, all slots
};

// The inner sum of row f, whose weights stand in row `up`, columns [n, n + NV * W) of a row of z; K corners, 0 for
// any number.
template <class T, int W, int NV, int K, class Slot>
MESHANIM_INLINE void inner_sum(const ForwardGroup<T, Slot>& g, int64_t f, int64_t up, const T* z,
                               Vec<T, W> (&sum)[NV]) {
  const int64_t width = K > 0 ? K : g.s.corners;
  const Slot* corners = g.corners + f * width;
  const T* up_weights = g.up_weights + up * width;
  for (int i = 0; i < NV; ++i) sum[i] = Vec<T, W>{};
  for (int64_t k = 0; k < width; ++k) {
    const T* source = z + corners[k] * g.row;
    const T up_weight = up_weights[k];
    for (int i = 0; i < NV; ++i) sum[i] += load<T, W>(source + i * W) * up_weight;
  }
}

// What stands for K where inner sums are there already.
constexpr int kInnerSums = -1;

// Columns [n, n + NV * W) of M vertices from v on.
template <class T, int W, int NV, int M, int K, class Slot>
MESHANIM_INLINE void gather_vertices(const ForwardGroup<T, Slot>& g, int64_t v, int64_t n, T* target) {
  Vec<T, W> acc[M][NV];
  for (int m = 0; m < M; ++m)
    for (int i = 0; i < NV; ++i) acc[m][i] = load<T, W>(g.bias + n + i * W);
  const T* source = (K == kInnerSums ? g.inner : g.z) + n;
  const Slot* slots = g.slots + v * g.vertex_stride;
  for (int64_t l = 0; l < g.s.length; ++l, source += g.piece, slots += g.slot_stride)
    for (int m = 0; m < M; ++m) {
      const int64_t f = slots[m * g.vertex_stride];
      Vec<T, W> sum[NV];
      if constexpr (K == kInnerSums) {
        for (int i = 0; i < NV; ++i) sum[i] = load<T, W>(source + f * g.row + i * W);
      } else {
        if (uint64_t(f) >= uint64_t(g.rows)) continue;
        inner_sum<T, W, NV, K>(g, f, f, source, sum);
      }
      for (int i = 0; i < NV; ++i) acc[m][i] += sum[i];
    }
  for (int m = 0; m < M; ++m)
    for (int i = 0; i < NV; ++i) store<T, W>(target + m * g.piece + i * W, acc[m][i]);
}

// Columns [n, n + NV * W) of vertices [first, last). Writes beyond a vertex' last column, into the next one's
// first: so columns are done from the last to the first. Where they fill one vector, several vertices go together,
// since counting slots takes as long as adding them.
template <class T, int W, int NV, int K, class Slot>
MESHANIM_KERNEL void gather_block(const ForwardGroup<T, Slot>& g, int64_t first, int64_t last, int64_t n,
                                  T* target) {
  constexpr int M = NV == 1 ? 4 : 1;
  target += n;
  int64_t v = first;
  for (; v + M <= last; v += M, target += M * g.piece) gather_vertices<T, W, NV, M, K>(g, v, n, target);
  for (; v < last; ++v, target += g.piece) gather_vertices<T, W, NV, 1, K>(g, v, n, target);
}

// Calls body with the widest block that `left` columns fill, or the narrowest that covers them.
template <class T, class Body>
MESHANIM_INLINE void with_piece_block(int64_t left, const Body& body) {
  constexpr int W = kLanes<T>, smallest = 16 / int(sizeof(T));
  constexpr int half = W / 2 > smallest ? W / 2 : smallest, quarter = W / 4 > smallest ? W / 4 : smallest;
  if (left >= 8 * W)
    body(Block<W, 8>());
  else if (left >= 3 * W)
    body(Block<W, 3>());
  else if (left > W)
    body(Block<W, 2>());
  else if (left > half)
    body(Block<W, 1>());
  else if (left > quarter)
    body(Block<half, 1>());
  else
    body(Block<quarter, 1>());
}

template <class T, int K, class Slot>
void gather_from(const ForwardGroup<T, Slot>& g, int64_t first, int64_t last, int64_t n, T* target) {
  with_piece_block<T>(g.piece - n, [&](auto shape) {
    using Shape = decltype(shape);
    if (g.piece - n > Shape::N) gather_from<T, K>(g, first, last, n + Shape::N, target);
    gather_block<T, Shape::W, Shape::NV, K>(g, first, last, n, target);
  });
}

// Sums of all spirals of vertices [first, last): target (last - first, piece), and room for one vector.
template <class T, class Slot>
void gather(const ForwardGroup<T, Slot>& g, int64_t first, int64_t last, T* target) {
  if (sizeof(Slot) == sizeof(int16_t) && g.inner)
    gather_from<T, kInnerSums>(g, first, last, 0, target);
  else if (g.s.corners == 3)
    gather_from<T, 3>(g, first, last, 0, target);
  else
    gather_from<T, 0>(g, first, last, 0, target);
}

template <class T, int NV, int K>
MESHANIM_KERNEL void inner_block(const ForwardGroup<T, int16_t>& g, const int32_t* rows, int64_t count, int64_t n,
                                 T* inner) {
  constexpr int W = kLanes<T>;
  for (int64_t f = 0; f < count; ++f, inner += g.row) {
    Vec<T, W> sum[NV];
    inner_sum<T, W, NV, K>(g, f, rows[f], g.z + n, sum);
    for (int j = 0; j < NV; ++j) store<T, W>(inner + n + j * W, sum[j]);
  }
}

template <class T, int K>
MESHANIM_INLINE void inner_rows(const ForwardGroup<T, int16_t>& g, const int32_t* rows, int64_t count, T* inner) {
  constexpr int W = kLanes<T>;
  int64_t n = 0;
  for (; n + 4 * W <= g.row; n += 4 * W) inner_block<T, 4, K>(g, rows, count, n, inner);
  for (; n + 2 * W <= g.row; n += 2 * W) inner_block<T, 2, K>(g, rows, count, n, inner);
  if (n < g.row) inner_block<T, 1, K>(g, rows, count, n, inner);
}

// Whether a member alone takes inner sums once for every vertex that a patch reads: where a piece of z fills less
// than half of a vector.
template <class T>
MESHANIM_INLINE bool takes_inner_sums(const SpiralDecodeShape& s) {
  return 2 * s.out < kLanes<T>;
}

template <class T>
struct ForwardScratch {
  const T* weight;  // (in, padded): columns length * out, padded to whole vectors
  int64_t padded;
  const T *lane_bias, *plain_bias;
  T* z;       // of all, in lanes, or of one thread's patch
  T* buffer;  // of one thread: a tile of x, then a run or patch of out, in lanes
  T* inner;   // of one thread: the inner sums of a patch, then a row of zeros
  T* up_weights;  // of one thread: those of the rows of a patch
};

// Members [b, b + members), in W lanes.
template <class T, int W>
void forward_group(const Decode<T>& d, const ForwardScratch<T>& f, int64_t b, int64_t members, int index, int count) {
  const SpiralDecodeShape& s = d.s;
  const T* x = d.x + b * s.coarse * s.in;
  T* out = d.out + b * s.fine * s.out;
  const int64_t products = s.length * s.out, row = products * W;
  const Share tiles = share((s.coarse + kCoarseTile - 1) / kCoarseTile, index, count);
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    const int64_t u = tile * kCoarseTile;
    const int64_t rows = s.coarse - u < kCoarseTile ? s.coarse - u : kCoarseTile;
    to_lanes<T, W>(PlainRows<T, W>{x + u * s.in, s.coarse * s.in}, members, rows * s.in, f.buffer);
    lane_product<T, W>({f.buffer, f.weight, f.padded, f.z + u * row, rows, s.in, products});
  }
  barrier();
  const ForwardGroup<T, int32_t> g{s,            d.t.corners, d.t.slots, 1,   d.t.slot_stride, s.fine,
                                   d.up_weights, f.lane_bias, s.out * W, f.z, nullptr,         row};
  const Share runs = share((s.fine + kFineRun - 1) / kFineRun, index, count);
  for (int64_t run = runs.first; run < runs.last; ++run) {
    const int64_t v = run * kFineRun;
    const int64_t last = v + kFineRun < s.fine ? v + kFineRun : s.fine, values = (last - v) * s.out;
    gather(g, v, last, f.buffer);
    activate(f.buffer, values * W, s.activation);
    from_lanes<T, W>(f.buffer, members, values, out + v * s.out, s.fine * s.out);
  }
  barrier();
}

template <class T, int K>
MESHANIM_INLINE void copy_rows(const T* source, const int32_t* rows, int64_t count, int64_t width, T* target) {
  if (K > 0) width = K;
  for (int64_t i = 0; i < count; ++i)
    for (int64_t k = 0; k < width; ++k) target[i * width + k] = source[rows[i] * width + k];
}

// Row m of the source to row rows[m] of the target; rows of N values, 0 for `width`.
template <class T, int N>
MESHANIM_INLINE void spread_rows(const T* source, const int32_t* rows, int64_t count, int64_t width, T* target) {
  if (N > 0) width = N;
  for (int64_t m = 0; m < count; ++m)
    for (int64_t n = 0; n < width; ++n) target[rows[m] * width + n] = source[m * width + n];
}

// Patch p of member b, alone.
template <class T>
void forward_patch(const Decode<T>& d, const ForwardScratch<T>& f, int64_t b, int64_t p) {
  const SpiralDecodeShape& s = d.s;
  const SpiralDecodeTables& t = d.t;
  const T* x = d.x + b * s.coarse * s.in;
  T* out = d.out + b * s.fine * s.out;
  const int64_t held = t.patch_counts[3 * p], read = t.patch_counts[3 * p + 1], needed = t.patch_counts[3 * p + 2];
  const int32_t *vertices = t.vertices + p * t.patch_size, *rows = t.rows + p * t.patch_rows;
  plain_product<T>({x, s.in, t.patch_coarse + p * t.patch_coarse_size, f.weight, f.z, needed, s.in, f.padded});
  const bool sums = takes_inner_sums<T>(s);
  if (!sums) {
    if (s.corners == 3)
      copy_rows<T, 3>(d.up_weights, rows, read, 3, f.up_weights);
    else
      copy_rows<T, 0>(d.up_weights, rows, read, s.corners, f.up_weights);
  }
  const ForwardGroup<T, int16_t> g{s,
                                   t.patch_corners + p * t.patch_rows * s.corners,
                                   t.places + p * t.patch_size * s.length,
                                   s.length,
                                   1,
                                   t.patch_rows,
                                   sums ? d.up_weights : f.up_weights,
                                   f.plain_bias,
                                   s.out,
                                   f.z,
                                   sums ? f.inner : nullptr,
                                   f.padded};
  if (sums) {
    if (s.corners == 3)
      inner_rows<T, 3>(g, rows, read, f.inner);
    else
      inner_rows<T, 0>(g, rows, read, f.inner);
  }
  gather(g, 0, held, f.buffer);
  activate(f.buffer, held * s.out, s.activation);
  if (s.out == 3)
    spread_rows<T, 3>(f.buffer, vertices, held, 3, out);
  else
    spread_rows<T, 0>(f.buffer, vertices, held, s.out, out);
}

// Members that go through in lanes; the others, too few for a group, alone.
constexpr int64_t kFewestInLanes = 4;
template <class T>
MESHANIM_INLINE int64_t members_in_lanes(int64_t batch) {
  return batch % kLanes<T> >= kFewestInLanes ? batch : batch / kLanes<T> * kLanes<T>;
}

// Vertices of a patch, at least and at most. It may read twice as many, or those of one spiral, and the places of
// these, and of the coarse vertices that they need, are numbers of 16 bits.
constexpr int64_t kSmallestPatch = 64;
MESHANIM_INLINE int64_t largest_patch(const SpiralDecodeShape& s) {
  const int64_t rows = s.coarse > INT16_MAX && s.corners > 1 ? INT16_MAX / s.corners : INT16_MAX;
  return s.length > rows ? 0 : rows / 2;
}

// The same in the forward pass.
template <class T>
MESHANIM_INLINE int64_t forward_in_lanes(const SpiralDecodeShape& s) {
  return largest_patch(s) < kSmallestPatch ? s.batch : members_in_lanes<T>(s.batch);
}

// Vertices of a patch for the members that go through alone, 0 where there are none. On a mesh a patch reads about
// half as many again, and needs so many times the coarse level's share. Threads get as many patches each.
template <class T>
int32_t patch_size(const SpiralDecodeShape& s) {
  if (forward_in_lanes<T>(s) == s.batch || s.fine == 0) return 0;
  const int64_t largest = largest_patch(s);
  const double row_bytes = double(round_up(s.length * s.out, kLanes<T>)) * double(sizeof(T));
  const double rows = 1.5 * (double(s.coarse) / double(s.fine) + (takes_inner_sums<T>(s) ? 1 : 0));
  const double most = double(kPatchBytes) / (rows * row_bytes);
  const int64_t size = most < kSmallestPatch ? kSmallestPatch : most > largest ? largest : int64_t(most);
  const int64_t patches = round_up((s.fine + size - 1) / size, s.threads);
  const int64_t even = (s.fine + patches - 1) / patches;
  return int32_t(even < kSmallestPatch ? kSmallestPatch : even);
}

template <class T>
int forward(const Decode<T>& d) {
  const SpiralDecodeShape& s = d.s;
  const SpiralDecodeTables& t = d.t;
  if (s.batch * s.fine * s.out == 0) return 0;
  constexpr int W = kLanes<T>;
  const int64_t products = s.length * s.out, padded = round_up(products, W);
  const int64_t in_lanes = forward_in_lanes<T>(s);
  const bool alone = in_lanes < s.batch;
  const int64_t lane_z = in_lanes ? s.coarse * products * W + W : 0;
  const int64_t patch_z = alone ? round_up(t.patch_coarse_size * padded + W, W) : 0;
  const int64_t inner_size = alone && takes_inner_sums<T>(s) ? (t.patch_rows + 1) * padded + W : 0;
  const int64_t up_size = alone && !takes_inner_sums<T>(s) ? round_up(t.patch_rows * s.corners, W) : 0;
  const int64_t coarse_size = kCoarseTile * s.in, fine_size = kFineRun * s.out;
  const int64_t tile = in_lanes ? (coarse_size > fine_size ? coarse_size : fine_size) * W : 0;
  const int64_t patch = alone ? t.patch_size * s.out : 0;
  const int64_t size = round_up((tile > patch ? tile : patch) + W, W) + patch_z + round_up(inner_size, W) + up_size;
  Scratch<T> weights(s.in * padded), biases(s.out * (W + 1) + W), z(lane_z), own(size * s.threads);
  if (weights.failed() || biases.failed() || z.failed() || own.failed()) return 1;
  T *lane_bias = biases.get(), *plain_bias = lane_bias + s.out * W;
  for (int64_t o = 0; o < s.out; ++o) {
    plain_bias[o] = d.bias ? d.bias[o] : T(0);
    for (int n = 0; n < W; ++n) lane_bias[o * W + n] = plain_bias[o];
  }
  const double work = double(s.batch) * double(products) *
                      (double(s.coarse) * double(s.in) + double(s.fine) * double(s.corners));
  parallel(s.threads, work, [&](int index, int count) {
    const Share inputs = share(s.in, index, count);
    for (int64_t l = 0; l < s.length; ++l)
      transpose(d.weight + l * s.in + inputs.first, s.length * s.in, s.out, inputs.last - inputs.first,
                weights.get() + inputs.first * padded + l * s.out, padded);
    for (int64_t c = inputs.first; c < inputs.last; ++c)
      for (int64_t n = products; n < padded; ++n) weights.get()[c * padded + n] = T(0);
    T *mine = own.get() + size * index, *patch_own = mine + size - patch_z - round_up(inner_size, W) - up_size;
    ForwardScratch<T> f{weights.get(), padded, lane_bias, plain_bias, z.get(), mine, nullptr, nullptr};
    barrier();
    int64_t b = 0;
    for (; b < in_lanes; b += W)
      forward_group<T, W>(d, f, b, in_lanes - b < W ? in_lanes - b : W, index, count);
    f.z = patch_own;
    f.inner = patch_own + patch_z;
    f.up_weights = f.inner + round_up(inner_size, W);
    for (int64_t n = inner_size ? t.patch_rows * padded : 0; n < inner_size; ++n) f.inner[n] = T(0);
    const Share patches = share(alone ? t.patches : 0, index, count);
    for (; b < s.batch; ++b)
      for (int64_t p = patches.first; p < patches.last; ++p) forward_patch(d, f, b, p);
  });
  return 0;
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
