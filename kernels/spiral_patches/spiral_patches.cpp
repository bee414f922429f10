// Vertices cut into patches of neighbours: each is grown from a vertex beside the patches before, neighbours first,
// until it is full or its spirals name too many vertices.
#include "common/mesh.h"

namespace meshanim {
namespace {

// First in, first out.
struct Queue {
  std::vector<int32_t> items;
  size_t next = 0;
  bool empty() const { return next == items.size(); }
  int32_t pop() { return items[next++]; }
};

}  // namespace
}  // namespace meshanim

using namespace meshanim;

// spirals (vertices, length), -1 for none. Result: the number of each vertex' patch (vertices).
MESHANIM_EXPORT int32_t meshanim_spiral_patches(const int64_t* spirals, int64_t vertices, int64_t length,
                                                int64_t size, int64_t rows, int64_t* patches) {
  return guarded([&] {
    Queue front, seeds, others;
    others.items.resize(size_t(vertices));
    for (int64_t v = 0; v < vertices; ++v) {
      others.items[size_t(v)] = int32_t(v);
      patches[v] = -1;
    }
    std::vector<int64_t> reader(size_t(vertices), -1);  // the last patch that named a vertex
    std::vector<int64_t> looked(size_t(vertices), -1);  // the last vertex whose spiral was counted and named it
    int64_t patch = 0, held = 0, read = 0;
    for (int64_t done = 0; done < vertices; ++done) {
      int32_t v;
      do
        v = !front.empty() ? front.pop() : !seeds.empty() ? seeds.pop() : others.pop();
      while (patches[v] >= 0);
      const int64_t* spiral = spirals + v * length;
      int64_t more = 0;
      for (int64_t l = 0; l < length; ++l) {
        const int64_t u = spiral[l];
        if (u < 0 || reader[size_t(u)] == patch || looked[size_t(u)] == v) continue;
        looked[size_t(u)] = v;
        ++more;
      }
      if (held == size || (held > 0 && read + more > rows)) {
        seeds.items.insert(seeds.items.end(), front.items.begin() + int64_t(front.next), front.items.end());
        front = Queue();
        ++patch;
        held = read = 0;
      }
      patches[v] = patch;
      ++held;
      for (int64_t l = 0; l < length; ++l) {
        const int64_t u = spiral[l];
        if (u < 0) continue;
        front.items.push_back(int32_t(u));
        if (reader[size_t(u)] == patch) continue;
        reader[size_t(u)] = patch;
        ++read;
      }
    }
  });
}
