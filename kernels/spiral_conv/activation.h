// Activations on finished outputs while they are in cache, and their gradients from the outputs.
#pragma once

#include "common/api.h"
#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

template <class T>
struct ExpConstants;

// exp(r) - 1 = r + r^2 (c2 + c3 r + ...) on |r| <= ln(2) / 2: Taylor terms down to the rounding of the type.
template <>
struct ExpConstants<float> {
  using Integer = int32_t;
  static constexpr float lowest = -87.0f, round = 12582912.0f;  // 1.5 * 2^23 rounds to an integer
  static constexpr float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr int terms = 7, mantissa = 23, bias = 127;
};
template <>
struct ExpConstants<double> {
  using Integer = int64_t;
  static constexpr double lowest = -708.0, round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double log2e = 1.4426950408889634074, ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr int terms = 14, mantissa = 52, bias = 1023;
};

// exp(x) - 1 for x <= 0, accurate also next to zero: with x = n ln 2 + r it is 2^n (exp(r) - 1) + (2^n - 1).
template <class T, int W>
MESHANIM_INLINE Vec<T, W> expm1_negative(Vec<T, W> x) {
  using K = ExpConstants<T>;
  using Integers = Vec<typename K::Integer, W>;
  const Vec<T, W> lowest = Vec<T, W>{} + K::lowest;
  x = x < lowest ? lowest : x;
  const Vec<T, W> shifted = x * K::log2e + K::round;
  const Vec<T, W> n = shifted - K::round;
  const Vec<T, W> r = (x - n * K::ln2_high) - n * K::ln2_low;
  T factorial = 1;
  for (int i = 2; i <= K::terms; ++i) factorial *= T(i);
  Vec<T, W> p = Vec<T, W>{} + T(1) / factorial;
  for (int i = K::terms; i > 2; --i) {
    factorial /= T(i);
    p = p * r + T(1) / factorial;
  }
  p = p * r * r + r;
  Integers bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + K::bias) << K::mantissa;  // the sum holds n in its low bits
  Vec<T, W> scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  return scale * p + (scale - T(1));
}

template <class T, int W>
MESHANIM_INLINE Vec<T, W> activated(Vec<T, W> y, int32_t activation) {
  const Vec<T, W> zero = {};
  if (activation == kRelu) return y < zero ? zero : y;
  return y > zero ? y : expm1_negative<T, W>(y);
}

// In place, over `count` values one after the other. NaN stays NaN.
template <class T>
MESHANIM_INLINE void activate(T* y, int64_t count, int32_t activation) {
  constexpr int W = kLanes<T>;
  if (activation == kNone) return;
  int64_t i = 0;
  for (; i + W <= count; i += W) store<T, W>(y + i, activated<T, W>(load<T, W>(y + i), activation));
  if (i == count) return;
  T rest[W] = {};
  for (int64_t j = i; j < count; ++j) rest[j - i] = y[j];
  store<T, W>(rest, activated<T, W>(load<T, W>(rest), activation));
  for (int64_t j = i; j < count; ++j) y[j] = rest[j - i];
}

// result = grad * act'(y), read off the output y: relu' is 1 or 0, elu' is 1 or y + 1.
template <class T>
void activation_gradient(const SpiralConvShape& s, const T* grad, const T* out, T* result) {
  const int64_t total = s.batch * s.vertices * s.out;
  parallel(s.threads, double(total), [&](int index, int count) {
    const Share mine = share(total, index, count);
    if (s.activation == kRelu)
      for (int64_t i = mine.first; i < mine.last; ++i) result[i] = out[i] <= 0 ? T(0) : grad[i];
    else
      for (int64_t i = mine.first; i < mine.last; ++i)
        result[i] = grad[i] * (out[i] > 0 ? T(1) : out[i] + T(1));
  });
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
