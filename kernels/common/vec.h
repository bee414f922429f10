// Vectors of a chosen width in the compiler's own vector syntax (GCC, Clang): the same source becomes SSE2,
// AVX2, AVX-512 or NEON by compile flags alone. Everything lives in a namespace per variant, and no standard
// library template is used here, so that the linker can never mix code of two instruction sets.
#pragma once

#include <cstdint>

#define MESHANIM_INLINE inline __attribute__((always_inline))
// Kernels are kept out of their callers, so that each has all registers to itself.
#define MESHANIM_KERNEL __attribute__((noinline)) static

namespace meshanim {
namespace MESHANIM_VARIANT {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 32;
#else
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 16;
#endif

template <class T>
constexpr int kLanes = kVectorBytes / int(sizeof(T));

template <class T, int W>
struct VecOf {
  typedef T type __attribute__((vector_size(W * sizeof(T))));
};
template <class T>
struct VecOf<T, 1> {
  typedef T type;
};
template <class T, int W>
using Vec = typename VecOf<T, W>::type;

template <class T, int W>
MESHANIM_INLINE Vec<T, W> load(const T* p) {
  Vec<T, W> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T, int W>
MESHANIM_INLINE void store(T* p, Vec<T, W> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Two values one after the other, over and over.
template <int W>
MESHANIM_INLINE Vec<float, W> repeat_pair(const float* p) {
  int64_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  const Vec<int64_t, W / 2> pairs = Vec<int64_t, W / 2>{} + pair;
  Vec<float, W> v;
  __builtin_memcpy(&v, &pairs, sizeof v);
  return v;
}

constexpr int64_t round_up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }

// Sum of the upper and the lower half.
template <class T, int W>
MESHANIM_INLINE Vec<T, W / 2> add_halves(Vec<T, W> v) {
  Vec<T, W / 2> half[2];
  __builtin_memcpy(half, &v, sizeof v);
  return half[0] + half[1];
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define MESHANIM_HAS_SHUFFLE 1
#endif
#endif

// Sums of the lanes of four vectors, as one vector.
template <class T, int W>
struct LaneSums {
  static MESHANIM_INLINE T one(Vec<T, W> v) {
    if constexpr (W == 1)
      return v;
    else if constexpr (W == 2)
      return v[0] + v[1];
    else
      return LaneSums<T, W / 2>::one(add_halves<T, W>(v));
  }
  static MESHANIM_INLINE Vec<T, 4> four(Vec<T, W> a, Vec<T, W> b, Vec<T, W> c, Vec<T, W> d) {
    return Vec<T, 4>{one(a), one(b), one(c), one(d)};
  }
};

#if defined(MESHANIM_HAS_SHUFFLE)
// Sums of neighbouring lanes: those of a, then those of b.
MESHANIM_INLINE Vec<float, 4> fold(Vec<float, 4> a, Vec<float, 4> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
MESHANIM_INLINE Vec<float, 8> fold(Vec<float, 8> a, Vec<float, 8> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14) +
         __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
MESHANIM_INLINE Vec<float, 16> fold(Vec<float, 16> a, Vec<float, 16> b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
         __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

template <>
struct LaneSums<float, 4> {
  using V = Vec<float, 4>;
  static MESHANIM_INLINE float one(V v) { return (v[0] + v[2]) + (v[1] + v[3]); }
  static MESHANIM_INLINE V pair(V a, V b) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  }
  static MESHANIM_INLINE Vec<float, 4> four(V a, V b, V c, V d) {
    const V ab = pair(a, b), cd = pair(c, d);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  }
};

template <>
struct LaneSums<float, 8> {
  using V = Vec<float, 8>;
  static MESHANIM_INLINE float one(V v) { return LaneSums<float, 4>::one(add_halves<float, 8>(v)); }
  static MESHANIM_INLINE V pair(V a, V b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
           __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  }
  static MESHANIM_INLINE Vec<float, 4> four(V a, V b, V c, V d) {
    const V ab = pair(a, b), cd = pair(c, d);
    const V sums = __builtin_shufflevector(ab, cd, 0, 1, 8, 9, 4, 5, 12, 13) +
                   __builtin_shufflevector(ab, cd, 2, 3, 10, 11, 6, 7, 14, 15);
    return add_halves<float, 8>(sums);
  }
};

template <>
struct LaneSums<float, 16> {
  using V = Vec<float, 16>;
  static MESHANIM_INLINE float one(V v) { return LaneSums<float, 8>::one(add_halves<float, 16>(v)); }
  static MESHANIM_INLINE V pair(V a, V b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
           __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  static MESHANIM_INLINE Vec<float, 4> four(V a, V b, V c, V d) {
    const V ab = pair(a, b), cd = pair(c, d);
    const V sums = __builtin_shufflevector(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                   __builtin_shufflevector(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    return add_halves<float, 8>(add_halves<float, 16>(sums));
  }
};
#endif

// target[c, r] = source[r, c] of a (rows, columns) matrix, both in strides.
template <class T>
void transpose(const T* source, int64_t source_stride, int64_t rows, int64_t columns, T* target,
               int64_t target_stride) {
  int64_t r = 0;
#if defined(MESHANIM_HAS_SHUFFLE)
  for (; r + 4 <= rows; r += 4) {
    int64_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      Vec<T, 4> a[4], b[4];
      for (int i = 0; i < 4; ++i) a[i] = load<T, 4>(source + (r + i) * source_stride + c);
      for (int i = 0; i < 2; ++i) {
        b[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 4, 1, 5);
        b[i + 2] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 6, 3, 7);
      }
      for (int i = 0; i < 4; ++i) {
        const Vec<T, 4> low = b[i / 2 * 2], high = b[i / 2 * 2 + 1];
        const Vec<T, 4> row = i % 2 == 0 ? __builtin_shufflevector(low, high, 0, 1, 4, 5)
                                         : __builtin_shufflevector(low, high, 2, 3, 6, 7);
        store<T, 4>(target + (c + i) * target_stride + r, row);
      }
    }
    for (; c < columns; ++c)
      for (int64_t i = r; i < r + 4; ++i) target[c * target_stride + i] = source[i * source_stride + c];
  }
#endif
  for (; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) target[c * target_stride + r] = source[r * source_stride + c];
}

// Splits `columns` into blocks of one or two vectors, narrower ones at the end, down to vectors of 16 bytes,
// and calls body(first column, Block<lanes, vectors>) for each.
template <int W_, int NV_>
struct Block {
  static constexpr int W = W_, NV = NV_, N = W_ * NV_;
};

template <class T, class Body>
MESHANIM_INLINE void for_each_block(int64_t columns, const Body& body) {
  constexpr int W = kLanes<T>, smallest = 16 / int(sizeof(T));
  int64_t n = 0;
  while (n < columns) {
    const int64_t left = columns - n;
    if (left > W) {
      body(n, Block<W, 2>());
      n += 2 * W;
    } else if (left > W / 2 || W == smallest) {
      body(n, Block<W, 1>());
      n += W;
    } else if (left > W / 4 || W / 2 <= smallest) {
      body(n, Block<(W / 2 > smallest ? W / 2 : smallest), 1>());
      n += W / 2;
    } else {
      body(n, Block<(W / 4 > smallest ? W / 4 : smallest), 1>());
      n += W / 4;
    }
  }
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
