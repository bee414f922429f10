// What the mesh operators share. They are compiled once, for the baseline, and without contraction to fused
// multiply-add, so that they round as their references do and give the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "common/api.h"

namespace meshanim {

// Runs the body of an operator; 1 where memory ran out, which must not cross the C border as an exception.
template <class Body>
int32_t guarded(const Body& body) {
  try {
    body();
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

struct Vec3 {
  double x, y, z;
};
inline Vec3 at(const double* points, int64_t i) {
  return {points[3 * i], points[3 * i + 1], points[3 * i + 2]};
}
inline Vec3 operator-(Vec3 a, Vec3 b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
inline Vec3 operator/(Vec3 a, double s) { return {a.x / s, a.y / s, a.z / s}; }
inline double dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline double length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// Half-edge h = 3 f + k runs along corner k of face f.
inline int32_t following(int32_t h) { return h % 3 == 2 ? h - 2 : h + 1; }
inline int32_t preceding(int32_t h) { return h % 3 == 0 ? h + 2 : h - 1; }

// Items 0 to count by key(item), in [0, keys); those of one key stay in order. The items of key k are
// items[begin[k]] to items[begin[k + 1] - 1].
struct Sorted {
  std::vector<int32_t> begin, items;
};
template <class Key>
Sorted sorted_by(int64_t count, int64_t keys, const Key& key) {
  if (count > std::numeric_limits<int32_t>::max()) throw std::length_error("more than 2^31 items");
  Sorted result{std::vector<int32_t>(size_t(keys) + 1), std::vector<int32_t>(size_t(count))};
  for (int64_t i = 0; i < count; ++i) ++result.begin[size_t(key(i)) + 1];
  for (int64_t k = 0; k < keys; ++k) result.begin[size_t(k) + 1] += result.begin[size_t(k)];
  std::vector<int32_t> next(result.begin.begin(), result.begin.end() - 1);
  for (int64_t i = 0; i < count; ++i) result.items[size_t(next[size_t(key(i))]++)] = int32_t(i);
  return result;
}

// All half-edges by lower, then higher vertex, then number: those of one edge stand beside each other.
template <class Index>
std::vector<int32_t> half_edges_by_edge(const Index* origin, int64_t count, int64_t vertices) {
  const auto lower = [&](int64_t h) { return std::min(origin[h], origin[following(int32_t(h))]); };
  const auto higher = [&](int64_t h) { return std::max(origin[h], origin[following(int32_t(h))]); };
  const Sorted high = sorted_by(count, vertices, higher);
  const Sorted low = sorted_by(count, vertices, [&](int64_t i) { return lower(high.items[size_t(i)]); });
  std::vector<int32_t> result(size_t(count), 0);
  for (int64_t i = 0; i < count; ++i) result[size_t(i)] = high.items[size_t(low.items[size_t(i)])];
  return result;
}

}  // namespace meshanim
