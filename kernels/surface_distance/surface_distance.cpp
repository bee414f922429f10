// Shortest distances along a surface, a band of vertices at a time (see surface_distance.py).
#include <limits>

#include "common/mesh.h"

namespace meshanim {
namespace {

// A corner's triangle laid into the plane: the opposite side from (0, 0) to (side, 0), its vertex at (x, y).
struct Corner {
  int32_t apex, start, end;
  double side, from_start, from_end, x, y;

  // Distance of the vertex if the shortest path crosses its triangle. A path across the side is no shorter
  // than the nearer end, but for what half the side can make up: often that settles it.
  double through(const double* distance) const {
    const double first = distance[start], second = distance[end], so_far = distance[apex];
    const double edges = std::min(first + from_start, second + from_end);
    const double nearer = std::min(first, second);
    if (!(std::abs(first - second) <= side && nearer * nearer - side * side / 4 < so_far * so_far)) return edges;
    const double source_x = (side * side + first * first - second * second) / (2 * side);
    const double depth = std::sqrt(std::max(first * first - source_x * source_x, 0.0));
    const double crossing = source_x * y + x * depth;
    if (!(crossing >= 0 && crossing <= side * (depth + y))) return edges;
    return std::min(std::hypot(x - source_x, y + depth), edges);
  }
};

std::vector<Corner> unfold(const double* points, const int64_t* faces, int64_t count) {
  std::vector<double> lengths(size_t(count), 0);
  for (int64_t h = 0; h < count; ++h)
    lengths[size_t(h)] = length(at(points, faces[following(int32_t(h))]) - at(points, faces[h]));
  std::vector<Corner> corners(static_cast<size_t>(count));
  for (int32_t h = 0; h < count; ++h) {
    const int64_t apex = faces[h], start = faces[following(h)], end = faces[preceding(h)];
    const double side = lengths[size_t(following(h))], from_start = lengths[size_t(h)];
    const double along = dot(at(points, end) - at(points, start), at(points, apex) - at(points, start));
    const double x = along / (side > 0 ? side : 1);
    const double y = std::sqrt(std::max(from_start * from_start - x * x, 0.0));
    const double from_end = lengths[size_t(preceding(h))];
    corners[size_t(h)] = {int32_t(apex), int32_t(start), int32_t(end), side, from_start, from_end, x, y};
  }
  return corners;
}

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// points (vertices, 3), faces (half_edges / 3, 3), sources (source_count), result distance (vertices); band and
// gain in mean edge lengths.
MESHANIM_EXPORT int32_t meshanim_surface_distance(const double* points, int64_t vertices, const int64_t* faces,
                                                  int64_t half_edges, const int64_t* sources,
                                                  int64_t source_count, double band, double gain,
                                                  double* distance) {
  return guarded([&] {
    std::fill(distance, distance + vertices, std::numeric_limits<double>::infinity());
    std::vector<uint8_t> is_waiting(size_t(vertices), 0);
    std::vector<int32_t> waiting, front;
    const auto wait = [&](int32_t v) {
      if (!is_waiting[size_t(v)]) waiting.push_back(v);
      is_waiting[size_t(v)] = 1;
    };
    for (int64_t i = 0; i < source_count; ++i) {
      distance[sources[i]] = 0;
      wait(int32_t(sources[i]));
    }
    if (!half_edges) return;
    const std::vector<Corner> corners = unfold(points, faces, half_edges);
    const Sorted around = sorted_by(half_edges, vertices, [&](int64_t h) { return faces[h]; });
    double edge = 0;
    for (const Corner& corner : corners) edge += corner.side;
    edge /= double(half_edges);
    struct Update {
      int32_t apex;
      double distance;
    };
    std::vector<Update> updates;
    while (!waiting.empty()) {
      double nearest = std::numeric_limits<double>::infinity();
      for (const int32_t v : waiting) nearest = std::min(nearest, distance[v]);
      const double limit = nearest + band * edge;
      front.clear();
      size_t kept = 0;
      for (const int32_t v : waiting) {
        if (distance[v] <= limit) {
          front.push_back(v);
          is_waiting[size_t(v)] = 0;
        } else {
          waiting[kept++] = v;
        }
      }
      waiting.resize(kept);
      // all from the same distances: the order of the front must not matter
      updates.clear();
      for (const int32_t v : front)
        for (int32_t i = around.begin[size_t(v)]; i < around.begin[size_t(v) + 1]; ++i) {
          const int32_t h = around.items[size_t(i)];
          for (const int32_t other : {following(h), preceding(h)}) {
            const Corner& corner = corners[size_t(other)];
            const double found = corner.through(distance);
            if (found < distance[corner.apex] - gain * edge) updates.push_back({corner.apex, found});
          }
        }
      for (const Update& update : updates) {
        distance[update.apex] = std::min(distance[update.apex], update.distance);
        wait(update.apex);
      }
    }
  });
}
