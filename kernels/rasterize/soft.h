// The nearest faces around each pixel's middle, with their distances from it, and the gradients of these.
#pragma once

#include "rasterize/backward.h"
#include "rasterize/bins.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

// A face in its own corners' order.
struct SoftFace {
  double x[3], y[3], depth[3];
  double over_depth[3], over_square[3];  // one over depth; one over the squared length of the side opposite corner k
  double over_area, nearest;             // over twice the signed area; least depth
  int32_t face;
  Span columns, rows;
};

// The place of a face that is nearest to a pixel's middle.
struct Nearest {
  double distance;      // squared, in pixels, positive inside the face and negative outside
  int side;             // opposite corner of the side that is nearest
  bool inside, sliding;  // sliding: outside and between the ends of its side
  double t;             // outside, share of the way along the side, from corner side + 1
  double weight[3], depth;
  double over_sum;
};

MESHANIM_INLINE Span middles_within(double low, double high, int64_t count) {
  if (!(low <= double(count) && high >= 0)) return {0, -1};
  const double first = __builtin_ceil(low - 0.5), last = __builtin_floor(high - 0.5);
  return {first > 0 ? int32_t(first) : 0, last < double(count) ? int32_t(last) : int32_t(count - 1)};
}

template <class T>
MESHANIM_INLINE bool set_up(const RasterizeShape& s, const T* points, const int32_t* corners, SoftFace& t) {
  for (int k = 0; k < 3; ++k) {
    const T* p = points + 3 * int64_t(corners[k]);
    t.x[k] = double(p[0]);
    t.y[k] = double(p[1]);
    t.depth[k] = double(p[2]);
  }
  const double area = (t.x[1] - t.x[0]) * (t.y[2] - t.y[0]) - (t.x[2] - t.x[0]) * (t.y[1] - t.y[0]);
  constexpr double kFinite = 1e300;
  const double sum = t.depth[0] + t.depth[1] + t.depth[2], size = area < 0 ? -area : area;
  if (!(size > 0 && size < kFinite && sum < kFinite && sum > -kFinite)) return false;
  if (s.perspective && !(t.depth[0] > s.near && t.depth[1] > s.near && t.depth[2] > s.near)) return false;
  double low[2] = {t.x[0], t.y[0]}, high[2] = {t.x[0], t.y[0]};
  t.nearest = t.depth[0];
  for (int k = 0; k < 3; ++k) {
    const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
    const double x = t.x[j] - t.x[i], y = t.y[j] - t.y[i];
    t.over_square[k] = 1 / (x * x + y * y);
    t.over_depth[k] = 1 / t.depth[k];
    low[0] = t.x[k] < low[0] ? t.x[k] : low[0];
    low[1] = t.y[k] < low[1] ? t.y[k] : low[1];
    high[0] = t.x[k] > high[0] ? t.x[k] : high[0];
    high[1] = t.y[k] > high[1] ? t.y[k] : high[1];
    t.nearest = t.depth[k] < t.nearest ? t.depth[k] : t.nearest;
  }
  t.over_area = 1 / area;
  t.columns = middles_within(low[0] - s.radius, high[0] + s.radius, s.width);
  t.rows = middles_within(low[1] - s.radius, high[1] + s.radius, s.height);
  return t.columns.first <= t.columns.last && t.rows.first <= t.rows.last;
}

// False where the face is farther away than `limit`, squared.
MESHANIM_INLINE bool find_nearest(const SoftFace& t, bool perspective, double column, double row, double limit,
                                  Nearest& n) {
  const double x[3] = {t.x[0] - column, t.x[1] - column, t.x[2] - column};
  const double y[3] = {t.y[0] - row, t.y[1] - row, t.y[2] - row};
  double share[3];
  n.inside = true;
  double least = __builtin_inf(), raw = 0;
  for (int k = 0; k < 3; ++k) {
    const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
    share[k] = (x[i] * y[j] - x[j] * y[i]) * t.over_area;
    n.inside &= share[k] >= 0;
    const double sx = x[j] - x[i], sy = y[j] - y[i];
    const double along = -(x[i] * sx + y[i] * sy) * t.over_square[k];
    const double held = along < 0 ? 0 : along > 1 ? 1 : along;
    const double dx = x[i] + held * sx, dy = y[i] + held * sy, distance = dx * dx + dy * dy;
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
  if (!n.inside) {
    const int i = n.side == 2 ? 0 : n.side + 1, j = n.side == 0 ? 2 : n.side - 1;
    share[n.side] = 0;
    share[i] = 1 - n.t;
    share[j] = n.t;
  }
  double sum = 0, area = 0, depth = 0;
  for (int k = 0; k < 3; ++k) {
    n.weight[k] = perspective ? share[k] * t.over_depth[k] : share[k];
    sum += n.weight[k];
    area += share[k];
    depth += share[k] * t.depth[k];
  }
  n.over_sum = 1 / sum;
  for (int k = 0; k < 3; ++k) n.weight[k] *= n.over_sum;
  n.depth = perspective ? area * n.over_sum : depth * n.over_sum;
  return true;
}

struct SoftOut {
  int64_t* face;
  void *weights, *depth, *distance;
};

template <class T>
struct SoftPainter {
  const RasterizeShape& s;
  const int32_t* faces;
  const SoftOut& out;
  Scratch<double> depth{kBand * s.width * s.kept};
  Scratch<int32_t> place{kBand * s.width * s.kept};
  Scratch<int32_t> filled{kBand * s.width};
  Growing<SoftFace> around{};

  bool prepare(int64_t count) {
    return around.reserve(count) && !depth.failed() && !place.failed() && !filled.failed();
  }

  // Puts a face into its place among those that a pixel keeps, by depth; of equals the earlier one stays before.
  MESHANIM_INLINE void keep(int64_t pixel, double far, int32_t index) {
    double* depths = depth.get() + pixel * s.kept;
    int32_t *places = place.get() + pixel * s.kept, &count = filled.get()[pixel];
    if (count == s.kept && !(far < depths[count - 1])) return;
    int32_t i = count < s.kept ? count++ : count - 1;
    for (; i > 0 && far < depths[i - 1]; --i) {
      depths[i] = depths[i - 1];
      places[i] = places[i - 1];
    }
    depths[i] = far;
    places[i] = index;
  }

  void paint(int64_t image, const T* points, const int32_t* entries, int64_t count, int64_t index) {
    const int64_t top = index * kBand, rows = s.height - top < kBand ? s.height - top : kBand;
    for (int64_t i = 0; i < rows * s.width; ++i) filled.get()[i] = 0;
    for (int64_t e = 0; e < count; ++e) {
      SoftFace& t = around.get()[e];
      t.face = entries[e];
      if (!set_up(s, points, faces + 3 * int64_t(entries[e]), t)) continue;
      const int64_t first = t.rows.first > top ? t.rows.first : top;
      const int64_t last = t.rows.last < top + rows - 1 ? t.rows.last : top + rows - 1;
      for (int64_t row = first; row <= last; ++row)
        for (int64_t column = t.columns.first; column <= t.columns.last; ++column) {
          const int64_t pixel = (row - top) * s.width + column;
          if (filled.get()[pixel] == s.kept && !(t.nearest < depth.get()[(pixel + 1) * s.kept - 1])) continue;
          Nearest n{};
          if (find_nearest(t, s.perspective, double(column) + 0.5, double(row) + 0.5, s.radius * s.radius, n))
            keep(pixel, n.depth, int32_t(e));
        }
    }
    resolve(image, top, rows);
  }

  void resolve(int64_t image, int64_t top, int64_t rows) {
    T *weights = static_cast<T*>(out.weights), *depths = static_cast<T*>(out.depth);
    T* distance = static_cast<T*>(out.distance);
    for (int64_t pixel = 0; pixel < rows * s.width; ++pixel) {
      const double column = double(pixel % s.width) + 0.5, row = double(top + pixel / s.width) + 0.5;
      for (int32_t k = 0; k < s.kept; ++k) {
        const int64_t target = ((image * s.height + top) * s.width + pixel) * s.kept + k;
        out.face[target] = -1;
        weights[3 * target] = weights[3 * target + 1] = weights[3 * target + 2] = depths[target] = 0;
        distance[target] = 0;
        if (k >= filled.get()[pixel]) continue;
        const SoftFace& t = around.get()[place.get()[pixel * s.kept + k]];
        Nearest n{};
        find_nearest(t, s.perspective, column, row, __builtin_inf(), n);
        out.face[target] = t.face;
        for (int i = 0; i < 3; ++i) weights[3 * target + i] = T(n.weight[i]);
        depths[target] = T(n.depth);
        distance[target] = T(n.distance);
      }
    }
  }
};

template <class T>
int soft_forward(const RasterizeShape& s, const T* points, const int32_t* faces, const SoftOut& out) {
  const double work = double(s.batch) * (60.0 * double(s.faces) + 20.0 * double(s.height) * double(s.width));
  return paint_all(s, points, faces, work, [&] { return SoftPainter<T>{s, faces, out}; });
}

// Adds the gradient of one face at one pixel to its corners: column, row, depth of each.
MESHANIM_INLINE void add_soft(const SoftFace& t, bool perspective, double column, double row, const double* grad_weight,
                              double grad_depth, double grad_distance, double* grad) {
  Nearest n{};
  find_nearest(t, perspective, column, row, __builtin_inf(), n);
  const int i = n.side == 2 ? 0 : n.side + 1, j = n.side == 0 ? 2 : n.side - 1;
  const double sx = t.x[j] - t.x[i], sy = t.y[j] - t.y[i], ax = column - t.x[i], ay = row - t.y[i];
  // The squared distance changes as if the nearest place on the side stood still.
  const double slope = -2 * (n.inside ? grad_distance : -grad_distance);
  const double dx = slope * (ax - n.t * sx), dy = slope * (ay - n.t * sy);
  double gx[3] = {0, 0, 0}, gy[3] = {0, 0, 0}, share[3];
  gx[i] = (1 - n.t) * dx;
  gy[i] = (1 - n.t) * dy;
  gx[j] = n.t * dx;
  gy[j] = n.t * dy;
  double mean = perspective ? grad_depth * n.depth : 0;
  double g[3];
  for (int k = 0; k < 3; ++k) {
    g[k] = grad_weight[k] + (perspective ? 0 : grad_depth * t.depth[k]);
    mean += g[k] * n.weight[k];
  }
  for (int k = 0; k < 3; ++k) {
    if (perspective) {
      const double weight = (g[k] - mean) * t.over_depth[k];
      share[k] = (weight + grad_depth) * n.over_sum;
      grad[3 * k + 2] -= weight * n.weight[k];
    } else {
      share[k] = g[k] - mean;
      grad[3 * k + 2] += grad_depth * n.weight[k];
    }
  }
  if (n.inside) {
    for (int k = 0; k < 3; ++k) {
      const int a = k == 2 ? 0 : k + 1, b = k == 0 ? 2 : k - 1;
      gx[k] += (share[b] * (t.y[a] - row) - share[a] * (t.y[b] - row)) * t.over_area;
      gy[k] += (share[a] * (t.x[b] - column) - share[b] * (t.x[a] - column)) * t.over_area;
    }
  } else if (n.sliding) {
    const double along = (share[j] - share[i]) * t.over_square[n.side];
    gx[i] += along * (2 * n.t * sx - sx - ax);
    gy[i] += along * (2 * n.t * sy - sy - ay);
    gx[j] += along * (ax - 2 * n.t * sx);
    gy[j] += along * (ay - 2 * n.t * sy);
  }
  for (int k = 0; k < 3; ++k) {
    grad[3 * k] += gx[k];
    grad[3 * k + 1] += gy[k];
  }
}

template <class T>
int soft_backward(const RasterizeShape& s, const SoftBackward& a) {
  Scratch<double> grad(9 * s.faces);
  Scratch<uint8_t> seen(s.faces);
  if (grad.failed() || seen.failed()) return 1;
  const CornerSums sums{grad.get(), seen.get()};
  const T *points = static_cast<const T*>(a.points), *grad_weights = static_cast<const T*>(a.grad_weights),
          *grad_depth = static_cast<const T*>(a.grad_depth), *grad_distance = static_cast<const T*>(a.grad_distance);
  const RasterizeBackward gather{a.points, a.faces, a.face, nullptr, nullptr, nullptr, nullptr, a.starts, a.entries,
                                 a.grad_points};
  const int64_t pixels = s.height * s.width;
  parallel(s.threads, double(s.batch) * double(pixels * s.kept) * 20, [&](int index, int threads) {
    const Share faces = share(s.faces, index, threads), vertices = share(s.vertices, index, threads);
    for (int64_t image = 0; image < s.batch; ++image) {
      for (int64_t f = faces.first; f < faces.last; ++f) sums.seen[f] = 0;
      barrier();
      for (int64_t pixel = 0; pixel < pixels; ++pixel)
        for (int32_t k = 0; k < s.kept; ++k) {
          const int64_t entry = (image * pixels + pixel) * s.kept + k, face = a.face[entry];
          if (face < 0) break;
          if (face / kFacesPerBlock % threads != index) continue;
          double g[3] = {0, 0, 0};
          if (grad_weights)
            for (int i = 0; i < 3; ++i) g[i] = double(grad_weights[3 * entry + i]);
          SoftFace t{};
          set_up(s, points + image * s.vertices * 3, a.faces + 3 * face, t);
          Sum sum{};
          add_soft(t, s.perspective, double(pixel % s.width) + 0.5, double(pixel / s.width) + 0.5, g,
                   grad_depth ? double(grad_depth[entry]) : 0.0, grad_distance ? double(grad_distance[entry]) : 0.0,
                   sum.grad);
          sums.add(face, sum);
        }
      barrier();
      gather_vertices<T>(s, gather, image, vertices, sums);
      barrier();
    }
  });
  return 0;
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
