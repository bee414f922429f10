// Vectors of a chosen width in the compiler's own vector syntax (GCC, Clang): the same source becomes SSE2,
// AVX2, AVX-512 or NEON by compile flags alone. Everything lives in a namespace per variant, and no standard
// library template is used here, so that the linker can never mix code of two instruction sets.
#pragma once

#include <cstdint>

#define MESHANIM_INLINE inline __attribute__((always_inline))

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

constexpr int64_t round_up(int64_t n, int64_t m) { return (n + m - 1) / m * m; }

// The share of `count` things that thread `index` of `threads` takes: [first, last), in order.
struct Share {
  int64_t first, last;
};
MESHANIM_INLINE Share share(int64_t count, int index, int threads) {
  return {count * index / threads, count * (index + 1) / threads};
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
