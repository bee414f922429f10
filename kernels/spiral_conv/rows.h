// Pointers to gathered rows, and the product of a few such rows with a packed matrix.
#pragma once

#include <cstddef>

#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

// Vertices that are worked on together: a multiple of every number of rows that a kernel holds at once.
constexpr int64_t kChunk = 24;

// rows[j] points at row indices[j] of x, or at zeros where that is negative. Addresses are reckoned as numbers, in
// products of 32 bits, which become vectors.
template <class T>
MESHANIM_INLINE void row_pointers(const int32_t* indices, int64_t count, const T* x, int64_t stride,
                                  const T* zeros, const T** rows) {
  typedef uint64_t __attribute__((may_alias)) Address;
  const Address first = Address(x), nothing = Address(zeros);
  const uint32_t bytes = uint32_t(stride) * uint32_t(sizeof(T));
  Address* addresses = reinterpret_cast<Address*>(rows);
  for (int64_t j = 0; j < count; ++j) {
    const Address address = first + uint64_t(uint32_t(indices[j])) * bytes;
    addresses[j] = indices[j] < 0 ? nothing : address;
  }
}

// The same as distances from x in bytes, half as long; false where one of the indices is negative.
MESHANIM_INLINE bool row_offsets(const int32_t* indices, int64_t count, uint32_t bytes, uint32_t* offsets) {
  int32_t signs = 0;
  for (int64_t j = 0; j < count; ++j) {
    signs |= indices[j];
    offsets[j] = uint32_t(indices[j]) * bytes;
  }
  return signs >= 0;
}

// Whether all such distances are numbers of 32 bits.
template <class T>
MESHANIM_INLINE bool has_row_offsets(int64_t vertices, int64_t in) {
  return vertices * in * int64_t(sizeof(T)) <= int64_t(UINT32_MAX);
}

// Where rows begin, by pointers or by distances.
template <class T>
struct PointedRows {
  const T* const* first;
  MESHANIM_INLINE PointedRows from(int64_t j) const { return {first + j}; }
  MESHANIM_INLINE const T* operator[](int64_t j) const { return first[j]; }
};
template <class T>
struct OffsetRows {
  const T* x;
  const uint32_t* first;
  MESHANIM_INLINE OffsetRows from(int64_t j) const { return {x, first + j}; }
  MESHANIM_INLINE const T* operator[](int64_t j) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(x) + first[j]);
  }
};

// Lanes in which a row of `in` values is read as it lies: whole vectors, or one half; 0 for other widths.
template <class T>
constexpr int kHalfLanes = kVectorBytes > 16 ? kLanes<T> / 2 : kLanes<T>;
template <class T>
MESHANIM_INLINE int64_t direct_lanes(int64_t in) {
  if (in > 0 && in % kLanes<T> == 0) return kLanes<T>;
  return in == kHalfLanes<T> ? kHalfLanes<T> : 0;
}

template <class T, int C>
MESHANIM_KERNEL void stage_fixed(const int32_t* slots, int64_t slot_stride, int64_t count, int64_t length,
                                 const T* x, const T* zeros, T* staged, int64_t width) {
  for (int64_t l = 0; l < length; ++l, slots += slot_stride, staged += C)
    for (int64_t m = 0; m < count; ++m) {
      const int64_t u = slots[m];
      const T* source = u < 0 ? zeros : x + u * C;
      __builtin_memcpy(staged + m * width, source, C * sizeof(T));
    }
}

// Rows too narrow or too odd for whole vectors: copies the spirals of `count` vertices, each as one line of
// length * in values and zeros up to `width`, into a buffer small enough to stay in cache.
template <class T>
void stage_rows(const int32_t* slots, int64_t slot_stride, int64_t count, int64_t length, const T* x,
                int64_t in, const T* zeros, T* staged, int64_t width) {
  for (int64_t m = 0; m < count; ++m)
    for (int64_t k = length * in; k < width; ++k) staged[m * width + k] = T(0);
  switch (in) {
    case 1:
      return stage_fixed<T, 1>(slots, slot_stride, count, length, x, zeros, staged, width);
    case 2:
      return stage_fixed<T, 2>(slots, slot_stride, count, length, x, zeros, staged, width);
    case 3:
      return stage_fixed<T, 3>(slots, slot_stride, count, length, x, zeros, staged, width);
    case 4:
      return stage_fixed<T, 4>(slots, slot_stride, count, length, x, zeros, staged, width);
  }
  for (int64_t l = 0; l < length; ++l)
    for (int64_t m = 0; m < count; ++m) {
      const int64_t u = slots[l * slot_stride + m];
      const T* source = u < 0 ? zeros : x + u * in;
      __builtin_memcpy(staged + m * width + l * in, source, size_t(in) * sizeof(T));
    }
}

// acc[m] += rows[m][0:depth] times w (depth, NV * W), for MR rows at once.
template <class T, int W, int NV, int MR>
MESHANIM_INLINE void multiply_rows(const T* const* rows, int64_t depth, const T* w, Vec<T, W> (&acc)[MR][NV]) {
  const T* p[MR];
  for (int m = 0; m < MR; ++m) p[m] = rows[m];
  for (int64_t k = 0; k < depth; ++k, w += NV * W) {
    Vec<T, W> wk[NV];
    for (int n = 0; n < NV; ++n) wk[n] = load<T, W>(w + n * W);
    for (int m = 0; m < MR; ++m) {
      const T xk = p[m][k];
      for (int n = 0; n < NV; ++n) acc[m][n] += wk[n] * xk;
    }
  }
}

// How many rows fill the registers with NV vectors of sums each; divides kChunk.
template <int NV>
constexpr int kRows = kRegisters == 32 ? 12 : (NV == 2 ? 6 : 8);

// Rows [first, first + width) of a (columns, depth) matrix, zero beyond the last: packed (depth, width), of which
// the part `k` is written.
template <class T>
void pack_columns(const T* source, int64_t depth, int64_t columns, int64_t first, int64_t width, Share k,
                  T* packed) {
  const int64_t valid = columns - first < width ? columns - first : width;
  transpose(source + first * depth + k.first, depth, valid, k.last - k.first, packed + k.first * width, width);
  for (int64_t i = k.first; i < k.last; ++i)
    for (int64_t n = valid; n < width; ++n) packed[i * width + n] = T(0);
}

// A (columns, depth) matrix by pairs of inputs: packed (depth / 2, lanes / 2, 2), zero beyond the last column, of
// which the part `pairs` is written.
template <class T>
void pack_pairs(const T* source, int64_t depth, int64_t columns, Share pairs, T* packed) {
  packed += pairs.first * kLanes<T>;
  for (int64_t k = 2 * pairs.first; k < 2 * pairs.last; k += 2)
    for (int64_t n = 0; n < kLanes<T> / 2; ++n)
      for (int64_t i = 0; i < 2; ++i) *packed++ = n < columns ? source[n * depth + k + i] : T(0);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
