// Gradients of the points from those of weights and depth: what each face's pixels give to its corners.
#pragma once

#include "common/face_sums.cuh"
#include "rasterize/picture.cuh"

namespace meshanim {

struct RasterizeGradientParameters {
  Picture picture;
  FaceEntries entries;                     // pixels by face
  const float *barycentric, *depth;        // results
  const float *grad_barycentric, *grad_depth;  // null where not given
  double* shares;                          // column, row and depth of each corner
  int64 chunks;
};

// Adds one pixel. With edge functions e, weights are w = e / z, barycentrics b = w / sum(w), depth sum(e) / sum(w);
// without perspective b = e / sum(e), depth is the mean of z.
__device__ inline void add_pixel(const RasterizeGradientParameters& p, const Corners& c, int64 pixel,
                                 double (&grad)[9]) {
  const double column = int(pixel % p.picture.width) + 0.5;
  const double row = int(pixel / p.picture.width % p.picture.height) + 0.5, area = c.area();
  const double grad_depth = p.grad_depth ? p.grad_depth[pixel] : 0;
  double b[3], g[3], edge[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    b[k] = p.barycentric[3 * pixel + k];
    g[k] = p.grad_barycentric ? p.grad_barycentric[3 * pixel + k] : 0;
  }
  if (p.picture.perspective) {
    const double depth = p.depth[pixel], mean = g[0] * b[0] + g[1] * b[1] + g[2] * b[2] + grad_depth * depth;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const double weight = (g[k] - mean) / c.depth[k];
      edge[k] = (weight + grad_depth) * (depth / area);  // of which the last is 1 / sum(w)
      grad[3 * k + 2] -= weight * b[k];
    }
  } else {
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      g[k] += grad_depth * c.depth[k];
      grad[3 * k + 2] += grad_depth * b[k];
    }
    const double mean = g[0] * b[0] + g[1] * b[1] + g[2] * b[2];
#pragma unroll
    for (int k = 0; k < 3; ++k) edge[k] = (g[k] - mean) / area;
  }
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const int i = (k + 1) % 3, j = (k + 2) % 3;
    grad[3 * k] += edge[j] * (c.y[i] - row) - edge[i] * (c.y[j] - row);
    grad[3 * k + 1] += edge[i] * (c.x[j] - column) - edge[j] * (c.x[i] - column);
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
