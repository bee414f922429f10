// The neighbours of each vertex in the order of its fans: corners sorted by vertex, then a walk along each.
#include "common/mesh.h"

namespace meshanim {
namespace {

struct Fans {
  const int64_t *origin, *twin;

  int64_t target(int32_t corner) const { return origin[following(corner)]; }
  // the corner beside this one, counter-clockwise; -1 at a boundary
  int64_t next(int32_t corner) const { return twin[preceding(corner)]; }

  // First corners of the fans that some corners of one vertex form, by target: open fans begin at the
  // boundary, closed ones at their neighbour of lowest index.
  void find(const int32_t* corner, int64_t count, std::vector<uint8_t>& seen,
            std::vector<int32_t>& starts) const {
    starts.clear();
    for (int64_t i = 0; i < count; ++i)
      if (twin[corner[i]] < 0) {
        starts.push_back(corner[i]);
        for (int64_t c = corner[i]; c >= 0; c = next(int32_t(c))) seen[size_t(c)] = 1;
      }
    for (int64_t i = 0; i < count; ++i) {
      if (seen[size_t(corner[i])]) continue;
      int32_t lowest = corner[i];
      for (int64_t c = corner[i]; !seen[size_t(c)]; c = next(int32_t(c))) {
        seen[size_t(c)] = 1;
        if (target(int32_t(c)) < target(lowest)) lowest = int32_t(c);
      }
      starts.push_back(lowest);
    }
    std::sort(starts.begin(), starts.end(), [&](int32_t a, int32_t b) {
      return target(a) != target(b) ? target(a) < target(b) : a < b;
    });
  }
};

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// origin and twin (half_edges). Results: offsets (vertices + 1), neighbours (twice the number of edges), and
// the number of fans (vertices).
MESHANIM_EXPORT int32_t meshanim_one_rings(const int64_t* origin, const int64_t* twin, int64_t half_edges,
                                           int64_t vertices, int64_t* offsets, int64_t* neighbours,
                                           int64_t* fan_count) {
  return guarded([&] {
    const Sorted corners = sorted_by(half_edges, vertices, [&](int64_t h) { return origin[h]; });
    const Fans fans{origin, twin};
    std::vector<uint8_t> seen(size_t(half_edges), 0);
    std::vector<int64_t> owner(size_t(vertices), -1);  // whose ring a vertex was last found in
    std::vector<int32_t> starts;
    int64_t filled = 0;
    for (int64_t v = 0; v < vertices; ++v) {
      offsets[v] = filled;
      const int32_t first = corners.begin[size_t(v)], last = corners.begin[size_t(v) + 1];
      fans.find(corners.items.data() + first, last - first, seen, starts);
      fan_count[v] = int64_t(starts.size());
      const auto append = [&](int64_t neighbour) {
        if (owner[size_t(neighbour)] == v) return;
        owner[size_t(neighbour)] = v;
        neighbours[filled++] = neighbour;
      };
      for (const int32_t start : starts) {
        int64_t corner = start;
        do {
          append(fans.target(int32_t(corner)));
          const int64_t next = fans.next(int32_t(corner));
          if (next < 0) append(origin[preceding(int32_t(corner))]);
          corner = next;
        } while (corner >= 0 && corner != start);
      }
    }
    offsets[vertices] = filled;
  });
}
