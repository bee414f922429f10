// Faces in the picture, some at once: where their edges run, which pixels they reach, and how near they are.
#pragma once

#include <cstdint>

#include "common/api.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

// Faces set up at once, and pixels drawn at once: most faces are a pixel or two wide, wider vectors would be empty.
constexpr int kWide = kLanes<double> < 4 ? kLanes<double> : 4;
using Doubles = Vec<double, kWide>;
using Longs = Vec<int64_t, kWide>;
using Ints = Vec<int32_t, kWide>;

// Smallest value of an edge function inside, where its edge itself belongs to the neighbour.
constexpr double kAbove = 2.2250738585072014e-308;

MESHANIM_INLINE Doubles smaller(Doubles a, Doubles b) { return a < b ? a : b; }
MESHANIM_INLINE Doubles larger(Doubles a, Doubles b) { return a > b ? a : b; }
MESHANIM_INLINE Ints narrow(Longs mask) { return __builtin_convertvector(mask, Ints); }
MESHANIM_INLINE bool any(Longs mask) {
  int64_t bits = mask[0];
  for (int i = 1; i < kWide; ++i) bits |= mask[i];
  return bits != 0;
}

// The middles of kWide columns from one on.
MESHANIM_INLINE Doubles middles(int64_t column) {
  Doubles v;
  for (int i = 0; i < kWide; ++i) v[i] = i + 0.5;
  return v + double(column);
}


struct Span {
  int32_t first, last;
};

// Faces as seen, their corners in the order in which all three edge functions are positive inside. Edge functions
// are the areas that a pixel's middle cuts off, x_i y_j - x_j y_i of two corners seen from it: exchanging the two
// turns the sign and nothing else, so that neighbours agree to the last bit on where their edge runs.
struct Triangles {
  double x[3][kWide], y[3][kWide];
  double value[3][kWide];      // one over depth with perspective, depth without
  double nearness[3][kWide];   // by corner, over twice the area
  double threshold[3][kWide];  // least value of each edge function inside
  int32_t face[kWide];
  int32_t first[kWide], last[kWide];  // columns; none where last < first
  int32_t top[kWide], bottom[kWide];  // rows
  int32_t crossing[kWide];            // not zero: crosses the plane from which a camera sees, see crossing.h
  int32_t second[kWide];              // which corner of the face is the second one here; the third is 3 - second
};

// One coordinate of one corner of some faces.
template <class T>
MESHANIM_INLINE Doubles gather(const T* points, const int32_t* const* corners, int corner, int axis) {
  Vec<T, kWide> v;
  for (int i = 0; i < kWide; ++i) v[i] = points[3 * int64_t(corners[i][corner]) + axis];
  return __builtin_convertvector(v, Doubles);
}

// First and last of `count` rows or columns whose middles lie between two coordinates, or one more.
MESHANIM_INLINE Ints first_middle(Doubles low, int64_t count) {
  const Doubles place = smaller(larger(low - 0.5, Doubles{}), Doubles{} + double(count));
  const Ints whole = __builtin_convertvector(place, Ints);
  return whole - narrow(__builtin_convertvector(whole, Doubles) < place);
}
MESHANIM_INLINE Ints last_middle(Doubles high, int64_t count) {
  const Doubles place = smaller(larger(high + 0.5, Doubles{}), Doubles{} + double(count));
  return __builtin_convertvector(place, Ints) - 1;
}

// Sets up to kWide faces up; those that cannot be seen reach no columns.
template <class T>
MESHANIM_INLINE void set_up(const RasterizeShape& s, const T* points, const int32_t* faces, const int32_t* numbers,
                            int64_t count, Triangles& t) {
  const int32_t* corners[kWide];
  for (int i = 0; i < kWide; ++i) {
    t.face[i] = numbers[i < count ? i : 0];
    corners[i] = faces + 3 * int64_t(t.face[i]);
  }
  Doubles x[3], y[3], depth[3];
  for (int k = 0; k < 3; ++k) {
    x[k] = gather(points, corners, k, 0);
    y[k] = gather(points, corners, k, 1);
    depth[k] = gather(points, corners, k, 2);
  }
  Doubles area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
  const Longs turned = area < 0;
  const auto exchange = [&](Doubles* v) {
    const Doubles one = v[1], two = v[2];
    v[1] = turned ? two : one;
    v[2] = turned ? one : two;
  };
  exchange(x);
  exchange(y);
  exchange(depth);
  area = turned ? -area : area;
  constexpr double kFinite = 1e300;
  const Doubles sum = depth[0] + depth[1] + depth[2];
  Longs usable = (area > 0) & (area < kFinite) & (sum < kFinite) & (sum > -kFinite);
  Longs crossing{};
  if (s.perspective) {
    const Longs whole = (depth[0] > s.near) & (depth[1] > s.near) & (depth[2] > s.near);
    crossing = ~whole & ((depth[0] > s.near) | (depth[1] > s.near) | (depth[2] > s.near));
    usable &= whole;
  }
  for (int k = 0; k < 3; ++k) {
    const Doubles value = s.perspective ? 1 / depth[k] : depth[k];
    const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
    const Longs owned = (y[i] > y[j]) | ((y[i] == y[j]) & (x[j] > x[i]));
    store<double, kWide>(t.x[k], x[k]);
    store<double, kWide>(t.y[k], y[k]);
    store<double, kWide>(t.value[k], value);
    store<double, kWide>(t.nearness[k], (s.perspective ? value : -depth[k]) / area);
    store<double, kWide>(t.threshold[k], owned ? Doubles{} : Doubles{} + kAbove);
  }
  const Ints seen = narrow(usable);
  const Ints last = last_middle(larger(larger(x[0], x[1]), x[2]), s.width);
  store<int32_t, kWide>(t.first, first_middle(smaller(smaller(x[0], x[1]), x[2]), s.width));
  store<int32_t, kWide>(t.last, (last & seen) | ~seen);
  store<int32_t, kWide>(t.top, first_middle(smaller(smaller(y[0], y[1]), y[2]), s.height));
  store<int32_t, kWide>(t.bottom, last_middle(larger(larger(y[0], y[1]), y[2]), s.height));
  store<int32_t, kWide>(t.second, 1 - narrow(turned));
  store<int32_t, kWide>(t.crossing, narrow(crossing));
  for (int i = int(count); i < kWide; ++i) t.last[i] = -1, t.crossing[i] = 0;
}

// The same for rows alone, `radius` around each face: first and last that it may reach, none where last < first.
// Returns which faces cross the plane from which a camera sees, and whose rows are not found here.
template <class T>
MESHANIM_INLINE Ints rows_reached(const RasterizeShape& s, const T* points, const int32_t* faces, Ints& top,
                                  Ints& bottom) {
  const int32_t* corners[kWide];
  for (int i = 0; i < kWide; ++i) corners[i] = faces + 3 * i;
  Doubles x[3], y[3], depth[3];
  for (int k = 0; k < 3; ++k) {
    x[k] = gather(points, corners, k, 0);
    y[k] = gather(points, corners, k, 1);
    depth[k] = gather(points, corners, k, 2);
  }
  const Ints first = first_middle(smaller(smaller(x[0], x[1]), x[2]) - s.radius, s.width);
  const Ints last = last_middle(larger(larger(x[0], x[1]), x[2]) + s.radius, s.width);
  top = first_middle(smaller(smaller(y[0], y[1]), y[2]) - s.radius, s.height);
  bottom = last_middle(larger(larger(y[0], y[1]), y[2]) + s.radius, s.height);
  bottom = first <= last ? bottom : Ints{} - 1;
  if (!s.perspective) return Ints{};
  const Longs one = depth[0] > s.near, two = depth[1] > s.near, three = depth[2] > s.near;
  return narrow((one | two | three) & ~(one & two & three));
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
