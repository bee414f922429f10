// Products with the weight on the coarse level, for members of a batch in lanes or for one member alone.
#pragma once

#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

// result[u, n] = sum over k of x[u, k] w[k, n]; x (rows, depth) and result (rows, columns) of vectors.
template <class T, int W>
struct LaneProduct {
  const T* x;
  const T* w;  // (depth, columns) of single values
  int64_t w_stride;
  T* result;
  int64_t rows, depth, columns;
};

template <class T, int W, int MU, int MN>
MESHANIM_KERNEL void lane_product_block(const LaneProduct<T, W>& p, int64_t u, int64_t n) {
  Vec<T, W> acc[MU][MN];
  for (int m = 0; m < MU; ++m)
    for (int i = 0; i < MN; ++i) acc[m][i] = Vec<T, W>{};
  const T* x = p.x + u * p.depth * W;
  const T* w = p.w + n;
  for (int64_t k = 0; k < p.depth; ++k, x += W, w += p.w_stride) {
    Vec<T, W> xk[MU];
    for (int m = 0; m < MU; ++m) xk[m] = load<T, W>(x + m * p.depth * W);
    for (int i = 0; i < MN; ++i) {
      const T wi = w[i];
      for (int m = 0; m < MU; ++m) acc[m][i] += xk[m] * wi;
    }
  }
  T* result = p.result + (u * p.columns + n) * W;
  for (int m = 0; m < MU; ++m)
    for (int i = 0; i < MN; ++i) store<T, W>(result + (m * p.columns + i) * W, acc[m][i]);
}

// Blocks of `size` that cover [0, count), count >= size: the last one reaches back over its neighbour.
template <int size, class Body>
MESHANIM_INLINE void for_each_overlapping(int64_t count, const Body& body) {
  for (int64_t i = 0; i < count; i += size) body(i + size <= count ? i : count - size, i);
}

template <class T, int W, int MU>
MESHANIM_INLINE void lane_product_rows(const LaneProduct<T, W>& p) {
  constexpr int MN = 6;
  if (p.columns >= MN)
    for_each_overlapping<MN>(p.columns, [&](int64_t n, int64_t) {
      for_each_overlapping<MU>(p.rows, [&](int64_t u, int64_t) { lane_product_block<T, W, MU, MN>(p, u, n); });
    });
  else
    for_each_overlapping<1>(p.columns, [&](int64_t n, int64_t) {
      for_each_overlapping<MU>(p.rows, [&](int64_t u, int64_t) { lane_product_block<T, W, MU, 1>(p, u, n); });
    });
}

template <class T, int W>
void lane_product(const LaneProduct<T, W>& p) {
  constexpr int MU = kRegisters == 32 ? 4 : 2;
  if (p.rows >= MU)
    lane_product_rows<T, W, MU>(p);
  else
    lane_product_rows<T, W, 1>(p);
}

// The same for one member, with values for vectors: result (rows, columns), columns a multiple of kLanes. Rows of x
// are those that `listed` names, or all.
template <class T>
struct PlainProduct {
  const T* x;
  int64_t x_stride;
  const int32_t* listed;
  const T* w;  // (depth, columns)
  T* result;
  int64_t rows, depth, columns;
};

template <class T, int MU, int NV>
MESHANIM_KERNEL void plain_product_block(const PlainProduct<T>& p, int64_t u, int64_t n) {
  constexpr int W = kLanes<T>;
  const T* x[MU];
  for (int m = 0; m < MU; ++m) x[m] = p.x + (p.listed ? p.listed[u + m] : u + m) * p.x_stride;
  Vec<T, W> acc[MU][NV];
  for (int m = 0; m < MU; ++m)
    for (int i = 0; i < NV; ++i) acc[m][i] = Vec<T, W>{};
  const T* w = p.w + n;
  for (int64_t k = 0; k < p.depth; ++k, w += p.columns) {
    Vec<T, W> wk[NV];
    for (int i = 0; i < NV; ++i) wk[i] = load<T, W>(w + i * W);
    for (int m = 0; m < MU; ++m) {
      const T xk = x[m][k];
      for (int i = 0; i < NV; ++i) acc[m][i] += wk[i] * xk;
    }
  }
  T* result = p.result + u * p.columns + n;
  for (int m = 0; m < MU; ++m)
    for (int i = 0; i < NV; ++i) store<T, W>(result + m * p.columns + i * W, acc[m][i]);
}

template <class T, int MU>
MESHANIM_INLINE void plain_product_rows(const PlainProduct<T>& p) {
  constexpr int W = kLanes<T>;
  int64_t n = 0;
  for (; n + 2 * W <= p.columns; n += 2 * W)
    for_each_overlapping<MU>(p.rows, [&](int64_t u, int64_t) { plain_product_block<T, MU, 2>(p, u, n); });
  if (n < p.columns)
    for_each_overlapping<MU>(p.rows, [&](int64_t u, int64_t) { plain_product_block<T, MU, 1>(p, u, n); });
}

template <class T>
void plain_product(const PlainProduct<T>& p) {
  constexpr int MU = kRegisters == 32 ? 8 : 6;
  if (p.rows >= MU)
    plain_product_rows<T, MU>(p);
  else
    plain_product_rows<T, 1>(p);
}

// sums[i, j] += sum over u and lanes of a[u, i] b[u, j]; a (rows, ni) and b (rows, nj) of vectors.
template <class T, int W>
struct LaneOuter {
  const T *a, *b;
  double* sums;
  int64_t sums_stride, rows, ni, nj;
};

// Of the block at (i, j), rows from i_new and columns from j_new on are added.
template <class T, int W, int MI, int MJ>
MESHANIM_KERNEL void lane_outer_block(const LaneOuter<T, W>& p, int64_t i, int64_t i_new, int64_t j,
                                      int64_t j_new) {
  Vec<T, W> acc[MI][MJ];
  for (int m = 0; m < MI; ++m)
    for (int n = 0; n < MJ; ++n) acc[m][n] = Vec<T, W>{};
  const T* a = p.a + i * W;
  const T* b = p.b + j * W;
  for (int64_t u = 0; u < p.rows; ++u, a += p.ni * W, b += p.nj * W) {
    Vec<T, W> au[MI];
    for (int m = 0; m < MI; ++m) au[m] = load<T, W>(a + m * W);
    for (int n = 0; n < MJ; ++n) {
      const Vec<T, W> bu = load<T, W>(b + n * W);
      for (int m = 0; m < MI; ++m) acc[m][n] += au[m] * bu;
    }
  }
  for (int m = 0; m < MI; ++m) {
    T total[MJ];
    if constexpr (MJ % 4 == 0)
      for (int n = 0; n < MJ; n += 4)
        store<T, 4>(total + n,
                    LaneSums<T, W>::four(acc[m][n], acc[m][n + 1], acc[m][n + 2], acc[m][n + 3]));
    else
      for (int n = 0; n < MJ; ++n) total[n] = LaneSums<T, W>::one(acc[m][n]);
    if (i + m < i_new) continue;
    for (int n = 0; n < MJ; ++n)
      if (j + n >= j_new) p.sums[(i + m) * p.sums_stride + j + n] += double(total[n]);
  }
}

template <class T, int W>
void lane_outer(const LaneOuter<T, W>& p) {
  constexpr int MI = 3, MJ = kRegisters == 32 ? 8 : 4;
  const auto columns = [&](auto rows, int64_t i, int64_t i_new) {
    constexpr int M = decltype(rows)::N;
    if (p.nj >= MJ)
      for_each_overlapping<MJ>(p.nj, [&](int64_t j, int64_t j_new) {
        lane_outer_block<T, W, M, MJ>(p, i, i_new, j, j_new);
      });
    else
      for (int64_t j = 0; j < p.nj; ++j) lane_outer_block<T, W, M, 1>(p, i, i_new, j, j);
  };
  if (p.ni >= MI)
    for_each_overlapping<MI>(p.ni, [&](int64_t i, int64_t i_new) { columns(Block<MI, 1>(), i, i_new); });
  else
    for (int64_t i = 0; i < p.ni; ++i) columns(Block<1, 1>(), i, i);
}

// The same for one member: a (rows, a_stride), b (rows, nj), nj a multiple of kLanes.
template <class T>
struct PlainOuter {
  const T* a;
  int64_t a_stride;
  const T* b;
  double* sums;
  int64_t rows, ni, nj;
};

template <class T, int MI, int NV>
MESHANIM_KERNEL void plain_outer_block(const PlainOuter<T>& p, int64_t i, int64_t i_new, int64_t j) {
  constexpr int W = kLanes<T>;
  Vec<T, W> acc[MI][NV];
  for (int m = 0; m < MI; ++m)
    for (int n = 0; n < NV; ++n) acc[m][n] = Vec<T, W>{};
  const T* a = p.a + i;
  const T* b = p.b + j;
  for (int64_t u = 0; u < p.rows; ++u, a += p.a_stride, b += p.nj) {
    Vec<T, W> bu[NV];
    for (int n = 0; n < NV; ++n) bu[n] = load<T, W>(b + n * W);
    for (int m = 0; m < MI; ++m) {
      const T am = a[m];
      for (int n = 0; n < NV; ++n) acc[m][n] += bu[n] * am;
    }
  }
  for (int m = 0; m < MI; ++m) {
    if (i + m < i_new) continue;
    for (int n = 0; n < NV; ++n) {
      T part[W];
      store<T, W>(part, acc[m][n]);
      double* sum = p.sums + (i + m) * p.nj + j + n * W;
      for (int k = 0; k < W; ++k) sum[k] += double(part[k]);
    }
  }
}

template <class T>
void plain_outer(const PlainOuter<T>& p) {
  constexpr int MI = kRegisters == 32 ? 8 : 4, W = kLanes<T>;
  const auto columns = [&](auto rows, int64_t i, int64_t i_new) {
    constexpr int M = decltype(rows)::N;
    int64_t j = 0;
    for (; j + 2 * W <= p.nj; j += 2 * W) plain_outer_block<T, M, 2>(p, i, i_new, j);
    if (j < p.nj) plain_outer_block<T, M, 1>(p, i, i_new, j);
  };
  if (p.ni >= MI)
    for_each_overlapping<MI>(p.ni, [&](int64_t i, int64_t i_new) { columns(Block<MI, 1>(), i, i_new); });
  else
    for (int64_t i = 0; i < p.ni; ++i) columns(Block<1, 1>(), i, i);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
