// Spirals around all vertices: each vertex's ring is turned to its first neighbour, then the spiral grows
// vertex by vertex (see spiral_order.py).
#include "common/mesh.h"

namespace meshanim {
namespace {

// For each slot s of the rings (owner v, neighbour n) the place of v in the ring of n. Two transpositions put
// every vertex's slots, and the slots that point at it, in the same order; no ring is searched. False where
// a neighbour does not have its neighbour in turn.
bool places_back(const int64_t* offsets, const int64_t* neighbours, int64_t vertices,
                 std::vector<int32_t>& back) {
  const int64_t slots = offsets[vertices];
  std::vector<int32_t> owner(size_t(slots), 0);
  for (int64_t v = 0; v < vertices; ++v)
    std::fill(owner.begin() + offsets[v], owner.begin() + offsets[v + 1], int32_t(v));
  const Sorted towards = sorted_by(slots, vertices, [&](int64_t s) { return neighbours[s]; });
  const auto owner_of = [&](int64_t i) { return owner[size_t(towards.items[size_t(i)])]; };
  const Sorted away = sorted_by(slots, vertices, owner_of);
  back.resize(size_t(slots));
  for (int64_t i = 0; i < slots; ++i) {
    const int32_t mate = towards.items[size_t(i)], own = towards.items[size_t(away.items[size_t(i)])];
    if (neighbours[mate] != owner[size_t(own)] || neighbours[own] != owner[size_t(mate)]) return false;
    back[size_t(own)] = int32_t(mate - offsets[neighbours[own]]);
  }
  return true;
}

// One spiral after another; remembers which vertices the one at hand holds.
struct Growing {
  const int64_t *offsets, *neighbours;
  const std::vector<int32_t>& back;
  std::vector<int64_t> spiral, begin, holder;

  void put(int64_t place, int64_t vertex, int64_t first) {
    spiral[size_t(place)] = vertex;
    begin[size_t(place)] = first;
    holder[size_t(vertex)] = spiral[0];
  }

  // The spiral around `vertex`, whose ring begins at place `first`.
  void grow(int64_t vertex, int64_t first) {
    const int64_t reach = int64_t(spiral.size());
    spiral[0] = vertex;
    put(0, vertex, first);
    int64_t filled = 1;
    for (int64_t step = 0; step < filled && filled < reach; ++step) {
      const int64_t ring = offsets[spiral[size_t(step)]];
      const int64_t degree = offsets[spiral[size_t(step)] + 1] - ring;
      int64_t place = begin[size_t(step)];
      for (int64_t i = 0; i < degree && filled < reach; ++i, ++place) {
        if (place == degree) place = 0;
        const int64_t found = neighbours[ring + place];
        if (holder[size_t(found)] != vertex) put(filled++, found, back[size_t(ring + place)] + 1);
      }
    }
    std::fill(spiral.begin() + filled, spiral.end(), -1);
  }
};

// The place in a ring of the neighbour of least distance, of several (equal within `tie`) the lowest.
int64_t first_place(const int64_t* ring, int64_t degree, const double* distance, double tie) {
  double least = std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < degree; ++i) least = std::min(least, distance[ring[i]]);
  int64_t first = 0, lowest = std::numeric_limits<int64_t>::max();
  for (int64_t i = 0; i < degree; ++i)
    if (distance[ring[i]] <= least + tie && ring[i] < lowest) lowest = ring[first = i];
  return first;
}

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// offsets (vertices + 1) and neighbours: the rings; distance and tie (vertices); result (vertices, length).
// Returns 2 where the rings are not mutual.
MESHANIM_EXPORT int32_t meshanim_spiral_order(const int64_t* offsets, const int64_t* neighbours,
                                              int64_t vertices, const double* distance, const double* tie,
                                              int64_t length, int64_t dilation, int64_t* result) {
  bool mutual = true;
  const int32_t failed = guarded([&] {
    std::vector<int32_t> back;
    mutual = places_back(offsets, neighbours, vertices, back);
    if (!mutual) return;
    const size_t reach = size_t((length - 1) * dilation + 1);
    Growing growing{offsets, neighbours, back, std::vector<int64_t>(reach), std::vector<int64_t>(reach),
                    std::vector<int64_t>(size_t(vertices), -1)};
    for (int64_t v = 0; v < vertices; ++v) {
      growing.grow(v, first_place(neighbours + offsets[v], offsets[v + 1] - offsets[v], distance, tie[v]));
      for (int64_t l = 0; l < length; ++l) result[v * length + l] = growing.spiral[size_t(l * dilation)];
    }
  });
  return failed ? failed : mutual ? 0 : 2;
}
