// Gradients of the projected vertices. A thread owns every so many blocks of faces and looks through all pixels for
// them, so that a face's pixels are added in the same order whatever the number of threads; vertices then gather
// from the corners of their faces.
#pragma once

#include "common/parallel.h"
#include "rasterize/triangle.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

constexpr int64_t kFacesPerBlock = 64;

// The face whose pixels are being added up.
struct Sum {
  double x[3], y[3], inverse[3], depth[3], area;
  double grad[9];  // column, row, depth of each corner
};

template <class T>
MESHANIM_INLINE void begin_face(const T* points, const int32_t* corners, Sum& sum) {
  for (int k = 0; k < 3; ++k) {
    const T* p = points + 3 * int64_t(corners[k]);
    sum.x[k] = double(p[0]);
    sum.y[k] = double(p[1]);
    sum.depth[k] = double(p[2]);
    sum.inverse[k] = 1 / sum.depth[k];
  }
  sum.area = (sum.x[1] - sum.x[0]) * (sum.y[2] - sum.y[0]) - (sum.x[2] - sum.x[0]) * (sum.y[1] - sum.y[0]);
  for (int i = 0; i < 9; ++i) sum.grad[i] = 0;
}

// Adds one pixel. With edge functions e, weights are w = e / z, barycentrics b = w / sum(w), depth sum(e) / sum(w);
// without perspective b = e / sum(e), depth is the mean of z.
template <class T>
MESHANIM_INLINE void add_pixel(bool perspective, double column, double row, const T* barycentric, double depth,
                               const T* grad_barycentric, double grad_depth, Sum& sum) {
  const double b[3] = {double(barycentric[0]), double(barycentric[1]), double(barycentric[2])};
  double g[3] = {0, 0, 0}, edge[3];
  if (grad_barycentric)
    for (int k = 0; k < 3; ++k) g[k] = double(grad_barycentric[k]);
  if (perspective) {
    const double mean = g[0] * b[0] + g[1] * b[1] + g[2] * b[2] + grad_depth * depth;
    const double over_sum = depth / sum.area;  // 1 / sum(w)
    for (int k = 0; k < 3; ++k) {
      const double weight = (g[k] - mean) * sum.inverse[k];
      edge[k] = (weight + grad_depth) * over_sum;
      sum.grad[3 * k + 2] -= weight * b[k];
    }
  } else {
    for (int k = 0; k < 3; ++k) {
      g[k] += grad_depth * sum.depth[k];
      sum.grad[3 * k + 2] += grad_depth * b[k];
    }
    const double mean = g[0] * b[0] + g[1] * b[1] + g[2] * b[2];
    for (int k = 0; k < 3; ++k) edge[k] = (g[k] - mean) / sum.area;
  }
  for (int k = 0; k < 3; ++k) {
    const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
    sum.grad[3 * k] += edge[j] * (sum.y[i] - row) - edge[i] * (sum.y[j] - row);
    sum.grad[3 * k + 1] += edge[i] * (sum.x[j] - column) - edge[j] * (sum.x[i] - column);
  }
}

// What the corners of each face got: valid where a face has been seen.
struct CornerSums {
  double* grad;   // (faces, 9)
  uint8_t* seen;  // (faces)

  MESHANIM_INLINE void add(int64_t face, const double* fresh) const {
    double* target = grad + 9 * face;
    for (int i = 0; i < 9; ++i) target[i] = seen[face] ? target[i] + fresh[i] : fresh[i];
    seen[face] = 1;
  }
};

template <class T>
void add_faces(const RasterizeShape& s, const RasterizeBackward& a, int64_t image, int index, int threads,
               const CornerSums& sums) {
  const int64_t begin = image * s.height * s.width;
  const T* points = static_cast<const T*>(a.points) + image * s.vertices * 3;
  const T *barycentric = static_cast<const T*>(a.barycentric), *depth = static_cast<const T*>(a.depth);
  const T* grad_barycentric = static_cast<const T*>(a.grad_barycentric);
  const T* grad_depth = static_cast<const T*>(a.grad_depth);
  Sum sum{};
  for (int64_t row = 0; row < s.height; ++row) {
    const int64_t* face = a.face + begin + row * s.width;
    int64_t current = -1;
    for (int64_t column = 0; column < s.width; ++column) {
      const int64_t here = face[column];
      if (here < 0 || here / kFacesPerBlock % threads != index) continue;
      if (here != current) {
        if (current >= 0) sums.add(current, sum.grad);
        begin_face(points, a.faces + 3 * here, sum);
        current = here;
      }
      const int64_t pixel = begin + row * s.width + column;
      add_pixel(s.perspective, double(column) + 0.5, double(row) + 0.5, barycentric + 3 * pixel,
                double(depth[pixel]), grad_barycentric ? grad_barycentric + 3 * pixel : nullptr,
                grad_depth ? double(grad_depth[pixel]) : 0.0, sum);
    }
    if (current >= 0) sums.add(current, sum.grad);
  }
}

template <class T>
void gather_vertices(const RasterizeShape& s, const RasterizeBackward& a, int64_t image, Share mine,
                     const CornerSums& sums) {
  T* grad_points = static_cast<T*>(a.grad_points) + image * s.vertices * 3;
  for (int64_t v = mine.first; v < mine.last; ++v) {
    double total[3] = {0, 0, 0};
    for (int64_t e = a.starts[v]; e < a.starts[v + 1]; ++e) {
      const int64_t corner = a.entries[e];
      if (!sums.seen[corner / 3]) continue;
      for (int i = 0; i < 3; ++i) total[i] += sums.grad[3 * corner + i];
    }
    for (int i = 0; i < 3; ++i) grad_points[3 * v + i] = T(total[i]);
  }
}

template <class T>
int backward(const RasterizeShape& s, const RasterizeBackward& a) {
  Scratch<double> grad(9 * s.faces);
  Scratch<uint8_t> seen(s.faces);
  if (grad.failed() || seen.failed()) return 1;
  const CornerSums sums{grad.get(), seen.get()};
  const double work = double(s.batch) * (20.0 * double(s.height) * double(s.width) + 3.0 * double(s.vertices));
  parallel(s.threads, work, [&](int index, int threads) {
    const Share faces = share(s.faces, index, threads), vertices = share(s.vertices, index, threads);
    for (int64_t image = 0; image < s.batch; ++image) {
      for (int64_t f = faces.first; f < faces.last; ++f) sums.seen[f] = 0;
      barrier();
      add_faces<T>(s, a, image, index, threads, sums);
      barrier();
      gather_vertices<T>(s, a, image, vertices, sums);
      barrier();
    }
  });
  return 0;
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
