// Faces in the picture, rounded as on a CPU: coordinates are in double precision and no product is fused with a
// sum, so that neighbours agree to the last bit on where their edge runs, and a GPU with a CPU. Consumer GPUs have
// few units for double precision; of some tens of operations a pixel that is no burden.
#pragma once

#include "common/device.cuh"

namespace meshanim {

// Pixels from first to last column, from top to bottom row.
struct alignas(16) Box {
  int first, last, top, bottom;
};

__device__ inline Box nowhere() { return {0, -1, 0, -1}; }

// Whether boxes that are not empty have pixels in common; never where one of them is nowhere.
__device__ inline bool meet(const Box& a, const Box& b) {
  return a.first <= b.last && b.first <= a.last && a.top <= b.bottom && b.top <= a.bottom;
}
__device__ inline bool holds(const Box& a, int column, int row) {
  return a.first <= column && column <= a.last && a.top <= row && row <= a.bottom;
}

// What is drawn, for all kernels.
struct Picture {
  const float* points;  // (batch, vertices, 3): column, row, depth
  const int* corners;   // (faces, 3)
  Box* boxes;           // (batch, faces): pixels that a face may reach
  Box* groups;          // (batch, groups): those that kGroup faces may reach, one after another
  double near, radius;
  int64 batch;
  int vertices, faces, height, width, perspective;
};

// Smallest value of an edge function inside, where its edge itself belongs to the neighbour.
constexpr double kAbove = 2.2250738585072014e-308;
constexpr double kLargest = 1.7976931348623157e308;

__device__ inline void swap(double& one, double& other) {
  const double held = one;
  one = other;
  other = held;
}

// Of a face, in double precision.
struct Corners {
  double x[3], y[3], depth[3];

  __device__ Corners(const Picture& p, int64 image, int face) {
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const float* point = p.points + 3 * (image * p.vertices + p.corners[3 * int64(face) + k]);
      x[k] = point[0];
      y[k] = point[1];
      depth[k] = point[2];
    }
  }

  // Exchanges the last two corners where edge functions are negative inside; returns whether it did.
  __device__ bool turn() {
    if (!(area() < 0)) return false;
    exchange();
    return true;
  }
  __device__ void exchange() {
    swap(x[1], x[2]);
    swap(y[1], y[2]);
    swap(depth[1], depth[2]);
  }

  // Twice the signed area in the picture.
  __device__ double area() const { return (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]); }

  // Whether the face reaches from where the camera sees to nearer.
  __device__ bool crosses(const Picture& p) const {
    const int seen = int(depth[0] > p.near) + int(depth[1] > p.near) + int(depth[2] > p.near);
    return p.perspective && seen > 0 && seen < 3;
  }

  // Whether all of the face can be seen: not a line, finite, far enough from the camera.
  __device__ bool usable(const Picture& p) const {
    constexpr double kFinite = 1e300;
    const double turned = area(), size = turned < 0 ? -turned : turned, sum = depth[0] + depth[1] + depth[2];
    if (!(size > 0 && size < kFinite && sum < kFinite && sum > -kFinite)) return false;
    return !p.perspective || (depth[0] > p.near && depth[1] > p.near && depth[2] > p.near);
  }
};

// Columns or rows whose middles lie between two coordinates, of `count`.
__device__ inline void middles_within(double low, double high, int count, int& first, int& last) {
  const bool reached = low <= count && high >= 0;  // false where one is not a number
  const double from = ceil(low - 0.5), to = floor(high - 0.5);
  first = reached && from > 0 ? int(from) : 0;
  last = !reached ? -1 : to < count ? int(to) : count - 1;
}

__device__ inline double least(const double (&v)[3]) { return fmin(fmin(v[0], v[1]), v[2]); }
__device__ inline double most(const double (&v)[3]) { return fmax(fmax(v[0], v[1]), v[2]); }

// Pixels whose middles lie within the radius of the box around a face.
__device__ inline Box box_around(const Picture& p, const Corners& c) {
  if (!c.usable(p)) return nowhere();
  Box box;
  middles_within(least(c.x) - p.radius, most(c.x) + p.radius, p.width, box.first, box.last);
  middles_within(least(c.y) - p.radius, most(c.y) + p.radius, p.height, box.top, box.bottom);
  return box.first <= box.last && box.top <= box.bottom ? box : nowhere();
}

}  // namespace meshanim
