// The members of a batch side by side in the lanes of vectors: (rows, values) turned into (values, lanes) and
// back, by squares that are transposed in registers.
#pragma once

#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

template <int... J>
struct Numbers {};
template <int N, int... J>
struct CountTo : CountTo<N - 1, N - 1, J...> {};
template <int... J>
struct CountTo<0, J...> {
  using type = Numbers<J...>;
};

template <class T, int W>
struct Square {
  using V = Vec<T, W>;

#if defined(MESHANIM_HAS_SHUFFLE)
  // Exchanges the lanes of a whose number has bit H with those of b whose number has not.
  template <int H, int... J>
  static MESHANIM_INLINE void exchange(V& a, V& b, Numbers<J...>) {
    const V low = __builtin_shufflevector(a, b, (J & H ? W + J - H : J)...);
    b = __builtin_shufflevector(a, b, (J & H ? W + J : J + H)...);
    a = low;
  }

  template <int H>
  static MESHANIM_INLINE void exchange_all(V (&rows)[W]) {
    if constexpr (H < W) {
      for (int i = 0; i < W; ++i)
        if (!(i & H)) exchange<H>(rows[i], rows[i + H], typename CountTo<W>::type());
      exchange_all<2 * H>(rows);
    }
  }

  static MESHANIM_INLINE void transpose(V (&rows)[W]) { exchange_all<1>(rows); }
#else
  static void transpose(V (&rows)[W]) {
    for (int i = 0; i < W; ++i)
      for (int j = 0; j < i; ++j) {
        const T kept = rows[i][j];
        rows[i][j] = rows[j][i];
        rows[j][i] = kept;
      }
  }
#endif
};

// lanes (count, W) from `members` <= W rows, the other lanes zero. Rows give vector(row, i) and value(row, i).
template <class T, int W, class Rows>
MESHANIM_INLINE void to_lanes(const Rows& rows, int64_t members, int64_t count, T* lanes) {
  int64_t i = 0;
  for (; i + W <= count; i += W) {
    Vec<T, W> square[W];
    for (int n = 0; n < W; ++n) square[n] = n < members ? rows.vector(n, i) : Vec<T, W>{};
    Square<T, W>::transpose(square);
    for (int j = 0; j < W; ++j) store<T, W>(lanes + (i + j) * W, square[j]);
  }
  for (; i < count; ++i)
    for (int n = 0; n < W; ++n) lanes[i * W + n] = n < members ? rows.value(n, i) : T(0);
}

// Plain rows, `stride` apart.
template <class T, int W>
struct PlainRows {
  const T* first;
  int64_t stride;
  MESHANIM_INLINE Vec<T, W> vector(int64_t n, int64_t i) const { return load<T, W>(first + n * stride + i); }
  MESHANIM_INLINE T value(int64_t n, int64_t i) const { return first[n * stride + i]; }
};

// The first `members` lanes of (count, W) into rows, `stride` apart.
template <class T, int W>
MESHANIM_INLINE void from_lanes(const T* lanes, int64_t members, int64_t count, T* rows, int64_t stride) {
  int64_t i = 0;
  for (; i + W <= count; i += W) {
    Vec<T, W> square[W];
    for (int j = 0; j < W; ++j) square[j] = load<T, W>(lanes + (i + j) * W);
    Square<T, W>::transpose(square);
    for (int n = 0; n < W; ++n)
      if (n < members) store<T, W>(rows + n * stride + i, square[n]);
  }
  for (; i < count; ++i)
    for (int64_t n = 0; n < members; ++n) rows[n * stride + i] = lanes[i * W + n];
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
