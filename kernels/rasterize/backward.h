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
  double x[3], y[3], depth[3];
  double scale[3], behind[3];  // away from a middle (column, row) is scale * (x - column) - behind * column, etc.
  double grad[9];              // column, row, depth of each corner
};

template <class T>
MESHANIM_INLINE void begin_face(bool perspective, const T* points, const int32_t* corners, Sum& sum) {
  for (int k = 0; k < 3; ++k) {
    const T* p = points + 3 * int64_t(corners[k]);
    sum.x[k] = double(p[0]);
    sum.y[k] = double(p[1]);
    sum.depth[k] = double(p[2]);
    const bool divided = sum.depth[k] > 0;
    sum.scale[k] = perspective && divided ? sum.depth[k] : 1;
    sum.behind[k] = perspective && !divided ? sum.depth[k] - 1 : 0;
  }
  for (int i = 0; i < 9; ++i) sum.grad[i] = 0;
}

// Adds one pixel. With corners (u, v) away from its middle, times their depths with perspective, the weights b solve
// sum(b u) = sum(b v) = 0 and sum(b) = 1, and depth is sum(b z). With g the gradients of b, those of depth included,
// and factors p and q for which g - p u - q v is the same at all corners, u gets -p b, and v gets -q b.
template <class T>
MESHANIM_INLINE void add_pixel(bool perspective, double column, double row, const T* barycentric,
                               const T* grad_barycentric, double grad_depth, Sum& sum) {
  double g[3], u[3], v[3];
  for (int k = 0; k < 3; ++k) {
    g[k] = grad_depth * sum.depth[k] + (grad_barycentric ? double(grad_barycentric[k]) : 0.0);
    u[k] = (sum.x[k] - column) * sum.scale[k] - sum.behind[k] * column;
    v[k] = (sum.y[k] - row) * sum.scale[k] - sum.behind[k] * row;
  }
  for (int k = 1; k < 3; ++k) {
    g[k] -= g[0];
    u[k] -= u[0];
    v[k] -= v[0];
  }
  const double over_area = 1 / (u[1] * v[2] - u[2] * v[1]);
  const double p = (g[1] * v[2] - g[2] * v[1]) * over_area, q = (u[1] * g[2] - u[2] * g[1]) * over_area;
  for (int k = 0; k < 3; ++k) {
    const double b = double(barycentric[k]), to_u = -p * b, to_v = -q * b;
    sum.grad[3 * k] += sum.scale[k] * to_u;
    sum.grad[3 * k + 1] += sum.scale[k] * to_v;
    double to_depth = grad_depth * b;
    if (perspective && sum.depth[k] > 0) to_depth += (sum.x[k] - column) * to_u + (sum.y[k] - row) * to_v;
    if (perspective && !(sum.depth[k] > 0)) to_depth -= column * to_u + row * to_v;
    sum.grad[3 * k + 2] += to_depth;
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
  const T* barycentric = static_cast<const T*>(a.barycentric);
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
        begin_face(s.perspective, points, a.faces + 3 * here, sum);
        current = here;
      }
      const int64_t pixel = begin + row * s.width + column;
      add_pixel(s.perspective, double(column) + 0.5, double(row) + 0.5, barycentric + 3 * pixel,
                grad_barycentric ? grad_barycentric + 3 * pixel : nullptr,
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
