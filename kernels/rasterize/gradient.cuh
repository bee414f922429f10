// Gradients of the points from those of weights and depth: what each face's pixels give to its corners.
#pragma once

#include "common/face_sums.cuh"
#include "rasterize/picture.cuh"

namespace meshanim {

struct RasterizeGradientParameters {
  Picture picture;
  FaceEntries entries;                     // pixels by face
  const float* barycentric;                // result
  const float *grad_barycentric, *grad_depth;  // null where not given
  double* shares;                          // column, row and depth of each corner
  int64 chunks;
};

// Adds one pixel. With corners (u, v) away from its middle, times their depths with perspective, the weights b solve
// sum(b u) = sum(b v) = 0 and sum(b) = 1, and depth is sum(b z). With g the gradients of b, those of depth included,
// and factors p and q for which g - p u - q v is the same at all corners, u gets -p b, and v gets -q b. Corners behind
// the camera come as column and row times depth.
__device__ inline void add_pixel(const RasterizeGradientParameters& p, const Corners& c, int64 pixel,
                                 double (&grad)[9]) {
  const double column = int(pixel % p.picture.width) + 0.5;
  const double row = int(pixel / p.picture.width % p.picture.height) + 0.5;
  const double grad_depth = p.grad_depth ? p.grad_depth[pixel] : 0;
  const bool perspective = p.picture.perspective;
  double g[3], u[3], v[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const double before = perspective && c.depth[k] > 0 ? c.depth[k] : 1;
    const double away = perspective && !(c.depth[k] > 0) ? c.depth[k] : 1;
    g[k] = grad_depth * c.depth[k] + (p.grad_barycentric ? p.grad_barycentric[3 * pixel + k] : 0);
    u[k] = (c.x[k] - away * column) * before;
    v[k] = (c.y[k] - away * row) * before;
  }
#pragma unroll
  for (int k = 1; k < 3; ++k) {
    g[k] -= g[0];
    u[k] -= u[0];
    v[k] -= v[0];
  }
  const double over_area = 1 / (u[1] * v[2] - u[2] * v[1]);
  const double to_u = (g[2] * v[1] - g[1] * v[2]) * over_area, to_v = (u[2] * g[1] - u[1] * g[2]) * over_area;
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const bool before = perspective && c.depth[k] > 0, behind = perspective && !before;
    const double b = p.barycentric[3 * pixel + k], scale = before ? c.depth[k] * b : b;
    grad[3 * k] += scale * to_u;
    grad[3 * k + 1] += scale * to_v;
    const double x = before ? c.x[k] - column : behind ? -column : 0, y = before ? c.y[k] - row : behind ? -row : 0;
    grad[3 * k + 2] += (grad_depth + x * to_u + y * to_v) * b;
  }
}

// The pixels of a chunk.
__device__ inline void rasterize_gradient(const RasterizeGradientParameters& p) {
  const int64 chunk = int64(blockIdx.x) * kSumThreads + threadIdx.x;
  if (chunk >= p.chunks) return;
  const int faces = p.picture.faces;
  double grad[9] = {};
  for_chunk(
      p.entries, chunk,
      [&](int key, int64 pixel) { add_pixel(p, Corners(p.picture, key / faces, key % faces), pixel, grad); },
      [&](int64 share) { finish_share(p.shares, share, grad); });
}

__device__ inline void vertex_sums(const VertexSumsParameters& p) { add_vertex<double, float>(p); }

}  // namespace meshanim
