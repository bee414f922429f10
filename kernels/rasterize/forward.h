// Which face each pixel sees: faces are sorted into bands of rows, and each band is drawn by one thread into a
// depth buffer that stays in its cache. Faces come to a band in ascending order whatever the number of threads,
// so that the lowest index wins where two are equally near.
#pragma once

#include "common/parallel.h"
#include "rasterize/triangle.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

constexpr int64_t kBand = 16;  // rows

struct RasterizeOut {
  int64_t* face;
  void *barycentric, *depth;
};

MESHANIM_INLINE Doubles middles(int64_t column) {
  Doubles v;
  for (int i = 0; i < kWide; ++i) v[i] = i + 0.5;
  return v + double(column);
}

// One band's depth buffer, and the faces that reach it.
struct Band {
  double* nearness;   // (rows, stride)
  int32_t* triangle;  // (rows, stride), place among the triangles, -1 for none
  int64_t stride, top, rows;
  Triangles* triangles;
};

struct Span {
  int32_t first, last;
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
void resolve(const RasterizeShape& s, const Band& band, int64_t image, const RasterizeOut& out) {
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
      locate(t, place % kWide, s.perspective, double(column) + 0.5, double(row) + 0.5, barycentric, depth + column);
    }
  }
}

// Bands that a face reaches: from the first, to without the last.
MESHANIM_INLINE Span bands_of(int32_t top, int32_t bottom) {
  return top <= bottom ? Span{top / int32_t(kBand), bottom / int32_t(kBand) + 1} : Span{0, 0};
}

template <class T>
void count_faces(const RasterizeShape& s, const T* points, const int32_t* faces, Share mine, Span* bands,
                 int32_t* count) {
  for (int64_t f = mine.first; f < mine.last; f += kWide) {
    const int64_t some = mine.last - f < kWide ? mine.last - f : kWide;
    int32_t padded[3 * kWide] = {};
    if (some < kWide) __builtin_memcpy(padded, faces + 3 * f, sizeof(int32_t) * 3 * size_t(some));
    Ints top, bottom;
    rows_reached(s, points, some < kWide ? padded : faces + 3 * f, top, bottom);
    for (int i = 0; i < some; ++i) {
      bands[f + i] = bands_of(top[i], bottom[i]);
      for (int32_t band = bands[f + i].first; band < bands[f + i].last; ++band) ++count[band];
    }
  }
}

// From counts to places: where each thread's faces of each band begin among the entries, and each band's in `begin`.
MESHANIM_INLINE void lay_out(int64_t bands, int threads, int32_t* count, int32_t* begin, int64_t* longest) {
  int32_t total = 0;
  *longest = 0;
  for (int64_t band = 0; band < bands; ++band) {
    begin[band] = total;
    for (int t = 0; t < threads; ++t) {
      const int32_t here = count[t * bands + band];
      count[t * bands + band] = total;
      total += here;
    }
    if (total - begin[band] > *longest) *longest = total - begin[band];
  }
  begin[bands] = total;
}

MESHANIM_INLINE void fill(const Span* bands, Share mine, int32_t* place, int32_t* entries) {
  for (int64_t f = mine.first; f < mine.last; ++f)
    for (int32_t band = bands[f].first; band < bands[f].last; ++band) entries[place[band]++] = int32_t(f);
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
      if (t.first[i] <= t.last[i])
        draw(band, Triangle(t, i), int32_t(e) + i, {t.first[i], t.last[i]}, t.top[i] > band.top ? t.top[i] : band.top,
             t.bottom[i] < bottom ? t.bottom[i] : bottom);
  }
}

// What all threads share.
struct Bins {
  Span* bands;     // (faces)
  int32_t* count;  // (threads, bands)
  int32_t* begin;  // (bands + 1)
  Growing<int32_t> entries;
  int64_t longest = 0;  // most faces in one band
  int64_t next = 0;     // band that no thread has taken yet
  bool failed = false;
};

template <class T>
void forward_of_thread(const RasterizeShape& s, const T* points, const int32_t* faces, const RasterizeOut& out,
                       Bins& bins, int index, int threads) {
  const int64_t bands = (s.height + kBand - 1) / kBand, stride = s.width + kWide;
  const Share mine = share(s.faces, index, threads);
  Scratch<double> nearness(kBand * stride);
  Scratch<int32_t> triangle(kBand * stride);
  Growing<Triangles> triangles;
  int32_t* count = bins.count + index * bands;
  for (int64_t image = 0; image < s.batch; ++image) {
    const T* seen = points + image * s.vertices * 3;
    for (int64_t band = 0; band < bands; ++band) count[band] = 0;
    count_faces(s, seen, faces, mine, bins.bands, count);
    barrier();
    if (index == 0) {
      lay_out(bands, threads, bins.count, bins.begin, &bins.longest);
      bins.failed |= !bins.entries.reserve(bins.begin[bands]);
      bins.next = 0;
    }
    barrier();
    const bool ready = triangles.reserve(bins.longest / kWide + 1) && !nearness.failed() && !triangle.failed();
    if (!ready) __atomic_store_n(&bins.failed, true, __ATOMIC_RELAXED);
    if (bins.entries.get()) fill(bins.bands, mine, count, bins.entries.get());
    barrier();
    if (__atomic_load_n(&bins.failed, __ATOMIC_RELAXED)) return;
    for (int64_t b; (b = __atomic_fetch_add(&bins.next, 1, __ATOMIC_RELAXED)) < bands;) {
      const int64_t rows = s.height - b * kBand < kBand ? s.height - b * kBand : kBand;
      const Band band{nearness.get(), triangle.get(), stride, b * kBand, rows, triangles.get()};
      const int64_t faces_here = bins.begin[b + 1] - bins.begin[b];
      draw_band(s, seen, faces, bins.entries.get() + bins.begin[b], faces_here, band);
      resolve<T>(s, band, image, out);
    }
  }
}

template <class T>
int forward(const RasterizeShape& s, const T* points, const int32_t* faces, const RasterizeOut& out) {
  const int64_t bands = (s.height + kBand - 1) / kBand;
  const int32_t threads = s.threads > 1 ? s.threads : 1;
  Scratch<Span> reached(s.faces);
  Scratch<int32_t> count(threads * bands), begin(bands + 1);
  if (reached.failed() || count.failed() || begin.failed()) return 1;
  Bins bins;
  bins.bands = reached.get();
  bins.count = count.get();
  bins.begin = begin.get();
  const double work = double(s.batch) * (20.0 * double(s.faces) + 4.0 * double(s.height) * double(s.width));
  parallel(threads, work, [&](int index, int threads_here) {
    forward_of_thread(s, points, faces, out, bins, index, threads_here);
  });
  return bins.failed;
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
