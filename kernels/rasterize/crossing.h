// Faces that reach from before the camera to nearer than it sees. Their corners are taken in homogeneous
// coordinates, after Olano and Greer, "Triangle Scan Conversion using 2D Homogeneous Coordinates", 1997: edge
// functions and depth need no division by a corner's depth, so that nothing has to be cut off.
#pragma once

#include "rasterize/triangle.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

MESHANIM_INLINE bool crosses(const RasterizeShape& s, const double* depth) {
  const int seen = int(depth[0] > s.near) + int(depth[1] > s.near) + int(depth[2] > s.near);
  return s.perspective && seen > 0 && seen < 3;
}

// Corners in the order in which the edge functions are positive inside. Corners behind the camera come as column
// and row times depth.
struct Crossing {
  double x[3], y[3], depth[3];
  double threshold[3];
  int second = 1;  // which corner is the second one here
  bool usable = false;

  template <class T>
  MESHANIM_INLINE Crossing(const RasterizeShape& s, const T* points, const int32_t* corners) {
    for (int k = 0; k < 3; ++k) {
      const T* p = points + 3 * int64_t(corners[k]);
      x[k] = double(p[0]);
      y[k] = double(p[1]);
      depth[k] = double(p[2]);
    }
    if (!crosses(s, depth)) return;
    double volume = 0;
    for (int k = 0; k < 3; ++k) {
      const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
      volume += depth[k] * edge(i, j, 0.0, 0.0);
    }
    constexpr double kFinite = 1e300;
    usable = volume != 0 && volume < kFinite && volume > -kFinite;
    if (volume < 0) {
      second = 2;
      exchange(x);
      exchange(y);
      exchange(depth);
    }
    for (int k = 0; k < 3; ++k) threshold[k] = owns(k == 2 ? 0 : k + 1, k == 0 ? 2 : k - 1) ? 0 : kAbove;
  }

  static MESHANIM_INLINE void exchange(double* v) {
    const double one = v[1];
    v[1] = v[2];
    v[2] = one;
  }

  MESHANIM_INLINE bool divided(int k) const { return depth[k] > 0; }

  // Edge function from corner i to j. Where both lie before the camera it begins as their other face has it, so
  // that both agree on its sign; exchanging the two turns the sign and nothing else in either form.
  template <class Value>
  MESHANIM_INLINE Value edge(int i, int j, Value column, double row) const {
    if (divided(i) && divided(j)) {
      const Value cut = (x[i] - column) * (y[j] - row) - (x[j] - column) * (y[i] - row);
      return cut * (depth[i] * depth[j]);
    }
    return across(i, column) * down(j, row) - across(j, column) * down(i, row);
  }
  template <class Value>
  MESHANIM_INLINE Value across(int k, Value column) const {
    return divided(k) ? (x[k] - column) * depth[k] : x[k] - column * depth[k];
  }
  MESHANIM_INLINE double down(int k, double row) const {
    return divided(k) ? (y[k] - row) * depth[k] : y[k] - row * depth[k];
  }

  // Whether a middle exactly on the edge belongs to this face: the sign is that of the edge's direction.
  MESHANIM_INLINE bool owns(int i, int j) const {
    if (divided(i) && divided(j)) return y[i] > y[j] || (y[i] == y[j] && x[j] > x[i]);
    const double rise = down(i, 0) * depth[j] - down(j, 0) * depth[i];
    return rise > 0 || (rise == 0 && depth[i] * across(j, 0.0) > depth[j] * across(i, 0.0));
  }

  template <class Value>
  MESHANIM_INLINE void edges(Value column, double row, Value* e) const {
    for (int k = 0; k < 3; ++k) e[k] = edge(k == 2 ? 0 : k + 1, k == 0 ? 2 : k - 1, column, row);
  }

  // Rows or columns that it reaches: its corners before the camera, and where its edges come as near as can be seen.
  MESHANIM_INLINE Span reached(const double* v, double near, int64_t count) const {
    double low = __builtin_inf(), high = -__builtin_inf();
    const auto include = [&](double place) {
      low = place < low ? place : low;
      high = place > high ? place : high;
    };
    for (int k = 0; k < 3; ++k) {
      const int j = k == 2 ? 0 : k + 1;
      if (depth[k] > near) include(v[k]);
      if ((depth[k] > near) == (depth[j] > near)) continue;
      const double share = (near - depth[k]) / (depth[j] - depth[k]);
      const double from = divided(k) ? v[k] * depth[k] : v[k], to = divided(j) ? v[j] * depth[j] : v[j];
      include((from + share * (to - from)) / near);
    }
    const double end = double(count), first = low - 1 > 0 ? low - 1 : 0, last = high + 1 < end - 1 ? high + 1 : end - 1;
    return first <= last ? Span{int32_t(first), int32_t(last)} : Span{0, -1};
  }
};

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
