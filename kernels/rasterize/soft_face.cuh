// The place on a face that is nearest to a pixel's middle, and its gradient.
#pragma once

#include "rasterize/picture.cuh"

namespace meshanim {

struct Nearest {
  double distance;        // squared, in pixels, positive inside the face and negative outside
  int side;               // opposite corner of the side that is nearest
  bool inside, sliding;   // sliding: outside and between the ends of its side
  double t;               // outside, share of the way along the side, from corner side + 1
  double weight[3], depth;
  double over_sum;
};

// A face in its own corners' order.
struct SoftFace {
  double x[3], y[3], depth[3];
  double over_depth[3], over_square[3];  // one over depth; one over the squared length of the side opposite corner k
  double over_area;                      // over twice the signed area
  double nearest;                        // less than the rounded depth of every place on it

  __device__ void set_up(const Picture& p, int64 image, int number) {
    const Corners c(p, image, number);
    double size = 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      const double across = c.x[j] - c.x[i], along = c.y[j] - c.y[i];
      x[k] = c.x[k];
      y[k] = c.y[k];
      depth[k] = c.depth[k];
      over_depth[k] = 1 / c.depth[k];
      over_square[k] = 1 / (across * across + along * along);
      size += fabs(c.depth[k]);
    }
    over_area = 1 / c.area();
    nearest = least(depth) - 1e-9 * size;
  }

  // False where the face is farther away than `limit`, squared.
  __device__ bool find(bool perspective, double column, double row, double limit, Nearest& n) const {
    double share[3], least = kLargest, raw = 0;
    n.inside = true;
    n.side = 0;
    n.t = 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      const double ax = x[i] - column, ay = y[i] - row, bx = x[j] - column, by = y[j] - row;
      share[k] = (ax * by - bx * ay) * over_area;
      n.inside &= share[k] >= 0;
      const double sx = bx - ax, sy = by - ay, along = -(ax * sx + ay * sy) * over_square[k];
      const double held = along < 0 ? 0 : along > 1 ? 1 : along;
      const double dx = ax + held * sx, dy = ay + held * sy, distance = dx * dx + dy * dy;
      if (distance < least) {
        least = distance;
        raw = along;
        n.side = k;
        n.t = held;
      }
    }
    if (!n.inside && !(least <= limit)) return false;
    n.distance = n.inside ? least : -least;
    n.sliding = !n.inside && raw > 0 && raw < 1;
    double sum = 0, area = 0, far = 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const double outside = k == n.side ? 0 : k == (n.side + 1) % 3 ? 1 - n.t : n.t;
      const double part = n.inside ? share[k] : outside;
      n.weight[k] = perspective ? part * over_depth[k] : part;
      sum += n.weight[k];
      area += part;
      far += part * depth[k];
    }
    n.over_sum = 1 / sum;
#pragma unroll
    for (int k = 0; k < 3; ++k) n.weight[k] *= n.over_sum;
    n.depth = (perspective ? area : far) * n.over_sum;
    return true;
  }

  // Adds to column, row and depth of each corner what the gradients of one place give.
  __device__ void add_gradient(bool perspective, double column, double row, const double (&grad_weight)[3],
                               double grad_depth, double grad_distance, double (&grad)[9]) const {
    Nearest n;
    find(perspective, column, row, kLargest, n);
    double share[3], g[3], mean = perspective ? grad_depth * n.depth : 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      g[k] = grad_weight[k] + (perspective ? 0 : grad_depth * depth[k]);
      mean += g[k] * n.weight[k];
    }
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const double weight = (g[k] - mean) * over_depth[k];
      share[k] = perspective ? (weight + grad_depth) * n.over_sum : g[k] - mean;
      grad[3 * k + 2] += perspective ? -weight * n.weight[k] : grad_depth * n.weight[k];
    }
    // The squared distance changes as if the nearest place on the side stood still.
    const double slope = n.inside ? -2 * grad_distance : 2 * grad_distance;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      if (n.inside) {
        grad[3 * i] += share[k] * (y[j] - row) * over_area;
        grad[3 * i + 1] -= share[k] * (x[j] - column) * over_area;
        grad[3 * j] -= share[k] * (y[i] - row) * over_area;
        grad[3 * j + 1] += share[k] * (x[i] - column) * over_area;
      }
      const bool nearest = k == n.side;  // without branches, which would make it an index
      const double sx = x[j] - x[i], sy = y[j] - y[i], ax = column - x[i], ay = row - y[i];
      const double pull = nearest ? slope : 0, dx = pull * (ax - n.t * sx), dy = pull * (ay - n.t * sy);
      const double along = (nearest && n.sliding ? share[j] - share[i] : 0) * over_square[k];
      grad[3 * i] += (1 - n.t) * dx + along * (2 * n.t * sx - sx - ax);
      grad[3 * i + 1] += (1 - n.t) * dy + along * (2 * n.t * sy - sy - ay);
      grad[3 * j] += n.t * dx + along * (ax - 2 * n.t * sx);
      grad[3 * j + 1] += n.t * dy + along * (ay - 2 * n.t * sy);
    }
  }
};

}  // namespace meshanim
