// Edge collapse in rounds: each takes the cheapest edges by quadric error, and collapses those that may be
// collapsed at the same time (see edge_collapse.py, whose reference this follows step by step).
#include <unordered_set>

#include "edge_collapse/neighbourhood.h"
#include "edge_collapse/quadrics.h"

namespace meshanim {
namespace {

// Unit normal (zero where there is no area), and height as a part of the longest side.
struct Shape {
  Vec3 normal;
  double height;
};

Shape shape(Vec3 a, Vec3 b, Vec3 c) {
  const Vec3 side[] = {a - c, b - a, c - b};
  const Vec3 normal = cross(side[1], side[2]);
  const double size = length(normal);
  double longest = 0;
  for (const Vec3 s : side) longest = std::max(longest, dot(s, s));
  return {normal / (size > 0 ? size : 1), size / (longest > 0 ? longest : 1)};
}

class Collapsing {
 public:
  Collapsing(const double* points, int64_t vertices, const int64_t* faces, int64_t half_edges,
             const int64_t* component, const int64_t* room, int64_t components, const uint8_t* frozen,
             int64_t surplus, const CollapseRules& rules, int64_t* merged_into)
      : points_(points), count_(vertices), faces_(faces, faces + half_edges), component_(component),
        room_(room, room + components), frozen_(frozen), surplus_(surplus), rules_(rules), into_(merged_into),
        quadrics_(vertex_quadrics(points, vertices, faces_, rules.boundary)), error_(size_t(vertices), 0),
        mark_(size_t(vertices), 0) {
    for (int64_t v = 0; v < vertices; ++v) into_[v] = v;
  }

  // Goes on until the surplus is gone, or not a single edge can be collapsed.
  void run() {
    double part = rules_.round;
    while (surplus_ > 0 && !faces_.empty()) {
      const bool done = round(part);
      if (!done && saw_all_) break;
      part = done ? rules_.round : 2 * part;
    }
    for (int64_t v = 0; v < count_; ++v)
      while (into_[v] != into_[into_[v]]) into_[v] = into_[into_[v]];
  }

 private:
  struct Candidate {
    double cost;
    int32_t directed;
  };

  // The cheapest directed edges, in order; a boundary vertex goes along its boundary only.
  std::vector<Candidate> cheapest(const Neighbourhood& hood, double part) {
    std::vector<Candidate> found;
    std::vector<double> costs;
    found.reserve(hood.origin.size());
    costs.reserve(hood.origin.size());
    int64_t used = 0;
    for (int32_t v = 0; v < count_; ++v) {
      if (hood.first(v) == hood.last(v)) continue;
      ++used;
      error_[size_t(v)] = quadrics_[size_t(v)].error(at(points_, v));
    }
    for (int32_t v = 0; v < count_; ++v) {
      if (frozen_[v] || room_[size_t(component_[v])] <= 0) continue;
      const Quadric& quadric = quadrics_[size_t(v)];
      const double weight = rules_.length * quadric.weight();
      for (int32_t d = hood.first(v); d < hood.last(v); ++d) {
        if (hood.boundary[size_t(v)] && hood.face_count(d) != 1) continue;
        const int32_t target = hood.target[size_t(d)];
        const Vec3 there = at(points_, target), side = at(points_, v) - there;
        found.push_back({quadric.error(there) + error_[size_t(target)] + weight * dot(side, side), d});
      }
    }
    saw_all_ = found.empty();
    if (saw_all_) return found;
    const int64_t all = int64_t(found.size());
    const int64_t wanted = std::min(all, std::max<int64_t>(1, int64_t(part * double(used))));
    saw_all_ = wanted == all;
    for (const Candidate& candidate : found) costs.push_back(candidate.cost);
    const auto less = [](double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); };
    std::nth_element(costs.begin(), costs.begin() + (wanted - 1), costs.end(), less);
    const double limit = costs[size_t(wanted - 1)];
    const auto dear = [&](const Candidate& candidate) { return !(candidate.cost <= limit); };
    found.erase(std::remove_if(found.begin(), found.end(), dear), found.end());
    std::stable_sort(found.begin(), found.end(),
                     [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
    return found;
  }

  // The link condition: both ends share as many neighbours as their edge has faces. Collects the ends of the
  // edges that the collapse would make.
  bool keeps_manifold(const Neighbourhood& hood, int32_t origin, int32_t directed) {
    const int32_t target = hood.target[size_t(directed)];
    const auto mark = [&](uint8_t value) {
      for (const int32_t other : hood.around(target)) mark_[size_t(other)] = value;
      mark_[size_t(target)] = value;
    };
    mark(1);
    made_.clear();
    int32_t shared = -1;  // the target itself is among the neighbours
    for (const int32_t other : hood.around(origin)) {
      if (mark_[size_t(other)])
        ++shared;
      else
        made_.push_back(other);
    }
    mark(0);
    return shared == hood.face_count(directed);
  }

  // Whether no face turns over or becomes a line when the origin is drawn to the target.
  bool keeps_sides(const Neighbourhood& hood, int32_t origin, int32_t target) const {
    for (int32_t i = hood.corners.begin[size_t(origin)]; i < hood.corners.begin[size_t(origin) + 1]; ++i) {
      const int32_t corner = hood.corners.items[size_t(i)];
      const int32_t* face = faces_.data() + corner / 3 * 3;
      if (face[0] == target || face[1] == target || face[2] == target) continue;
      Vec3 at_corner[] = {at(points_, face[0]), at(points_, face[1]), at(points_, face[2])};
      const Shape before = shape(at_corner[0], at_corner[1], at_corner[2]);
      if (!(before.height > rules_.flat)) continue;
      at_corner[corner % 3] = at(points_, target);
      const Shape after = shape(at_corner[0], at_corner[1], at_corner[2]);
      if (dot(before.normal, after.normal) <= rules_.turn || after.height <= rules_.flat) return false;
    }
    return true;
  }

  // Collapses what can be done together among the cheapest edges, cheapest first: not two vertices that are
  // neighbours, and not two that would make the same edge. Returns whether anything was done.
  bool round(double part) {
    const Neighbourhood hood(faces_, count_);
    std::vector<uint8_t> closed(size_t(count_), 0);  // settled, or beside a vertex that goes
    std::unordered_set<int64_t> made;
    std::vector<int32_t> taken;
    for (const Candidate& candidate : cheapest(hood, part)) {
      const int32_t origin = hood.origin[size_t(candidate.directed)];
      const int32_t target = hood.target[size_t(candidate.directed)];
      if (closed[size_t(origin)] || !keeps_manifold(hood, origin, candidate.directed) ||
          !keeps_sides(hood, origin, target))
        continue;
      closed[size_t(origin)] = 1;
      const auto key = [&](int32_t end) { return std::min(target, end) * count_ + std::max(target, end); };
      const auto is_made = [&](int32_t end) { return made.count(key(end)) > 0; };
      if (std::any_of(made_.begin(), made_.end(), is_made)) continue;
      for (const int32_t end : made_) made.insert(key(end));
      for (const int32_t other : hood.around(origin)) closed[size_t(other)] = 1;
      taken.push_back(candidate.directed);
    }
    return merge(hood, taken);
  }

  bool merge(const Neighbourhood& hood, const std::vector<int32_t>& taken) {
    bool done = false;
    for (const int32_t directed : taken) {
      const int32_t origin = hood.origin[size_t(directed)], target = hood.target[size_t(directed)];
      if (surplus_ == 0 || room_[size_t(component_[origin])] == 0) continue;
      --surplus_;
      --room_[size_t(component_[origin])];
      into_[origin] = target;
      quadrics_[size_t(target)] += quadrics_[size_t(origin)];
      done = true;
    }
    size_t kept = 0;
    for (size_t f = 0; f < faces_.size(); f += 3) {
      int32_t face[3];
      for (size_t k = 0; k < 3; ++k) face[k] = int32_t(into_[faces_[f + k]]);
      if (face[0] == face[1] || face[1] == face[2] || face[2] == face[0]) continue;
      for (const int32_t vertex : face) faces_[kept++] = vertex;
    }
    faces_.resize(kept);
    return done;
  }

  const double* points_;
  const int64_t count_;
  std::vector<int32_t> faces_;
  const int64_t* component_;
  std::vector<int64_t> room_;
  const uint8_t* frozen_;
  int64_t surplus_;
  const CollapseRules rules_;
  int64_t* into_;
  std::vector<Quadric> quadrics_;
  std::vector<double> error_;  // of each vertex at its own place
  std::vector<uint8_t> mark_;  // the neighbours of one vertex
  std::vector<int32_t> made_;
  bool saw_all_ = false;
};

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// points (vertices, 3), faces (half_edges / 3, 3), component and frozen (vertices), room (components), result
// merged_into (vertices).
MESHANIM_EXPORT int32_t meshanim_edge_collapse(const double* points, int64_t vertices, const int64_t* faces,
                                               int64_t half_edges, const int64_t* component,
                                               const int64_t* room, int64_t components, const uint8_t* frozen,
                                               int64_t surplus, const CollapseRules* rules,
                                               int64_t* merged_into) {
  return guarded([&] {
    Collapsing state(points, vertices, faces, half_edges, component, room, components, frozen, surplus,
                     *rules, merged_into);
    state.run();
  });
}
