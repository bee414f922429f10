// out[b, v] = act(sum over l of W_l x[b, s(v, l)] + bias), by one of three register blocks, whichever has least
// to do: along the outputs (a block of W's columns is a vector, x is broadcast), along pairs (the same for few
// outputs, with two inputs side by side), or along the inputs (x and W are read as they lie, lanes are summed at
// the end; rows of whole vectors only).
#pragma once

#include "common/api.h"
#include "spiral_conv/activation.h"
#include "spiral_conv/rows.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

// One mesh's features that lie in the second cache need no fetching ahead.
constexpr int64_t kNearBytes = 512 * 1024;

template <class T>
struct ForwardChunk {
  int64_t length, in, out;
  const T* const* rows;       // (length, kChunk)
  const T* const* next_rows;  // of the chunk that comes next, to be fetched meanwhile
  T* target;                  // first output row
  int64_t valid;              // rows to write
};

// Asks for the part of the next chunk's rows that is due in register block `block` of `blocks`.
template <class T>
MESHANIM_INLINE void prefetch_rows(const ForwardChunk<T>& chunk, int64_t block, int64_t blocks) {
  const int64_t total = chunk.length * kChunk;
  for (int64_t j = total * block / blocks; j < total * (block + 1) / blocks; ++j)
    for (int64_t c = 0; c < chunk.in; c += 64 / int64_t(sizeof(T))) __builtin_prefetch(chunk.next_rows[j] + c);
}

template <class T>
MESHANIM_INLINE void copy_row(const T* source, int64_t count, T* target) {
  for (int64_t n = 0; n < count; ++n) target[n] = source[n];
}

#if defined(MESHANIM_HAS_SHUFFLE)
// All outputs, half a vector of them at most, of all rows of a chunk: inputs two at a time fill the vector, and
// the two lanes of an output are added at the end. w is packed by pairs.
MESHANIM_KERNEL void along_pairs(const ForwardChunk<float>& chunk, const float* packed, const float* bias) {
  constexpr int W = kLanes<float>, N = W / 2, MR = 12;
  using V = Vec<float, W>;
  alignas(64) float padded_bias[W] = {};
  if (bias)
    for (int64_t o = 0; o < chunk.out; ++o) padded_bias[2 * o] = bias[o];
  for (int64_t m0 = 0; m0 < chunk.valid; m0 += MR) {
    V acc[MR];
    for (int m = 0; m < MR; ++m) acc[m] = V{};
    if (chunk.next_rows) prefetch_rows(chunk, m0 / MR, kChunk / MR);
    const float* w = packed;
    for (int64_t l = 0; l < chunk.length; ++l) {
      const float* p[MR];
      for (int m = 0; m < MR; ++m) p[m] = chunk.rows[l * kChunk + m0 + m];
      for (int64_t k = 0; k < chunk.in; k += 2, w += W) {
        const V wk = load<float, W>(w);
        for (int m = 0; m < MR; ++m) acc[m] += wk * repeat_pair<W>(p[m] + k);
      }
    }
    alignas(64) float y[MR * N];
    for (int m = 0; m < MR; ++m) acc[m] += load<float, W>(padded_bias);
    for (int m = 0; m < MR; m += 2) store<float, W>(y + m * N, fold(acc[m], acc[m + 1]));
    const int64_t count = chunk.valid - m0 < MR ? chunk.valid - m0 : MR;
    float* target = chunk.target + m0 * chunk.out;
    if (chunk.out == N)
      copy_row(y, count * N, target);
    else
      for (int64_t m = 0; m < count; ++m) copy_row(y + m * N, chunk.out, target + m * chunk.out);
  }
}
#endif

// Outputs [o0, o0 + Shape::N) of all rows of a chunk; w is packed (length * in, N).
template <class T, class Shape>
MESHANIM_KERNEL void along_outputs(const ForwardChunk<T>& chunk, const T* w, const T* bias, int64_t o0) {
  constexpr int W = Shape::W, NV = Shape::NV, N = Shape::N, MR = kRows<NV>;
  const int64_t width = chunk.out - o0 < N ? chunk.out - o0 : N;
  alignas(64) T padded_bias[N] = {};
  if (bias) copy_row(bias + o0, width, padded_bias);
  for (int64_t m0 = 0; m0 < chunk.valid; m0 += MR) {
    Vec<T, W> acc[MR][NV];
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[m][n] = Vec<T, W>{};
    if (chunk.next_rows && o0 == 0) prefetch_rows(chunk, m0 / MR, kChunk / MR);
    for (int64_t l = 0; l < chunk.length; ++l)
      multiply_rows<T, W, NV, MR>(chunk.rows + l * kChunk + m0, chunk.in, w + l * chunk.in * N, acc);
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[m][n] += load<T, W>(padded_bias + n * W);
    T* target = chunk.target + m0 * chunk.out + o0;
    if (width == N && m0 + MR <= chunk.valid) {
      for (int m = 0; m < MR; ++m)
        for (int n = 0; n < NV; ++n) store<T, W>(target + m * chunk.out + n * W, acc[m][n]);
      continue;
    }
    alignas(64) T y[MR][N];
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) store<T, W>(y[m] + n * W, acc[m][n]);
    for (int64_t m = 0; m < MR && m0 + m < chunk.valid; ++m) copy_row(y[m], width, target + m * chunk.out);
  }
}

// Sums of the lanes of MR rows of OR outputs, with the bias, one row after the other.
template <class T, int W, int MR, int OR>
MESHANIM_INLINE void add_lanes(const Vec<T, W> (&acc)[MR][OR], const T* bias, T* y) {
  static_assert(MR * OR % 4 == 0, "sums are taken four by four");
  const Vec<T, W>* sums = &acc[0][0];
  for (int i = 0; i < MR * OR; i += 4)
    store<T, 4>(y + i, load<T, 4>(bias + i % (4 * OR)) +
                           LaneSums<T, W>::four(sums[i], sums[i + 1], sums[i + 2], sums[i + 3]));
}

// Outputs [o0, o0 + OR) of all rows of a chunk; w is the weight as given. Once: a row is one vector.
template <class T, int W, int OR, bool Once, class Rows>
MESHANIM_KERNEL void along_inputs(const ForwardChunk<T>& chunk, const Rows& rows, const T* weight, const T* bias,
                                  int64_t o0) {
  constexpr int MR = kRegisters == 32 ? (OR == 4 ? 6 : 8) : (OR == 4 ? 3 : 4);
  const int64_t in = Once ? W : chunk.in, depth = chunk.length * in;
  constexpr int64_t kBlocks = kChunk / MR;
  alignas(64) T padded_bias[4 * OR] = {};
  if (bias)
    for (int i = 0; i < 4 * OR; ++i) padded_bias[i] = bias[o0 + i % OR];
  for (int64_t m0 = 0; m0 < chunk.valid; m0 += MR) {
    Vec<T, W> acc[MR][OR];
    for (int m = 0; m < MR; ++m)
      for (int o = 0; o < OR; ++o) acc[m][o] = Vec<T, W>{};
    if (!Once && chunk.next_rows)
      prefetch_rows(chunk, o0 / 4 * kBlocks + m0 / MR, (chunk.out + 3) / 4 * kBlocks);
    const T* w = weight + o0 * depth;
    for (int64_t l = 0; l < chunk.length; ++l, w += in) {
      const T* p[MR];
      for (int m = 0; m < MR; ++m) p[m] = rows[l * kChunk + m0 + m];
      for (int64_t c = 0; c < in; c += W) {
        if constexpr (MR < OR) {  // hold the fewer of the two operands
          Vec<T, W> xc[MR];
          for (int m = 0; m < MR; ++m) xc[m] = load<T, W>(p[m] + c);
          for (int o = 0; o < OR; ++o) {
            const Vec<T, W> wc = load<T, W>(w + o * depth + c);
            for (int m = 0; m < MR; ++m) acc[m][o] += xc[m] * wc;
          }
        } else {
          Vec<T, W> wc[OR];
          for (int o = 0; o < OR; ++o) wc[o] = load<T, W>(w + o * depth + c);
          for (int m = 0; m < MR; ++m) {
            const Vec<T, W> xc = load<T, W>(p[m] + c);
            for (int o = 0; o < OR; ++o) acc[m][o] += xc * wc[o];
          }
        }
      }
    }
    T* target = chunk.target + m0 * chunk.out + o0;
    if (chunk.out == OR && m0 + MR <= chunk.valid) {
      add_lanes<T, W, MR, OR>(acc, padded_bias, target);
      continue;
    }
    alignas(64) T y[MR * OR];
    add_lanes<T, W, MR, OR>(acc, padded_bias, y);
    for (int64_t m = 0; m < MR && m0 + m < chunk.valid; ++m) copy_row(y + m * OR, OR, target + m * chunk.out);
  }
}

template <class T, int W, bool Once, class Rows>
MESHANIM_INLINE void all_along_inputs(const ForwardChunk<T>& chunk, const Rows& rows, const T* weight,
                                      const T* bias) {
  int64_t o = 0;
  for (; o + 4 <= chunk.out; o += 4) along_inputs<T, W, 4, Once>(chunk, rows, weight, bias, o);
  if (chunk.out - o == 3) along_inputs<T, W, 3, Once>(chunk, rows, weight, bias, o);
  if (chunk.out - o == 2) along_inputs<T, W, 2, Once>(chunk, rows, weight, bias, o);
  if (chunk.out - o == 1) along_inputs<T, W, 1, Once>(chunk, rows, weight, bias, o);
}

// The same for rows of one vector, of which the distances are enough where no index is negative.
template <class T, int W>
MESHANIM_INLINE void along_vectors(const ForwardChunk<T>& chunk, const int32_t* indices, int64_t slot_stride,
                                   const T* member, bool in_reach, const T* zeros, uint32_t* offsets,
                                   const T** pointers, const T* weight, const T* bias) {
  for (int64_t l = 0; l < chunk.length && in_reach; ++l)
    in_reach = row_offsets(indices + l * slot_stride, kChunk, W * sizeof(T), offsets + l * kChunk);
  if (in_reach) return all_along_inputs<T, W, true>(chunk, OffsetRows<T>{member, offsets}, weight, bias);
  for (int64_t l = 0; l < chunk.length; ++l)
    row_pointers(indices + l * slot_stride, kChunk, member, W, zeros, pointers + l * kChunk);
  all_along_inputs<T, W, true>(chunk, PointedRows<T>{pointers}, weight, bias);
}

enum class Way { kOutputs, kPairs, kInputs, kHalfInputs };

// The way that has least to do, in vector multiplications per vertex. To sum the lanes of an output costs about
// three of them, to find a row about one, and loads keep two of the ways from full speed. Sizes of the batch and
// the mesh play no part, so that a batch gives the same bits as its members one by one.
template <class T>
Way forward_way(const SpiralConvShape& s) {
  const double depth = double(s.length * s.in);
  double vectors = 0;
  for_each_block<T>(s.out, [&](int64_t, auto block) { vectors += decltype(block)::NV; });
  Way way = Way::kOutputs;
  double least = depth * vectors;
#if defined(MESHANIM_HAS_SHUFFLE)
  if (sizeof(T) == 4 && s.in % 2 == 0 && 2 * s.out <= kLanes<T>) {
    way = Way::kPairs;
    least = 0.55 * depth + 1.2 * double(s.length);
  }
#endif
  const int64_t lanes = direct_lanes<T>(s.in);
  if (lanes > 0 && 1.2 * double(s.out) * depth / double(lanes) + 3 * double(round_up(s.out, 4)) < least)
    way = lanes == kLanes<T> ? Way::kInputs : Way::kHalfInputs;
  return way;
}

template <class T>
int forward(const SpiralConvShape& s, const T* x, const int32_t* slots, int64_t slot_stride, const T* weight,
            const T* bias, T* out) {
  if (s.batch * s.vertices * s.out == 0) return 0;
  const int64_t depth = s.length * s.in;
  const Way way = forward_way<T>(s);
  const bool packs = way == Way::kOutputs || way == Way::kPairs;
  Scratch<T> packed(!packs ? 0 : depth * (s.out + 2 * kLanes<T>)), zeros(s.in);
  Scratch<const T*> pointers(2 * s.threads * s.length * kChunk);
  Scratch<uint32_t> offsets(s.threads * s.length * kChunk);
  if (packed.failed() || zeros.failed() || pointers.failed() || offsets.failed()) return 1;
  for (int64_t c = 0; c < s.in; ++c) zeros.get()[c] = T(0);
  const int64_t chunks = (s.vertices + kChunk - 1) / kChunk;
  const int64_t row_bytes = s.in * int64_t(sizeof(T));
  const bool vectors = way == Way::kHalfInputs || (way == Way::kInputs && s.in == kLanes<T>);  // rows are one each
  const bool in_reach = has_row_offsets<T>(s.vertices, s.in);
  const bool far = !vectors && row_bytes >= 128 && s.vertices * row_bytes > kNearBytes;
  const double work = double(s.batch) * double(s.vertices) * double(depth) * double(s.out);
  parallel(s.threads, work, [&](int index, int count) {
    if (way == Way::kPairs)
      pack_pairs(weight, depth, s.out, share(depth / 2, index, count), packed.get());
    else if (way == Way::kOutputs)
      for_each_block<T>(s.out, [&](int64_t o, auto block) {
        constexpr int N = decltype(block)::N;
        pack_columns(weight, depth, s.out, o, N, share(depth, index, count), packed.get() + o * depth);
      });
    if (packs) barrier();
    const T** rows = pointers.get() + 2 * index * s.length * kChunk;
    const T** next_rows = rows + s.length * kChunk;
    const auto gather = [&](int64_t task, const T** targets) {
      const T* member = x + task / chunks * s.vertices * s.in;
      const int32_t* indices = slots + task % chunks * kChunk;
      for (int64_t l = 0; l < s.length; ++l, indices += slot_stride)
        row_pointers(indices, kChunk, member, s.in, zeros.get(), targets + l * kChunk);
    };
    const Share mine = share(s.batch * chunks, index, count);
    if (mine.first < mine.last && !vectors) gather(mine.first, next_rows);
    for (int64_t task = mine.first; task < mine.last; ++task) {
      const T** swapped = rows;
      rows = next_rows;
      next_rows = swapped;
      const bool more = task + 1 < mine.last;
      if (more && !vectors) gather(task + 1, next_rows);
      const int64_t b = task / chunks, v0 = task % chunks * kChunk;
      const int64_t valid = s.vertices - v0 < kChunk ? s.vertices - v0 : kChunk;
      T* target = out + (b * s.vertices + v0) * s.out;
      const ForwardChunk<T> chunk{s.length, s.in, s.out, rows, far && more ? next_rows : nullptr, target, valid};
      const auto along = [&](auto block) {
        along_vectors<T, decltype(block)::W>(chunk, slots + v0, slot_stride, x + b * s.vertices * s.in, in_reach,
                                             zeros.get(), offsets.get() + index * s.length * kChunk, rows, weight,
                                             bias);
      };
      if (way == Way::kHalfInputs)
        along(Block<kHalfLanes<T>, 1>());
      else if (vectors)
        along(Block<kLanes<T>, 1>());
      else if (way == Way::kInputs)
        all_along_inputs<T, kLanes<T>, false>(chunk, PointedRows<T>{rows}, weight, bias);
      else if (way == Way::kOutputs)
        for_each_block<T>(s.out, [&](int64_t o, auto block) {
          along_outputs<T, decltype(block)>(chunk, packed.get() + o * depth, bias, o);
        });
#if defined(MESHANIM_HAS_SHUFFLE)
      else if constexpr (sizeof(T) == 4)
        along_pairs(chunk, packed.get(), bias);
#endif
      activate(target, valid * s.out, s.activation);
    }
  });
  return 0;
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
