// Which face each pixel sees: each band of rows is drawn by one thread into a depth buffer that stays in its cache.
// Faces come in ascending order, so that the lowest index wins where two are equally near.
#pragma once

#include "rasterize/bins.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

struct RasterizeOut {
  int64_t* face;
  void *barycentric, *depth;
};

// One band's depth buffer, and the faces that reach it.
struct Band {
  double* nearness;   // (rows, stride)
  int32_t* triangle;  // (rows, stride), place among the triangles, -1 for none
  int64_t stride, top, rows;
  Triangles* triangles;
};

// One of some faces.
struct Triangle {
  double x[3], y[3], nearness[3], threshold[3];

  MESHANIM_INLINE Triangle(const Triangles& t, int i) {
    for (int k = 0; k < 3; ++k) {
      x[k] = t.x[k][i];
      y[k] = t.y[k][i];
      nearness[k] = t.nearness[k][i];
      threshold[k] = t.threshold[k][i];
    }
  }

  // Columns of a row that can lie inside: wide faces are mostly outside of the box around them.
  MESHANIM_INLINE Span within(double middle, Span columns) const {
    double low = columns.first, high = columns.last;
    for (int k = 0; k < 3; ++k) {
      const int i = k == 2 ? 0 : k + 1, j = k == 0 ? 2 : k - 1;
      const double rise = y[j] - y[i];
      if (rise == 0) continue;
      const double crossing = x[i] + (x[j] - x[i]) * ((middle - y[i]) / rise);
      if (rise < 0 && crossing - 2 > low) low = crossing - 2;
      if (rise > 0 && crossing + 2 < high) high = crossing + 2;
    }
    return low <= high ? Span{int32_t(low), int32_t(high)} : Span{0, -1};
  }
};

MESHANIM_INLINE void draw(const Band& band, const Triangle& t, int32_t place, Span columns, int64_t top,
                          int64_t bottom) {
  for (int64_t row = top; row <= bottom; ++row) {
    const double middle = double(row) + 0.5;
    const double y0 = t.y[0] - middle, y1 = t.y[1] - middle, y2 = t.y[2] - middle;
    const Span reached = columns.last - columns.first < 4 * kWide ? columns : t.within(middle, columns);
    double* nearness = band.nearness + (row - band.top) * band.stride;
    int32_t* triangle = band.triangle + (row - band.top) * band.stride;
    for (int64_t column = reached.first; column <= reached.last; column += kWide) {
      const Doubles across = middles(column);
      const Doubles x0 = t.x[0] - across, x1 = t.x[1] - across, x2 = t.x[2] - across;
      const Doubles e0 = x1 * y2 - x2 * y1, e1 = x2 * y0 - x0 * y2, e2 = x0 * y1 - x1 * y0;
      const Doubles near = e0 * t.nearness[0] + e1 * t.nearness[1] + e2 * t.nearness[2];
      const Doubles before = load<double, kWide>(nearness + column);
      const Longs inside = (e0 >= t.threshold[0]) & (e1 >= t.threshold[1]) & (e2 >= t.threshold[2]);
      const Longs wins = inside & (near > before);
      const Ints winners = narrow(wins), held = load<int32_t, kWide>(triangle + column);
      store<double, kWide>(nearness + column, wins ? near : before);
      store<int32_t, kWide>(triangle + column, (winners & place) | (~winners & held));
    }
  }
}

// A face that crosses the plane from which the camera sees.
MESHANIM_INLINE void draw(const RasterizeShape& s, const Band& band, const Crossing& t, int32_t place) {
  const Span columns = t.reached(t.x, s.near, s.width), rows = t.reached(t.y, s.near, s.height);
  const int64_t bottom = band.top + band.rows - 1;
  for (int64_t row = rows.first > band.top ? rows.first : band.top; row <= rows.last && row <= bottom; ++row)
    for (int64_t column = columns.first; column <= columns.last; ++column) {
      double e[3];
      t.edges(double(column) + 0.5, double(row) + 0.5, e);
      if (!(e[0] >= t.threshold[0] && e[1] >= t.threshold[1] && e[2] >= t.threshold[2])) continue;
      const double sum = e[0] + e[1] + e[2], far = e[0] * t.depth[0] + e[1] * t.depth[1] + e[2] * t.depth[2];
      const int64_t pixel = (row - band.top) * band.stride + column;
      if (!(far > s.near * sum && sum / far > band.nearness[pixel])) continue;
      band.nearness[pixel] = sum / far;
      band.triangle[pixel] = place;
    }
}

// Where on its face a pixel lies. All edge functions are positive or zero, so that weights and depth are means.
template <class T>
MESHANIM_INLINE void locate(const Triangles& t, int i, bool perspective, double column, double row,
                            T* barycentric, T* depth) {
  const double x0 = t.x[0][i] - column, x1 = t.x[1][i] - column, x2 = t.x[2][i] - column;
  const double y0 = t.y[0][i] - row, y1 = t.y[1][i] - row, y2 = t.y[2][i] - row;
  const double e0 = x1 * y2 - x2 * y1, e1 = x2 * y0 - x0 * y2, e2 = x0 * y1 - x1 * y0;
  const double w0 = e0 * t.value[0][i], w1 = e1 * t.value[1][i], w2 = e2 * t.value[2][i];
  const double area = e0 + e1 + e2, sum = w0 + w1 + w2, scale = 1 / (perspective ? sum : area);
  barycentric[0] = T((perspective ? w0 : e0) * scale);
  barycentric[t.second[i]] = T((perspective ? w1 : e1) * scale);
  barycentric[3 - t.second[i]] = T((perspective ? w2 : e2) * scale);
  *depth = T((perspective ? area : sum) * scale);
}

template <class T>
MESHANIM_INLINE void locate(const Crossing& t, double column, double row, T* barycentric, T* depth) {
  double e[3];
  t.edges(column, row, e);
  const double scale = 1 / (e[0] + e[1] + e[2]);
  barycentric[0] = T(e[0] * scale);
  barycentric[t.second] = T(e[1] * scale);
  barycentric[3 - t.second] = T(e[2] * scale);
  *depth = T((e[0] * t.depth[0] + e[1] * t.depth[1] + e[2] * t.depth[2]) * scale);
}

template <class T>
void resolve(const RasterizeShape& s, const T* points, const int32_t* faces, const Band& band, int64_t image,
             const RasterizeOut& out) {
  for (int64_t row = band.top; row < band.top + band.rows; ++row) {
    const int32_t* triangle = band.triangle + (row - band.top) * band.stride;
    const int64_t begin = (image * s.height + row) * s.width;
    int64_t* face = out.face + begin;
    T* barycentric = static_cast<T*>(out.barycentric) + 3 * begin;
    T* depth = static_cast<T*>(out.depth) + begin;
    for (int64_t column = 0; column < s.width; ++column, barycentric += 3) {
      const int32_t place = triangle[column];
      if (place < 0) {
        face[column] = -1;
        barycentric[0] = barycentric[1] = barycentric[2] = depth[column] = 0;
        continue;
      }
      const Triangles& t = band.triangles[place / kWide];
      face[column] = t.face[place % kWide];
      const double across = double(column) + 0.5, down = double(row) + 0.5;
      if (t.crossing[place % kWide])
        locate(Crossing(s, points, faces + 3 * face[column]), across, down, barycentric, depth + column);
      else
        locate(t, place % kWide, s.perspective, across, down, barycentric, depth + column);
    }
  }
}

template <class T>
void draw_band(const RasterizeShape& s, const T* points, const int32_t* faces, const int32_t* entries,
               int64_t count, const Band& band) {
  for (int64_t i = 0; i < band.rows * band.stride; ++i) {
    band.nearness[i] = -__builtin_inf();
    band.triangle[i] = -1;
  }
  const int64_t bottom = band.top + band.rows - 1;
  for (int64_t e = 0; e < count; e += kWide) {
    Triangles& t = band.triangles[e / kWide];
    set_up(s, points, faces, entries + e, count - e, t);
    for (int i = 0; i < kWide; ++i)
      if (t.crossing[i]) {
        const Crossing face(s, points, faces + 3 * int64_t(t.face[i]));
        if (face.usable) draw(s, band, face, int32_t(e) + i);
      } else if (t.first[i] <= t.last[i])
        draw(band, Triangle(t, i), int32_t(e) + i, {t.first[i], t.last[i]}, t.top[i] > band.top ? t.top[i] : band.top,
             t.bottom[i] < bottom ? t.bottom[i] : bottom);
  }
}

template <class T>
struct HardPainter {
  const RasterizeShape& s;
  const int32_t* faces;
  const RasterizeOut& out;
  int64_t stride = s.width + kWide;
  Scratch<double> nearness{kBand * stride};
  Scratch<int32_t> triangle{kBand * stride};
  Growing<Triangles> triangles{};

  bool prepare(int64_t count) {
    return triangles.reserve(count / kWide + 1) && !nearness.failed() && !triangle.failed();
  }
  void paint(int64_t image, const T* points, const int32_t* entries, int64_t count, int64_t index) {
    const int64_t top = index * kBand, rows = s.height - top < kBand ? s.height - top : kBand;
    const Band band{nearness.get(), triangle.get(), stride, top, rows, triangles.get()};
    draw_band(s, points, faces, entries, count, band);
    resolve<T>(s, points, faces, band, image, out);
  }
};

template <class T>
int forward(const RasterizeShape& s, const T* points, const int32_t* faces, const RasterizeOut& out) {
  const double work = double(s.batch) * (20.0 * double(s.faces) + 4.0 * double(s.height) * double(s.width));
  return paint_all(s, points, faces, work, [&] { return HardPainter<T>{s, faces, out}; });
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
