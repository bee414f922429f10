// Sums over all entries (pixels, or faces of pixels) that name a face, and from them over the faces around each
// vertex: gradients without atomics, the same bits at every call. Entries come sorted by image and face, those of
// one face in their own order, and are cut into chunks; a face's share of a chunk has a place of its own, and a
// vertex adds the shares of its faces in order.
#pragma once

#include "common/device.cuh"

namespace meshanim {

struct FaceEntries {
  const int* keys;      // (entries): image * faces + face, ascending; those of no face last
  const int64* order;   // (entries): which entry that is
  const int* starts;    // (batch * faces + 1): where the entries of each key begin
  int64 keyed;          // batch * faces
};

constexpr int kChunk = 16, kSumThreads = 128;

// Calls add(key, entry) for the entries of a chunk, and finish(share) after the last of each face.
template <class Add, class Finish>
__device__ inline void for_chunk(const FaceEntries& e, int64 chunk, Add add, Finish finish) {
  const int64 seen = e.starts[e.keyed], first = chunk * kChunk;
  const int64 last = first + kChunk < seen ? first + kChunk : seen;
  for (int64 i = first; i < last; ++i) {
    const int key = e.keys[i];
    add(key, e.order[i]);
    if (i + 1 == last || e.keys[i + 1] != key) finish(chunk + key);  // both ascend, so that no two sums are alike
  }
}

// Writes a face's share of a chunk, three values for each corner, and begins anew.
__device__ inline void finish_share(double* shares, int64 share, double (&grad)[9]) {
#pragma unroll
  for (int i = 0; i < 9; ++i) {
    shares[9 * share + i] = grad[i];
    grad[i] = 0;
  }
}

struct VertexSumsParameters {
  FaceEntries entries;
  const void* shares;             // (shares, 3 * channels), by corner
  const int *starts, *corners;    // of a vertex: face * 3 + corner, from starts[v] to starts[v + 1]
  void* out;                      // (batch, vertices, channels)
  int64 count;                    // of values in `out`
  int vertices, faces, channels;
};

// One value of a vertex.
template <class Share, class Out>
__device__ inline void add_vertex(const VertexSumsParameters& p) {
  const int64 place = int64(blockIdx.x) * kSumThreads + threadIdx.x;
  if (place >= p.count) return;
  const int64 row = place / p.channels, image = row / p.vertices;
  const int channel = int(place % p.channels), vertex = int(row % p.vertices);
  Share sum = 0;
  for (int i = p.starts[vertex]; i < p.starts[vertex + 1]; ++i) {
    const int corner = p.corners[i];
    const int64 key = image * p.faces + corner / 3;
    const int64 first = p.entries.starts[key], last = p.entries.starts[key + 1];
    if (first == last) continue;
    const Share* share = static_cast<const Share*>(p.shares) + corner % 3 * p.channels + channel;
    for (int64 chunk = first / kChunk; chunk * kChunk < last; ++chunk) sum += share[3 * p.channels * (chunk + key)];
  }
  static_cast<Out*>(p.out)[place] = rounded<Out>(float(sum));
}

}  // namespace meshanim
