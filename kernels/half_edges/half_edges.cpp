// Edges, and which two half-edges run along each: half-edges sorted by edge, then one pass.
#include "common/mesh.h"

using namespace meshanim;

// faces (half_edges / 3, 3). Results: twin and edge (half_edges), edges (edge_count, 2), face_count and
// inconsistent (edge_count); the last three have room for one edge per half-edge.
MESHANIM_EXPORT int32_t meshanim_half_edges(const int64_t* faces, int64_t half_edges, int64_t vertices,
                                            int64_t* twin, int64_t* edge, int64_t* edges, int64_t* face_count,
                                            uint8_t* inconsistent, int64_t* edge_count) {
  return guarded([&] {
    const std::vector<int32_t> sorted = half_edges_by_edge(faces, half_edges, vertices);
    int64_t e = 0, last = 0;
    for (int64_t first = 0; first < half_edges; first = last, ++e) {
      const int32_t one = sorted[size_t(first)];
      const int64_t start = faces[one], end = faces[following(one)];
      edges[2 * e] = std::min(start, end);
      edges[2 * e + 1] = std::max(start, end);
      for (last = first; last < half_edges; ++last) {
        const int32_t h = sorted[size_t(last)];
        const int64_t a = faces[h], b = faces[following(h)];
        if (std::min(a, b) != edges[2 * e] || std::max(a, b) != edges[2 * e + 1]) break;
        edge[h] = e;
        twin[h] = -1;
      }
      face_count[e] = last - first;
      inconsistent[e] = 0;
      if (last - first != 2) continue;
      const int32_t other = sorted[size_t(first) + 1];
      if (faces[other] == start) {
        inconsistent[e] = 1;
      } else {
        twin[one] = other;
        twin[other] = one;
      }
    }
    *edge_count = e;
  });
}
