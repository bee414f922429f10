// Faces that reach from before the camera to nearer than it sees, in homogeneous coordinates, after Olano and Greer,
// "Triangle Scan Conversion using 2D Homogeneous Coordinates", 1997: edge functions and depth need no division by a
// corner's depth, so that nothing has to be cut off.
#pragma once

#include "rasterize/picture.cuh"

namespace meshanim {

// Corners behind the camera come as column and row times depth; all in the order in which the edge functions are
// positive inside.
struct Crossing : Corners {
  int second = 1;  // which corner of the face is the second one here
  bool usable;

  __device__ Crossing(const Picture& p, int64 image, int face) : Corners(p, image, face) {
    constexpr double kFinite = 1e300;
    double volume = 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) volume += depth[k] * edge((k + 1) % 3, (k + 2) % 3, 0, 0);
    usable = crosses(p) && volume != 0 && volume < kFinite && volume > -kFinite;
    if (!(volume < 0)) return;
    second = 2;
    exchange();
  }

  // Where a corner is in the picture, times its depth, from a pixel's middle.
  __device__ double across(int k, double column) const {
    return depth[k] > 0 ? (x[k] - column) * depth[k] : x[k] - column * depth[k];
  }
  __device__ double down(int k, double row) const {
    return depth[k] > 0 ? (y[k] - row) * depth[k] : y[k] - row * depth[k];
  }

  // Edge function from corner i to j. Where both lie before the camera it begins as their other face has it, so that
  // both agree on its sign.
  __device__ double edge(int i, int j, double column, double row) const {
    if (depth[i] > 0 && depth[j] > 0)
      return ((x[i] - column) * (y[j] - row) - (x[j] - column) * (y[i] - row)) * (depth[i] * depth[j]);
    return across(i, column) * down(j, row) - across(j, column) * down(i, row);
  }

  // Whether a middle exactly on that edge belongs to this face.
  __device__ bool owns(int i, int j) const {
    if (depth[i] > 0 && depth[j] > 0) return y[i] > y[j] || (y[i] == y[j] && x[j] > x[i]);
    const double rise = down(i, 0) * depth[j] - down(j, 0) * depth[i];
    return rise > 0 || (rise == 0 && depth[i] * across(j, 0) > depth[j] * across(i, 0));
  }

  __device__ bool covers(const Picture& p, double column, double row, double& near) const {
    double sum = 0, far = 0;
    bool inside = usable;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      const double part = edge(i, j, column, row);
      inside &= part >= (owns(i, j) ? 0 : kAbove);
      sum = k ? sum + part : part;
      far = k ? far + part * depth[k] : part * depth[k];
    }
    near = sum / far;
    return inside && far > p.near * sum;
  }

  // Columns or rows that it reaches, or some more: its corners before the camera, and where its edges come as near as
  // can be seen. `v` holds columns or rows of the corners.
  __device__ void reached(const double (&v)[3], double near, int count, int& first, int& last) const {
    double low = kLargest, high = -kLargest;
    const auto include = [&](double place) {
      low = fmin(low, place);
      high = fmax(high, place);
    };
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int j = (k + 1) % 3;
      if (depth[k] > near) include(v[k]);
      if ((depth[k] > near) == (depth[j] > near)) continue;
      const double share = (near - depth[k]) / (depth[j] - depth[k]);
      const double from = depth[k] > 0 ? v[k] * depth[k] : v[k], to = depth[j] > 0 ? v[j] * depth[j] : v[j];
      include((from + share * (to - from)) / near);
    }
    middles_within(low - 1, high + 1, count, first, last);
  }

  __device__ Box box(const Picture& p) const {
    if (!usable) return nowhere();
    Box box;
    reached(x, p.near, p.width, box.first, box.last);
    reached(y, p.near, p.height, box.top, box.bottom);
    return box.first <= box.last && box.top <= box.bottom ? box : nowhere();
  }
};

}  // namespace meshanim
