// Faces sorted into bands of rows, and the bands shared out to threads. Faces come to a band in ascending order
// whatever the number of threads.
#pragma once

#include "common/parallel.h"
#include "rasterize/crossing.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

constexpr int64_t kBand = 16;  // rows

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
    const Ints crossing = rows_reached(s, points, some < kWide ? padded : faces + 3 * f, top, bottom);
    for (int i = 0; i < some; ++i) {
      if (crossing[i]) {
        const Crossing face(s, points, faces + 3 * (f + i));
        const Span rows = face.usable ? face.reached(face.y, s.near, s.height) : Span{0, -1};
        top[i] = rows.first;
        bottom[i] = rows.last;
      }
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

// One thread's part. A painter has room for `prepare(faces)` of one band, and `paint(image, points, entries, count,
// band)` draws them.
template <class T, class Painter>
void paint_bands(const RasterizeShape& s, const T* points, const int32_t* faces, Bins& bins, int index, int threads,
                 Painter& painter) {
  const int64_t bands = (s.height + kBand - 1) / kBand;
  const Share mine = share(s.faces, index, threads);
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
    if (!painter.prepare(bins.longest)) __atomic_store_n(&bins.failed, true, __ATOMIC_RELAXED);
    if (bins.entries.get()) fill(bins.bands, mine, count, bins.entries.get());
    barrier();
    if (__atomic_load_n(&bins.failed, __ATOMIC_RELAXED)) return;
    for (int64_t band; (band = __atomic_fetch_add(&bins.next, 1, __ATOMIC_RELAXED)) < bands;)
      painter.paint(image, seen, bins.entries.get() + bins.begin[band], bins.begin[band + 1] - bins.begin[band],
                    band);
  }
}

// Draws all images; make_painter() gives each thread a painter of its own.
template <class T, class MakePainter>
int paint_all(const RasterizeShape& s, const T* points, const int32_t* faces, double work,
              const MakePainter& make_painter) {
  const int64_t bands = (s.height + kBand - 1) / kBand;
  const int32_t threads = s.threads > 1 ? s.threads : 1;
  Scratch<Span> reached(s.faces);
  Scratch<int32_t> count(threads * bands), begin(bands + 1);
  if (reached.failed() || count.failed() || begin.failed()) return 1;
  Bins bins;
  bins.bands = reached.get();
  bins.count = count.get();
  bins.begin = begin.get();
  parallel(threads, work, [&](int index, int threads_here) {
    auto painter = make_painter();
    paint_bands(s, points, faces, bins, index, threads_here, painter);
  });
  return bins.failed;
}

}  // namespace
}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
