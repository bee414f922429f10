// Which face each pixel sees and where on it; of faces that are equally near the lowest index is seen.
#pragma once

#include "rasterize/tiles.cuh"

namespace meshanim {

struct RasterizeParameters {
  Picture picture;
  int64* face;                // (batch, height, width)
  float *barycentric, *depth;  // (batch, height, width, 3), (batch, height, width)
};

// A face with its corners in the order in which all three edge functions are positive inside. Edge functions are
// the areas that a pixel's middle cuts off, x_i y_j - x_j y_i of two corners seen from it: exchanging the two turns
// the sign and nothing else.
struct Triangle {
  double x[3], y[3];
  double nearness[3];  // by corner, over twice the area
  int owned;             // bit k: middles on the edge opposite corner k belong to this face
  bool crosses;          // nothing else is valid then, see crossing.cuh

  __device__ void set_up(const Picture& p, int64 image, int number) {
    Corners c(p, image, number);
    crosses = c.crosses(p);
    c.turn();
    const double area = c.area();
    owned = 0;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      x[k] = c.x[k];
      y[k] = c.y[k];
      nearness[k] = (p.perspective ? 1 / c.depth[k] : -c.depth[k]) / area;
    }
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      if (y[i] > y[j] || (y[i] == y[j] && x[j] > x[i])) owned |= 1 << k;
    }
  }

  // Whether the face covers a place, and how near it is there.
  __device__ bool covers(double column, double row, double& near) const {
    double edge[3], sum = 0;
    bool inside = true;
#pragma unroll
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      edge[k] = (x[i] - column) * (y[j] - row) - (x[j] - column) * (y[i] - row);
      inside &= edge[k] >= (owned & 1 << k ? 0 : kAbove);
      sum = k ? sum + edge[k] * nearness[k] : edge[k] * nearness[k];
    }
    near = sum;
    return inside;
  }
};

// Weights and depth of a place on a face that covers it. All edge functions are positive or zero, so that both are
// means.
__device__ inline void locate(const Crossing& c, double column, double row, float* barycentric, float* depth) {
  double edge[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) edge[k] = c.edge((k + 1) % 3, (k + 2) % 3, column, row);
  const double scale = 1 / (edge[0] + edge[1] + edge[2]);
  barycentric[0] = float(edge[0] * scale);
  barycentric[c.second] = float(edge[1] * scale);
  barycentric[3 - c.second] = float(edge[2] * scale);
  *depth = float((edge[0] * c.depth[0] + edge[1] * c.depth[1] + edge[2] * c.depth[2]) * scale);
}

__device__ inline void locate(const Picture& p, Corners& c, double column, double row, float* barycentric,
                              float* depth) {
  const int second = c.turn() ? 2 : 1;
  double edge[3], weight[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const int i = (k + 1) % 3, j = (k + 2) % 3;
    edge[k] = (c.x[i] - column) * (c.y[j] - row) - (c.x[j] - column) * (c.y[i] - row);
    weight[k] = edge[k] * (p.perspective ? 1 / c.depth[k] : c.depth[k]);
  }
  const double area = edge[0] + edge[1] + edge[2], sum = weight[0] + weight[1] + weight[2];
  const double scale = 1 / (p.perspective ? sum : area);
  barycentric[0] = float((p.perspective ? weight[0] : edge[0]) * scale);
  barycentric[second] = float((p.perspective ? weight[1] : edge[1]) * scale);
  barycentric[3 - second] = float((p.perspective ? weight[2] : edge[2]) * scale);
  *depth = float((p.perspective ? area : sum) * scale);
}

__device__ inline void write_place(const RasterizeParameters& p, int64 image, int face, double column, double row,
                                   int64 pixel) {
  float *barycentric = p.barycentric + 3 * pixel, *depth = p.depth + pixel;
  p.face[pixel] = face;
  if (face < 0) {
    barycentric[0] = barycentric[1] = barycentric[2] = *depth = 0;
    return;
  }
  Corners corners(p.picture, image, face);
  if (corners.crosses(p.picture))
    locate(Crossing(p.picture, image, face), column, row, barycentric, depth);
  else
    locate(p.picture, corners, column, row, barycentric, depth);
}

__device__ inline void rasterize(const RasterizeParameters& p) {
  const Picture& picture = p.picture;
  FaceList<Triangle>& list = shared_memory<FaceList<Triangle>>();
  const Tile<kGroup> tile(picture);
  const double column = tile.column + 0.5, row = tile.row + 0.5;
  for (int64 image = blockIdx.y; image < picture.batch; image += gridDim.y) {
    double nearest = -kLargest;
    int face = -1;
    for_faces_near(picture, image, tile, list, [&](const Triangle& t, int number) {
      double near;
      const bool covers = t.crosses ? Crossing(picture, image, number).covers(picture, column, row, near)
                                    : t.covers(column, row, near);
      if (!covers || !(near > nearest || (near == nearest && number < face))) return;
      nearest = near;
      face = number;
    });
    if (!tile.in(picture)) continue;
    write_place(p, image, face, column, row, (image * picture.height + tile.row) * picture.width + tile.column);
  }
}

}  // namespace meshanim
