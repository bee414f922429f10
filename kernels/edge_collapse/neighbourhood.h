// Who lies next to whom on the mesh that is being collapsed.
#pragma once

#include "common/mesh.h"

namespace meshanim {

// Directed edges (two for each edge) by origin, first those to higher vertices, then those to lower ones,
// each in order; and the corners around each vertex.
struct Neighbourhood {
  std::vector<int32_t> origin, target;
  std::vector<uint8_t> boundary;  // by vertex: on an edge with one face
  Sorted corners;

  Neighbourhood(const std::vector<int32_t>& faces, int64_t vertices)
      : boundary(size_t(vertices), 0),
        corners(sorted_by(int64_t(faces.size()), vertices, [&](int64_t h) { return faces[size_t(h)]; })) {
    std::vector<int32_t> low, high, count;
    for (auto* column : {&low, &high, &count}) column->reserve(faces.size());
    int32_t a = -1, b = -1;
    for (const int32_t h : half_edges_by_edge(faces.data(), int64_t(faces.size()), vertices)) {
      const int32_t start = faces[size_t(h)], end = faces[size_t(following(h))];
      if (std::min(start, end) != a || std::max(start, end) != b) {
        low.push_back(a = std::min(start, end));
        high.push_back(b = std::max(start, end));
        count.push_back(0);
      }
      ++count.back();
    }
    const int64_t edges = int64_t(low.size());
    for (int64_t e = 0; e < edges; ++e)
      if (count[size_t(e)] == 1) boundary[size_t(low[size_t(e)])] = boundary[size_t(high[size_t(e)])] = 1;
    Sorted directed = sorted_by(2 * edges, vertices, [&](int64_t i) {
      return i < edges ? low[size_t(i)] : high[size_t(i - edges)];
    });
    for (auto* column : {&origin, &target, &face_count_}) column->reserve(directed.items.size());
    for (const int32_t i : directed.items) {
      const size_t e = size_t(i < edges ? i : i - edges);
      origin.push_back(i < edges ? low[e] : high[e]);
      target.push_back(i < edges ? high[e] : low[e]);
      face_count_.push_back(count[e]);
    }
    begin_ = std::move(directed.begin);
  }

  // The directed edges that leave a vertex: first to last - 1.
  int32_t first(int32_t vertex) const { return begin_[size_t(vertex)]; }
  int32_t last(int32_t vertex) const { return begin_[size_t(vertex) + 1]; }
  // The neighbours of a vertex.
  struct Around {
    const int32_t *first, *last;
    const int32_t* begin() const { return first; }
    const int32_t* end() const { return last; }
  };
  Around around(int32_t vertex) const {
    return {target.data() + first(vertex), target.data() + last(vertex)};
  }
  // Faces at the edge.
  int32_t face_count(int32_t directed) const { return face_count_[size_t(directed)]; }

 private:
  std::vector<int32_t> begin_, face_count_;
};

}  // namespace meshanim
