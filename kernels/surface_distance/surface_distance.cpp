// Shortest distances along a surface, a band of vertices at a time (see surface_distance.py).
#include "common/mesh.h"

namespace meshanim {
namespace {

// A triangle laid into the plane from each of its corners k: the opposite side from (0, 0) to (length, 0),
// the corner at (x[k], y[k]). Side k runs from corner k to the next.
struct Unfolded {
  int32_t vertex[3];
  double length[3], x[3], y[3];

  Unfolded(const double* points, const int64_t* face) {
    for (int k = 0; k < 3; ++k) {
      vertex[k] = int32_t(face[k]);
      length[k] = meshanim::length(at(points, face[(k + 1) % 3]) - at(points, face[k]));
    }
    for (int k = 0; k < 3; ++k) {
      const Vec3 apex = at(points, face[k]), start = at(points, face[(k + 1) % 3]);
      const Vec3 end = at(points, face[(k + 2) % 3]);
      const double side = length[(k + 1) % 3];
      x[k] = dot(end - start, apex - start) / (side > 0 ? side : 1);
      y[k] = std::sqrt(std::max(length[k] * length[k] - x[k] * x[k], 0.0));
    }
  }

  // Distance of corner k if the shortest path crosses the triangle. A path across the side is no shorter
  // than the nearer end, but for what half the side can make up: often that settles it.
  double through(int k, const double* distance) const {
    const int next = (k + 1) % 3, last = (k + 2) % 3;
    const double side = length[next], so_far = distance[vertex[k]];
    const double first = distance[vertex[next]], second = distance[vertex[last]];
    const double edges = std::min(first + length[k], second + length[last]);
    const double nearer = std::min(first, second);
    if (!(nearer * nearer - side * side / 4 < so_far * so_far)) return edges;
    if (!(std::abs(first - second) <= side)) return edges;
    const double source_x = (side * side + first * first - second * second) / (2 * side);
    const double depth = std::sqrt(std::max(first * first - source_x * source_x, 0.0));
    const double crossing = source_x * y[k] + x[k] * depth;
    if (!(crossing >= 0 && crossing <= side * (depth + y[k]))) return edges;
    return std::min(std::hypot(x[k] - source_x, y[k] + depth), edges);
  }
};

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// points (vertices, 3), faces (half_edges / 3, 3), sources (source_count), result distance (vertices); band
// and gain in mean edge lengths.
MESHANIM_EXPORT int32_t meshanim_surface_distance(const double* points, int64_t vertices,
                                                  const int64_t* faces, int64_t half_edges,
                                                  const int64_t* sources, int64_t source_count, double band,
                                                  double gain, double* distance) {
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
    std::vector<Unfolded> triangles;
    triangles.reserve(size_t(half_edges / 3));
    for (int64_t h = 0; h < half_edges; h += 3) triangles.emplace_back(points, faces + h);
    const Sorted around = sorted_by(half_edges, vertices, [&](int64_t h) { return faces[h]; });
    double edge = 0;
    for (const Unfolded& triangle : triangles)
      for (const double length : triangle.length) edge += length;
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
          const Unfolded& triangle = triangles[size_t(h / 3)];
          for (const int k : {(h + 1) % 3, (h + 2) % 3}) {
            const double found = triangle.through(k, distance);
            const int32_t apex = triangle.vertex[k];
            if (found < distance[apex] - gain * edge) updates.push_back({apex, found});
          }
        }
      for (const Update& update : updates) {
        distance[update.apex] = std::min(distance[update.apex], update.distance);
        wait(update.apex);
      }
    }
  });
}
