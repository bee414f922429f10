// The product of one patch of the fine level: vertices times members of the batch, in all columns of a tile.
// Members are the innermost index of tiles in units of 16 bytes, so that eight threads that read the same vertex
// for eight members meet different banks whatever the spirals are. Sums run over places from first to last, and
// over the channels of a tile within a place, in single precision whatever the tile.
#pragma once

#include "common/device.cuh"
#include "spiral_conv/product.cuh"

namespace meshanim {

constexpr int kMembers = 8;     // of the batch that go through together
constexpr int kParts = 2;       // of 16 bytes: channels of a row that lie in shared memory at a time
constexpr int kPlaces = 9;      // of a spiral whose weights lie in shared memory at a time: all of the paper's
constexpr int kTilePadding = 4;  // values between members of the result in shared memory, for other banks

// Rows of the fine level that a patch of so many vertices may read; there is one more row, of zeros.
__device__ constexpr int tile_rows(int vertices) { return vertices > 16 ? 128 : 64; }

template <class T, int kVertices, int kColumns>
struct alignas(16) PatchTiles {
  union {
    Vector<T> rows[tile_rows(kVertices) + 1][kParts][kMembers];
    float results[kMembers][kVertices * kColumns + kTilePadding];
  };
  Vector<T> weights[kPlaces][kParts][kColumns];
};

// Rows that neighbouring vertices have at one place, read at once.
template <int count>
struct alignas(count) Slots {
  unsigned char values[count];
};

template <int count>
__device__ inline Slots<count> load_slots(const unsigned char* first) {
  return *reinterpret_cast<const Slots<count>*>(first);
}

// 16-bit types: by tensor cores. Of the 16 rows of a product, eight are the members at a vertex of the warp's
// first half, eight those at the same vertex of its second half.
template <class T, int kVertices, int kColumns>
class PatchProduct {
 public:
  template <class Start>
  __device__ explicit PatchProduct(Start start) {
    each([&](int, int, int column, float& value) { value = start(column); });
  }

  __device__ void add(const PatchTiles<T, kVertices, kColumns>& tiles, const unsigned char* slots, int places) {
    const int lane = threadIdx.x % 32, eight = lane / 8 % 2, member = lane % 8;
    slots += first_vertex(eight);
    Slots<kRun> next = load_slots<kRun>(slots);
#pragma unroll 1
    for (int place = 0; place < places; ++place) {
      const Slots<kRun> now = next;
      if (place + 1 < places) next = load_slots<kRun>(slots += kVertices);
      FragmentB weights[kAcross];
#pragma unroll
      for (int j = 0; j < kAcross; ++j)
        weights[j] = load_two_matrices(&tiles.weights[place][eight][j * 8 + member]);
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        const FragmentA rows = load_matrices(&tiles.rows[now.values[i]][lane / 16][member]);
#pragma unroll
        for (int j = 0; j < kAcross; ++j) multiply_add(T(), sums_[i][j], rows, weights[j]);
      }
    }
  }

  // Call visit(vertex, member, column, value) for all that this thread holds.
  template <class Visit>
  __device__ void each(Visit visit) {
    const int member = threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) visit(first_vertex(e / 2) + i, member, column + j * 8 + e % 2, sums_[i][j][e]);
      }
    }
  }

 private:
  static constexpr int kRun = kVertices / (kThreads / 32) / 2, kAcross = kColumns / 8;

  __device__ static int first_vertex(int eight) { return threadIdx.x / 32 * (2 * kRun) + eight * kRun; }

  float sums_[kRun][kAcross][4] = {};
};

// Eight columns at most per thread, at neighbouring vertices of one member; whole warps share their columns.
template <int kVertices, int kColumns>
class PatchProduct<float, kVertices, kColumns> {
 public:
  template <class Start>
  __device__ explicit PatchProduct(Start start) {
    each([&](int, int, int column, float& value) { value = start(column); });
  }

  __device__ void add(const PatchTiles<float, kVertices, kColumns>& tiles, const unsigned char* slots, int places) {
    slots += first_vertex();
    Slots<kRun> next = load_slots<kRun>(slots);
#pragma unroll 1
    for (int place = 0; place < places; ++place) {
      const Slots<kRun> now = next;
      if (place + 1 < places) next = load_slots<kRun>(slots += kVertices);
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        Vector<float> rows[kRun];
#pragma unroll
        for (int i = 0; i < kRun; ++i) rows[i] = tiles.rows[now.values[i]][part][member()];
#pragma unroll
        for (int j = 0; j < kAcross; ++j) {
          const Vector<float> weight = tiles.weights[place][part][first_column() + j];
#pragma unroll
          for (int i = 0; i < kRun; ++i) {
#pragma unroll
            for (int e = 0; e < 4; ++e) sums_[i][j] += rows[i].values[e] * weight.values[e];
          }
        }
      }
    }
  }

  template <class Visit>
  __device__ void each(Visit visit) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) visit(first_vertex() + i, member(), first_column() + j, sums_[i][j]);
    }
  }

 private:
  static constexpr int kAcross = kColumns < 8 ? kColumns : 8, kGroup = kThreads / (kColumns / kAcross);
  static constexpr int kRun = kVertices * kMembers / kGroup;

  __device__ static int member() { return threadIdx.x % kMembers; }
  __device__ static int first_vertex() { return threadIdx.x % kGroup / kMembers * kRun; }
  __device__ static int first_column() { return threadIdx.x / kGroup * kAcross; }

  float sums_[kRun][kAcross] = {};
};

}  // namespace meshanim
