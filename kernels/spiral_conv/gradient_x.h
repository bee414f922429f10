// grad_x[b, u] = sum over (v, l) with s(v, l) = u of W_l^T g[b, v], a gather through inverse lists: no
// atomics, always the same order of addition. Two ways:
//  - by tile, where the weight is large: a tile of kInverseTile vertices u is one task, its sums stay in
//    cache, its lists are ordered by l, so that one W_l serves a whole list;
//  - by vertex, where the whole weight fits in the first cache and the batch is large: sums stay in registers
//    over all of u's list, for several members of the batch at once, which share u's list and each W_l.
#pragma once

#include "common/api.h"
#include "spiral_conv/rows.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

template <class T>
struct GradientX {
  const SpiralConvShape& s;
  const T* g;        // (batch, vertices, out)
  const T* packed;   // (blocks of in; length, out, block)
  const int32_t *starts, *sources, *places;
  T* grad_x;
};

// Adds w times the rows of g that entries [e, last) name, MR at a time as long as there are so many, to the entries'
// sums; returns the first entry that is left.
template <class T, class Shape, int MR>
MESHANIM_INLINE int64_t add_entries(const GradientX<T>& a, const T* g, const T* w, int64_t e, int64_t last, T* sums) {
  constexpr int W = Shape::W, NV = Shape::NV, N = Shape::N;
  for (; e + MR <= last; e += MR) {
    const T* rows[MR];
    row_pointers(a.sources + e, MR, g, a.s.out, g, rows);
    Vec<T, W> acc[MR][NV];
    for (int m = 0; m < MR; ++m)
      for (int n = 0; n < NV; ++n) acc[m][n] = Vec<T, W>{};
    multiply_rows<T, W, NV, MR>(rows, a.s.out, w, acc);
    for (int m = 0; m < MR; ++m) {
      T* sum = sums + a.places[e + m] * N;
      for (int n = 0; n < NV; ++n) store<T, W>(sum + n * W, load<T, W>(sum + n * W) + acc[m][n]);
    }
  }
  return e;
}

// The same for O outputs, so few that w stays in registers and one entry after the other is as fast.
template <class T, class Shape, int O>
MESHANIM_INLINE void add_few_outputs(const GradientX<T>& a, const T* g, const T* w, int64_t e, int64_t last,
                                     T* sums) {
  constexpr int W = Shape::W, NV = Shape::NV, N = Shape::N;
  Vec<T, W> wo[O][NV];
  for (int o = 0; o < O; ++o)
    for (int n = 0; n < NV; ++n) wo[o][n] = load<T, W>(w + o * N + n * W);
  for (; e < last; ++e) {
    const T* row = g + int64_t(a.sources[e]) * O;
    T* sum = sums + int64_t(a.places[e]) * N;
    for (int n = 0; n < NV; ++n) {
      Vec<T, W> acc = wo[0][n] * row[0];
      for (int o = 1; o < O; ++o) acc += wo[o][n] * row[o];
      store<T, W>(sum + n * W, load<T, W>(sum + n * W) + acc);
    }
  }
}

template <class T, class Shape>
MESHANIM_KERNEL void tile_block(const GradientX<T>& a, int64_t b, int64_t tile, int64_t c0) {
  constexpr int NV = Shape::NV, N = Shape::N;
  const SpiralConvShape& s = a.s;
  const int64_t u0 = tile * kInverseTile;
  const int64_t valid = s.vertices - u0 < kInverseTile ? s.vertices - u0 : kInverseTile;
  const T* w = a.packed + c0 * s.length * s.out;
  const T* g = a.g + b * s.vertices * s.out;
  alignas(64) T sums[kInverseTile * N];
  for (int64_t i = 0; i < valid * N; ++i) sums[i] = T(0);
  for (int64_t l = 0; l < s.length; ++l, w += s.out * N) {
    const int64_t first = a.starts[tile * s.length + l], last = a.starts[tile * s.length + l + 1];
    if (s.out == 3) {
      add_few_outputs<T, Shape, 3>(a, g, w, first, last, sums);
      continue;
    }
    int64_t e = add_entries<T, Shape, kRows<NV>>(a, g, w, first, last, sums);
    e = add_entries<T, Shape, 4>(a, g, w, e, last, sums);
    add_entries<T, Shape, 1>(a, g, w, e, last, sums);
  }
  const int64_t width = s.in - c0 < N ? s.in - c0 : N;
  T* target = a.grad_x + (b * s.vertices + u0) * s.in + c0;
  for (int64_t u = 0; u < valid; ++u, target += s.in) {
    if (width == N)
      __builtin_memcpy(target, sums + u * N, N * sizeof(T));
    else
      for (int64_t n = 0; n < width; ++n) target[n] = sums[u * N + n];
  }
}

// MB members of the batch, vertices [first, last). A single member spreads its sum over four accumulators.
template <class T, class Shape, int MB>
MESHANIM_KERNEL void vertex_block(const GradientX<T>& a, int64_t b, int64_t first, int64_t last, int64_t c0) {
  constexpr int W = Shape::W, NV = Shape::NV, N = Shape::N, P = MB == 1 ? 4 : 1;
  const SpiralConvShape& s = a.s;
  const int64_t width = s.in - c0 < N ? s.in - c0 : N;
  const int64_t member = s.vertices * s.out;
  const T* weight = a.packed + c0 * s.length * s.out;
  const T* g = a.g + b * member;
  for (int64_t u = first; u < last; ++u) {
    Vec<T, W> acc[P * MB][NV];
    for (int m = 0; m < P * MB; ++m)
      for (int n = 0; n < NV; ++n) acc[m][n] = Vec<T, W>{};
    for (int64_t e = a.starts[u]; e < a.starts[u + 1]; ++e) {
      const T* w = weight + a.places[e] * s.out * N;
      const T* row = g + a.sources[e] * s.out;
      int64_t o = 0;
      for (; o + P <= s.out; o += P)
        for (int p = 0; p < P; ++p, w += N)
          for (int n = 0; n < NV; ++n) {
            const Vec<T, W> wn = load<T, W>(w + n * W);
            for (int m = 0; m < MB; ++m) acc[p * MB + m][n] += wn * row[m * member + o + p];
          }
      for (int p = 0; p < P - 1; ++p, ++o, w += N) {
        if (o >= s.out) break;
        for (int n = 0; n < NV; ++n)
          for (int m = 0; m < MB; ++m) acc[p * MB + m][n] += load<T, W>(w + n * W) * row[m * member + o];
      }
    }
    for (int m = 0; m < MB; ++m) {
      T y[N];
      for (int n = 0; n < NV; ++n) {
        Vec<T, W> sum = acc[m][n];
        for (int p = 1; p < P; ++p) sum += acc[p * MB + m][n];
        store<T, W>(y + n * W, sum);
      }
      T* target = a.grad_x + ((b + m) * s.vertices + u) * s.in + c0;
      if (width == N)
        __builtin_memcpy(target, y, sizeof y);
      else
        for (int64_t n = 0; n < width; ++n) target[n] = y[n];
    }
  }
}

// The weight, (length, out, block) for every block of inputs, of which each thread writes its share.
template <class T>
void pack_weight(const SpiralConvShape& s, const T* weight, int index, int count, T* packed) {
  const Share mine = share(s.length * s.out, index, count);
  for_each_block<T>(s.in, [&](int64_t c, auto block) {
    constexpr int N = decltype(block)::N;
    const int64_t valid = s.in - c < N ? s.in - c : N;
    T* target = packed + c * s.length * s.out + mine.first * N;
    for (int64_t i = mine.first; i < mine.last; ++i, target += N) {
      const T* source = weight + (i % s.out * s.length + i / s.out) * s.in + c;
      if (valid == N) {
        __builtin_memcpy(target, source, N * sizeof(T));
        continue;
      }
      for (int n = 0; n < N; ++n) target[n] = n < valid ? source[n] : T(0);
    }
  });
}

template <class T>
int gradient_x(const SpiralConvShape& s, const T* g, const T* weight, const int32_t* starts,
               const int32_t* sources, const int32_t* places, T* grad_x) {
  if (s.batch * s.vertices * s.in == 0) return 0;
  Scratch<T> packed(s.length * s.out * (s.in + 2 * kLanes<T>));
  if (packed.failed()) return 1;
  const GradientX<T> a{s, g, packed.get(), starts, sources, places, grad_x};
  const double work = double(s.batch) * double(s.vertices * s.length * s.in) * double(s.out);
  if (inverse_by_vertex(s)) {
    constexpr int64_t run = 32;
    const int64_t runs = (s.vertices + run - 1) / run;
    const int64_t groups = s.batch / kMembers, singles = s.batch % kMembers;
    parallel(s.threads, work, [&](int index, int count) {
      pack_weight(s, weight, index, count, packed.get());
      barrier();
      for (int64_t part = 0; part < 2; ++part) {
        const Share mine = share((part == 0 ? groups : singles) * runs, index, count);
        for (int64_t task = mine.first; task < mine.last; ++task) {
          const int64_t u = task % runs * run;
          const int64_t last = u + run < s.vertices ? u + run : s.vertices;
          for_each_block<T>(s.in, [&](int64_t c, auto block) {
            if (part == 0)
              vertex_block<T, decltype(block), kMembers>(a, task / runs * kMembers, u, last, c);
            else
              vertex_block<T, decltype(block), 1>(a, groups * kMembers + task / runs, u, last, c);
          });
        }
      }
    });
    return 0;
  }
  const int64_t tiles = (s.vertices + kInverseTile - 1) / kInverseTile;
  parallel(s.threads, work, [&](int index, int count) {
    pack_weight(s, weight, index, count, packed.get());
    barrier();
    const Share mine = share(s.batch * tiles, index, count);
    for (int64_t task = mine.first; task < mine.last; ++task)
      for_each_block<T>(s.in, [&](int64_t c, auto block) {
        tile_block<T, decltype(block)>(a, task / tiles, task % tiles, c);
      });
  });
  return 0;
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
