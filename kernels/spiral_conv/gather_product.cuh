// out = act(bias + gathered rows times weight), tile by tile: rows of x are gathered into shared memory, a block
// of them and of the weight at a time, while the block before is multiplied.
//
// The same code makes the result and the gradient of x. Forward, slot (place, v) names the row of x at a place
// of v's spiral. Backward, it names the vertex that has v at that place of its spiral: where there are
// several, their rows of the gradient are summed while they are gathered.
#pragma once

#include "common/device.cuh"
#include "spiral_conv/activation.cuh"
#include "spiral_conv/product.cuh"

namespace meshanim {

constexpr int kSeveral = -2;  // a slot of more than one row: the list of that slot

struct SpiralProductParameters {
  const void* source;                            // (batch, vertices, channels)
  const int* slots;                              // (length, vertices)
  const int *starts, *sources;                   // lists: of slot i, sources from starts[i] to starts[i + 1]
  const void *weight, *bias;                     // bias (columns) or null
  void* out;                                     // (batch, vertices, columns)
  int64 rows;                                    // batch * vertices
  int64 step_column, step_place, step_channel;   // between values of the weight
  int vertices, length, channels, columns, activation;
  int whole_rows, whole_weight;  // whether 16 bytes at a time lie in one slot and are aligned
};

// Rows of the source as the spirals name them.
template <class T>
class SpiralRows {
 public:
  __device__ explicit SpiralRows(const SpiralProductParameters& p)
      : source_(static_cast<const T*>(p.source)), p_(p) {}

  // A row of the result: the first row of its batch member in the source, and its vertex.
  struct Place {
    int64 base;
    int vertex;
  };

  __device__ Place place(int64 row) const {
    if (row >= p_.rows) return {0, kNothing};
    const int64 base = row / p_.vertices * p_.vertices;
    return {base, int(row - base)};
  }

  __device__ int slot(int at, const Place& place) const {
    return place.vertex < 0 ? kNothing : p_.slots[at * p_.vertices + place.vertex];
  }

  __device__ Vector<T> vector(int slot, int at, const Place& place, int channel) const {
    if (slot >= 0) return load(row(place, slot) + channel);
    if (slot == kNothing) return zeros<T>();
    float sums[Vector<T>::size] = {};
    const int list = at * p_.vertices + place.vertex;
#pragma unroll 1
    for (int i = p_.starts[list]; i < p_.starts[list + 1]; ++i)
      add(sums, 1.0f, load(row(place, p_.sources[i]) + channel));
    return rounded<T>(sums);
  }

  __device__ T value(int slot, int at, const Place& place, int channel) const {
    if (slot >= 0) return row(place, slot)[channel];
    float sum = 0.0f;
    if (slot == kSeveral) {
      const int list = at * p_.vertices + place.vertex;
#pragma unroll 1
      for (int i = p_.starts[list]; i < p_.starts[list + 1]; ++i)
        sum += to_float(row(place, p_.sources[i])[channel]);
    }
    return rounded<T>(sum);
  }

 private:
  __device__ const T* row(const Place& place, int vertex) const {
    return source_ + (place.base + vertex) * p_.channels;
  }

  const T* source_;
  const SpiralProductParameters& p_;
};

// A thread's part of the gathered tiles: looked up one tile before it is fetched, fetched one before it is used.
template <class T, int kRows, class Rows>
class RowTiles {
 public:
  __device__ RowTiles(const SpiralProductParameters& p, int64 first) : p_(p), rows_(p) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) places_[i] = rows_.place(first + threadIdx.x / kVectors + i * kStep);
  }

  __device__ void look_up(int depth) {
    const int k = depth + group() * kSize;
    if (!p_.whole_rows || k >= p_.length * p_.channels) return;
    at_ = k / p_.channels;
    channel_ = k - at_ * p_.channels;
#pragma unroll
    for (int i = 0; i < kCount; ++i) slots_[i] = rows_.slot(at_, places_[i]);
  }

  __device__ void fetch(int depth) {
    if (!p_.whole_rows) return;
    const bool there = depth + group() * kSize < p_.length * p_.channels;
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      values_[i] = there ? rows_.vector(slots_[i], at_, places_[i], channel_) : zeros<T>();
  }

  __device__ void put(T* tile, int depth) const {
    T* target = tile + threadIdx.x / kVectors * kStride + group() * kSize;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (p_.whole_rows)
        store(target + i * kStep * kStride, values_[i]);
      else
        copy(target + i * kStep * kStride, depth + group() * kSize, places_[i]);
    }
  }

 private:
  using Place = typename Rows::Place;
  static constexpr int kSize = Vector<T>::size, kVectors = Depth<T, kRows>::vectors;
  static constexpr int kStep = kThreads / kVectors, kCount = kRows / kStep, kStride = Depth<T, kRows>::stride;

  __device__ static int group() { return threadIdx.x % kVectors; }

  // Widths that are no multiple of 16 bytes: value by value, when it is needed.
  __device__ void copy(T* target, int k, const Place& place) const {
    int at = k / p_.channels, channel = k - at * p_.channels;
#pragma unroll 1
    for (int i = 0; i < kSize; ++i) {
      target[i] = at < p_.length ? rows_.value(rows_.slot(at, place), at, place, channel) : rounded<T>(0.0f);
      if (++channel == p_.channels) {
        channel = 0;
        ++at;
      }
    }
  }

  const SpiralProductParameters& p_;
  Rows rows_;
  Place places_[kCount];
  int slots_[kCount] = {}, at_ = 0, channel_ = 0;
  Vector<T> values_[kCount];
};

// A thread's part of the tiles of the weight: one row per column of the result.
template <class T, int kRows, int kColumns>
class WeightTiles {
 public:
  __device__ WeightTiles(const SpiralProductParameters& p, int first) : p_(p), first_(first) {}

  __device__ void fetch(int depth) {
    const int k = depth + threadIdx.x % kVectors * kSize;
    const int at = k / p_.channels, channel = k - at * p_.channels;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int column = first_ + threadIdx.x / kVectors + i * kStep;
      values_[i] = zeros<T>();
      if (column < p_.columns && at < p_.length) {
        const T* row = static_cast<const T*>(p_.weight) + column * p_.step_column;
        if (p_.whole_weight)
          values_[i] = load(row + k);
        else
          collect(values_[i], row, at, channel);
      }
    }
  }

  __device__ void put(T* tile) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int column = threadIdx.x / kVectors + i * kStep;
      if (column < kColumns)
        store(tile + column * Depth<T, kRows>::stride + threadIdx.x % kVectors * kSize, values_[i]);
    }
  }

 private:
  static constexpr int kSize = Vector<T>::size, kVectors = Depth<T, kRows>::vectors;
  static constexpr int kStep = kThreads / kVectors, kCount = (kColumns + kStep - 1) / kStep;

  __device__ void collect(Vector<T>& result, const T* row, int at, int channel) const {
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (at < p_.length) result.values[i] = row[at * p_.step_place + channel * p_.step_channel];
      if (++channel == p_.channels) {
        channel = 0;
        ++at;
      }
    }
  }

  const SpiralProductParameters& p_;
  const int first_;
  Vector<T> values_[kCount];
};

template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T values[2];
};

__device__ inline void write(const SpiralProductParameters& p, float* target, int, const float (&values)[1]) {
  *target = activated(values[0], p.activation);
}

template <class T>
__device__ inline void write(const SpiralProductParameters& p, T* target, int column, const float (&values)[2]) {
  const T first = rounded<T>(activated(values[0], p.activation));
  const T second = rounded<T>(activated(values[1], p.activation));
  if (p.columns % 2 == 0) {
    *reinterpret_cast<Pair<T>*>(target) = {{first, second}};
  } else {
    target[0] = first;
    if (column + 1 < p.columns) target[1] = second;
  }
}

template <class T, int kRows, int kColumns>
struct alignas(16) ProductTiles {
  T rows[2][kRows * Depth<T, kRows>::stride], weight[2][kColumns * Depth<T, kRows>::stride];
};

// Block (x, y) makes rows from x * kRows and columns from y * kColumns.
template <class T, class Rows, int kRows, int kColumns>
__device__ inline void gather_product(const SpiralProductParameters& p) {
  auto& tiles = shared_memory<ProductTiles<T, kRows, kColumns>>();
  const int64 first_row = int64(blockIdx.x) * kRows;
  const int first_column = blockIdx.y * kColumns, depth = p.length * p.channels;
  constexpr int kDepth = Depth<T, kRows>::values;

  Product<T, kRows, kColumns> product([&](int column) {
    const bool there = p.bias && first_column + column < p.columns;
    return there ? to_float(static_cast<const T*>(p.bias)[first_column + column]) : 0.0f;
  });
  RowTiles<T, kRows, Rows> rows(p, first_row);
  WeightTiles<T, kRows, kColumns> weight(p, first_column);
  if (depth > 0) {
    rows.look_up(0);
    rows.fetch(0);
    weight.fetch(0);
    rows.look_up(kDepth);
    rows.put(tiles.rows[0], 0);
    weight.put(tiles.weight[0]);
    __syncthreads();
  }
  for (int k = 0, now = 0; k < depth; k += kDepth, now = 1 - now) {
    const bool more = depth - k > kDepth;
    if (more) {
      rows.fetch(k + kDepth);
      weight.fetch(k + kDepth);
      rows.look_up(k + 2 * kDepth);
    }
    product.add(tiles.rows[now], tiles.weight[now]);
    if (more) {
      rows.put(tiles.rows[1 - now], k + kDepth);
      weight.put(tiles.weight[1 - now]);
      __syncthreads();
    }
  }
  product.each([&](int row, int column, auto& values) {
    const int64 target = first_row + row;
    if (target < p.rows && first_column + column < p.columns)
      write(p, static_cast<T*>(p.out) + target * p.columns + first_column + column, first_column + column, values);
  });
}

}  // namespace meshanim
