// The nearest faces around each pixel's middle, with their distances from it, and the gradients of these.
#pragma once

#include "rasterize/backward.h"
#include "rasterize/bins.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

// One face (Value a number), or kWide of them (Value Doubles), in their own corners' order.
template <class Value>
struct SoftFace {
  Value x[3], y[3], depth[3];
  Value over_depth[3], over_square[3];  // one over depth; one over the squared length of the side opposite corner k
  Value over_area;                      // over twice the signed area

  // What follows from the corners; returns twice the signed area.
  MESHANIM_INLINE Value complete() {
    const Value area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
    over_area = 1 / area;
    for (int k = 0; k < 3; ++k) {
      const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
      const Value across = x[j] - x[i], down = y[j] - y[i];
      over_square[k] = 1 / (across * across + down * down);
      over_depth[k] = 1 / depth[k];
    }
    return area;
  }
};

// A face and the pixels that it can reach.
struct Reaching {
  SoftFace<double> shape;
  double nearest;  // least depth
  int32_t face;
  Span columns, rows;
};

// Places of faces that are nearest to pixels' middles.
struct Nearest {
  Doubles distance;      // squared, in pixels, positive inside the face and negative outside
  Longs inside, within;  // within: not farther away than asked for
  Longs side;            // opposite corner of the side that is nearest
  Doubles raw, t;        // share of the way along that side, from corner side + 1; t within 0 and 1
  Doubles weight[3], depth, over_sum;
};

// The value at corner, or side, `place`.
template <class Value>
MESHANIM_INLINE Doubles pick(const Value* v, Longs place) {
  const Doubles last = Doubles{} + v[2];
  return place == 0 ? Doubles{} + v[0] : (place == 1 ? Doubles{} + v[1] : last);
}
MESHANIM_INLINE Longs after(Longs k) { return k == 2 ? Longs{} : k + 1; }
MESHANIM_INLINE Longs before(Longs k) { return k == 0 ? Longs{} + 2 : k - 1; }

// What a corner counts in the middle of a side: at its ends 1 - t and t, opposite 0.
MESHANIM_INLINE Doubles on_side(const Nearest& n, int corner) {
  return n.side == corner ? Doubles{} : (after(n.side) == corner ? 1 - n.t : n.t);
}

template <class Value, class Row>
MESHANIM_INLINE void find_nearest(const SoftFace<Value>& face, Doubles column, Row row, double limit, Nearest& n) {
  Doubles x[3];
  decltype(face.y[0] - row) y[3];
  for (int k = 0; k < 3; ++k) {
    x[k] = face.x[k] - column;
    y[k] = face.y[k] - row;
  }
  Doubles least = Doubles{} + __builtin_inf();
  n.inside = ~Longs{};
  n.side = Longs{};
  n.raw = n.t = Doubles{};
  for (int k = 0; k < 3; ++k) {
    const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
    n.weight[k] = (x[i] * y[j] - x[j] * y[i]) * face.over_area;
    n.inside &= n.weight[k] >= 0;
    const Doubles across = x[j] - x[i];
    const auto down = y[j] - y[i];
    const Doubles along = -(x[i] * across + y[i] * down) * face.over_square[k];
    const Doubles held = smaller(larger(along, Doubles{}), Doubles{} + 1);
    const Doubles dx = x[i] + held * across, dy = y[i] + held * down, distance = dx * dx + dy * dy;
    const Longs nearer = distance < least;
    least = nearer ? distance : least;
    n.raw = nearer ? along : n.raw;
    n.t = nearer ? held : n.t;
    n.side = nearer ? Longs{} + k : n.side;
  }
  n.within = n.inside | (least <= limit);
  n.distance = n.inside ? least : -least;
}

// Weights and depth of a place that has been found.
template <class Value>
MESHANIM_INLINE void locate(const SoftFace<Value>& face, bool perspective, Nearest& n) {
  Doubles share[3];
  for (int k = 0; k < 3; ++k) share[k] = n.inside ? n.weight[k] : on_side(n, k);
  for (int k = 0; k < 3; ++k) n.weight[k] = perspective ? share[k] * face.over_depth[k] : share[k];
  n.over_sum = 1 / (n.weight[0] + n.weight[1] + n.weight[2]);
  const Doubles far = share[0] * face.depth[0] + share[1] * face.depth[1] + share[2] * face.depth[2];
  n.depth = (perspective ? share[0] + share[1] + share[2] : far) * n.over_sum;
  for (int k = 0; k < 3; ++k) n.weight[k] *= n.over_sum;
}

MESHANIM_INLINE Span middles_within(double low, double high, int64_t count) {
  if (!(low <= double(count) && high >= 0)) return {0, -1};
  const double first = __builtin_ceil(low - 0.5), last = __builtin_floor(high - 0.5);
  return {first > 0 ? int32_t(first) : 0, last < double(count) ? int32_t(last) : int32_t(count - 1)};
}

// False where it cannot be seen.
template <class T>
MESHANIM_INLINE bool set_up(const RasterizeShape& s, const T* points, const int32_t* corners, Reaching& t) {
  SoftFace<double>& f = t.shape;
  for (int k = 0; k < 3; ++k) {
    const T* p = points + 3 * int64_t(corners[k]);
    f.x[k] = double(p[0]);
    f.y[k] = double(p[1]);
    f.depth[k] = double(p[2]);
  }
  const double area = f.complete(), size = area < 0 ? -area : area;
  constexpr double kFinite = 1e300;
  const double sum = f.depth[0] + f.depth[1] + f.depth[2];
  if (!(size > 0 && size < kFinite && sum < kFinite && sum > -kFinite)) return false;
  if (s.perspective && !(f.depth[0] > s.near && f.depth[1] > s.near && f.depth[2] > s.near)) return false;
  double low[3] = {f.x[0], f.y[0], f.depth[0]}, high[2] = {f.x[0], f.y[0]};
  for (int k = 1; k < 3; ++k) {
    low[0] = f.x[k] < low[0] ? f.x[k] : low[0];
    low[1] = f.y[k] < low[1] ? f.y[k] : low[1];
    low[2] = f.depth[k] < low[2] ? f.depth[k] : low[2];
    high[0] = f.x[k] > high[0] ? f.x[k] : high[0];
    high[1] = f.y[k] > high[1] ? f.y[k] : high[1];
  }
  t.nearest = low[2];
  t.columns = middles_within(low[0] - s.radius, high[0] + s.radius, s.width);
  t.rows = middles_within(low[1] - s.radius, high[1] + s.radius, s.height);
  return t.columns.first <= t.columns.last && t.rows.first <= t.rows.last;
}

struct SoftOut {
  int64_t* face;
  void *weights, *depth, *distance;
};

// A face that a pixel keeps.
template <class T>
struct Kept {
  double depth;
  T weight[3], distance;
  int32_t face;
};

template <class T>
struct SoftPainter {
  const RasterizeShape& s;
  const int32_t* faces;
  const SoftOut& out;
  int64_t stride = s.width + kWide;
  Scratch<Kept<T>> kept{kBand * s.width * s.kept};
  Scratch<double> last{kBand * stride};  // depth of the last face of a pixel that keeps all it can, else infinite
  Scratch<int32_t> filled{kBand * s.width};

  bool prepare(int64_t) { return !kept.failed() && !last.failed() && !filled.failed(); }

  // Puts a face into its place among those that a pixel keeps, by depth; of equals the earlier one stays before.
  MESHANIM_INLINE void keep(int64_t row, int64_t column, const Kept<T>& fresh) {
    const int64_t pixel = row * s.width + column;
    Kept<T>* all = kept.get() + pixel * s.kept;
    int32_t& count = filled.get()[pixel];
    if (count == s.kept && !(fresh.depth < all[count - 1].depth)) return;
    int32_t i = count < s.kept ? count++ : count - 1;
    for (; i > 0 && fresh.depth < all[i - 1].depth; --i) all[i] = all[i - 1];
    all[i] = fresh;
    if (count == s.kept) last.get()[row * stride + column] = all[count - 1].depth;
  }

  void paint(int64_t image, const T* points, const int32_t* entries, int64_t count, int64_t index) {
    const int64_t top = index * kBand, rows = s.height - top < kBand ? s.height - top : kBand;
    for (int64_t i = 0; i < rows * s.width; ++i) filled.get()[i] = 0;
    for (int64_t i = 0; i < rows * stride; ++i) last.get()[i] = __builtin_inf();
    for (int64_t e = 0; e < count; ++e) {
      Reaching t;
      t.face = entries[e];
      if (set_up(s, points, faces + 3 * int64_t(t.face), t)) add(t, top, rows);
    }
    resolve(image, top, rows);
  }

  MESHANIM_INLINE void add(const Reaching& t, int64_t top, int64_t rows) {
    const int64_t first = t.rows.first > top ? t.rows.first : top;
    const int64_t bottom = t.rows.last < top + rows - 1 ? t.rows.last : top + rows - 1;
    for (int64_t row = first; row <= bottom; ++row)
      for (int64_t column = t.columns.first; column <= t.columns.last; column += kWide) {
        const Doubles across = middles(column);
        const Longs open = (across < double(t.columns.last + 1)) &
                           (t.nearest < load<double, kWide>(last.get() + (row - top) * stride + column));
        if (!any(open)) continue;
        Nearest n;
        find_nearest(t.shape, across, double(row) + 0.5, s.radius * s.radius, n);
        const Longs wanted = open & n.within;
        if (!any(wanted)) continue;
        locate(t.shape, s.perspective, n);
        for (int i = 0; i < kWide; ++i)
          if (wanted[i])
            keep(row - top, column + i,
                 {n.depth[i], {T(n.weight[0][i]), T(n.weight[1][i]), T(n.weight[2][i])}, T(n.distance[i]), t.face});
      }
  }

  void resolve(int64_t image, int64_t top, int64_t rows) {
    const int64_t begin = (image * s.height + top) * s.width * s.kept;
    int64_t* face = out.face + begin;
    T *weights = static_cast<T*>(out.weights) + 3 * begin, *depth = static_cast<T*>(out.depth) + begin;
    T* distance = static_cast<T*>(out.distance) + begin;
    for (int64_t pixel = 0; pixel < rows * s.width; ++pixel) {
      const Kept<T>* all = kept.get() + pixel * s.kept;
      const int32_t count = filled.get()[pixel];
      for (int32_t k = 0; k < s.kept; ++k, ++face, ++depth, ++distance, weights += 3) {
        const bool here = k < count;
        *face = here ? all[k].face : -1;
        for (int i = 0; i < 3; ++i) weights[i] = here ? all[k].weight[i] : T(0);
        *depth = here ? T(all[k].depth) : T(0);
        *distance = here ? all[k].distance : T(0);
      }
    }
  }
};

template <class T>
int soft_forward(const RasterizeShape& s, const T* points, const int32_t* faces, const SoftOut& out) {
  const double work = double(s.batch) * (60.0 * double(s.faces) + 20.0 * double(s.height) * double(s.width));
  return paint_all(s, points, faces, work, [&] { return SoftPainter<T>{s, faces, out}; });
}

// Gradients of the corners: column, row, depth of each.
MESHANIM_INLINE void soft_gradient(const SoftFace<Doubles>& t, bool perspective, Doubles column, Doubles row,
                                   const Doubles* grad_weight, Doubles grad_depth, Doubles grad_distance,
                                   Doubles* grad) {
  Nearest n;
  find_nearest(t, column, row, __builtin_inf(), n);
  locate(t, perspective, n);
  const Longs first = after(n.side), second = before(n.side);
  const Doubles from_x = pick(t.x, first), from_y = pick(t.y, first);
  const Doubles across = pick(t.x, second) - from_x, down = pick(t.y, second) - from_y;
  const Doubles ax = column - from_x, ay = row - from_y;
  // The squared distance changes as if the nearest place on the side stood still.
  const Doubles slope = -2 * (n.inside ? grad_distance : -grad_distance);
  const Doubles dx = slope * (ax - n.t * across), dy = slope * (ay - n.t * down);
  Doubles mean = perspective ? grad_depth * n.depth : Doubles{}, g[3], share[3];
  for (int k = 0; k < 3; ++k) {
    g[k] = perspective ? grad_weight[k] : grad_weight[k] + grad_depth * t.depth[k];
    mean += g[k] * n.weight[k];
  }
  for (int k = 0; k < 3; ++k) {
    const Doubles weight = perspective ? (g[k] - mean) * t.over_depth[k] : g[k] - mean;
    share[k] = perspective ? (weight + grad_depth) * n.over_sum : weight;
    grad[3 * k + 2] = (perspective ? -weight : grad_depth) * n.weight[k];
  }
  // Outside and between the ends of its side the place slides along it; at an end it stays.
  const Longs sliding = ~n.inside & (n.raw > 0) & (n.raw < 1);
  const Doubles turn = (pick(share, second) - pick(share, first)) * pick(t.over_square, n.side);
  const Doubles along = sliding ? turn : Doubles{};
  for (int k = 0; k < 3; ++k) {
    const int a = k == 2 ? 0 : k + 1, b = k == 0 ? 2 : k - 1;
    const Doubles end = on_side(n, k);
    const Doubles inside_x = (share[b] * (t.y[a] - row) - share[a] * (t.y[b] - row)) * t.over_area;
    const Doubles inside_y = (share[a] * (t.x[b] - column) - share[b] * (t.x[a] - column)) * t.over_area;
    const Doubles outside_x = first == k ? 2 * n.t * across - across - ax : ax - 2 * n.t * across;
    const Doubles outside_y = first == k ? 2 * n.t * down - down - ay : ay - 2 * n.t * down;
    grad[3 * k] = end * dx + (n.inside ? inside_x : (n.side == k ? Doubles{} : along * outside_x));
    grad[3 * k + 1] = end * dy + (n.inside ? inside_y : (n.side == k ? Doubles{} : along * outside_y));
  }
}

// Entries (pixel, place among its faces) of one image, added up by face: as many at a time as a vector holds.
template <class T>
struct SoftAdder {
  const RasterizeShape& s;
  const SoftBackward& a;
  const CornerSums& sums;
  int64_t image;
  int64_t entry[kWide] = {};
  int count = 0;

  MESHANIM_INLINE void add(int64_t which) {
    entry[count] = which;
    if (++count == kWide) flush();
  }

  void flush() {
    if (count == 0) return;
    const T* points = static_cast<const T*>(a.points) + image * s.vertices * 3;
    double column[kWide], row[kWide], corner[9][kWide], given[5][kWide];
    int64_t face[kWide];
    for (int i = 0; i < kWide; ++i) {
      const int64_t here = entry[i < count ? i : 0], pixel = here / s.kept % (s.height * s.width);
      face[i] = a.face[here];
      column[i] = double(pixel % s.width) + 0.5;
      row[i] = double(pixel / s.width) + 0.5;
      for (int k = 0; k < 9; ++k) corner[k][i] = double(points[3 * int64_t(a.faces[3 * face[i] + k / 3]) + k % 3]);
      for (int k = 0; k < 3; ++k) given[k][i] = value(a.grad_weights, 3 * here + k);
      given[3][i] = value(a.grad_depth, here);
      given[4][i] = value(a.grad_distance, here);
    }
    SoftFace<Doubles> t;
    Doubles grad[9], g[5];
    for (int k = 0; k < 3; ++k) {
      t.x[k] = load<double, kWide>(corner[3 * k]);
      t.y[k] = load<double, kWide>(corner[3 * k + 1]);
      t.depth[k] = load<double, kWide>(corner[3 * k + 2]);
    }
    for (int k = 0; k < 5; ++k) g[k] = load<double, kWide>(given[k]);
    t.complete();
    soft_gradient(t, s.perspective, load<double, kWide>(column), load<double, kWide>(row), g, g[3], g[4], grad);
    for (int i = 0; i < count; ++i) {
      double one[9];
      for (int k = 0; k < 9; ++k) one[k] = grad[k][i];
      sums.add(face[i], one);
    }
    count = 0;
  }

  static MESHANIM_INLINE double value(const void* grad, int64_t i) {
    return grad ? double(static_cast<const T*>(grad)[i]) : 0.0;
  }
};

template <class T>
int soft_backward(const RasterizeShape& s, const SoftBackward& a) {
  Scratch<double> grad(9 * s.faces);
  Scratch<uint8_t> seen(s.faces);
  if (grad.failed() || seen.failed()) return 1;
  const CornerSums sums{grad.get(), seen.get()};
  const RasterizeBackward gather{a.points, a.faces, a.face, nullptr, nullptr, nullptr, nullptr, a.starts, a.entries,
                                 a.grad_points};
  const int64_t pixels = s.height * s.width;
  parallel(s.threads, double(s.batch) * double(pixels * s.kept) * 20, [&](int index, int threads) {
    const Share faces = share(s.faces, index, threads), vertices = share(s.vertices, index, threads);
    for (int64_t image = 0; image < s.batch; ++image) {
      for (int64_t f = faces.first; f < faces.last; ++f) sums.seen[f] = 0;
      barrier();
      SoftAdder<T> adder{s, a, sums, image};
      for (int64_t pixel = image * pixels; pixel < (image + 1) * pixels; ++pixel)
        for (int64_t entry = pixel * s.kept; entry < (pixel + 1) * s.kept && a.face[entry] >= 0; ++entry)
          if (a.face[entry] / kFacesPerBlock % threads == index) adder.add(entry);
      adder.flush();
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
