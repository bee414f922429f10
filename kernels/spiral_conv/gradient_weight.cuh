// Gradients of weight and bias: grad_weight[o, k] = sum over rows of grad[row, o] gathered[row, k]. Every block
// sums a tile of it over its share of the rows; a second kernel adds the shares, always in the same order. The
// gradient of the bias is one more column, of which the gathered value is 1.
#pragma once

#include "common/device.cuh"
#include "spiral_conv/product.cuh"

namespace meshanim {

struct SpiralWeightParameters {
  const void *x, *grad;  // (batch, vertices, channels), (batch, vertices, outputs)
  const int* slots;      // (length, vertices)
  float* shares;         // (shares, outputs, columns)
  int64 rows, share;     // batch * vertices; rows of a share
  int vertices, channels, depth, outputs;  // depth: length * channels
  int first_column, columns;               // depth is the column of the bias
  int whole_rows, whole_grad;              // whether 16 bytes at a time are aligned, and lie in one slot
};

constexpr int kShareRows = 32;      // rows of x that lie in shared memory at a time
constexpr int kShareColumns = 64;  // columns of the gradient per block

// Rows of tiles end in 16 unused bytes, as in products.
template <class T, int kOutputs>
struct alignas(16) ShareTiles {
  static constexpr int stride = kShareColumns + Vector<T>::size, grad_stride = kOutputs + Vector<T>::size;
  T gathered[2][kShareRows * stride], grad[2][kShareRows * grad_stride];
};

// 16-bit types: warps take 16 columns each, all outputs.
template <class T, int kOutputs>
class ShareSums {
 public:
  __device__ void add(const T* gathered, const T* grad) {
    using Tiles = ShareTiles<T, kOutputs>;
    const int lane = threadIdx.x % 32;
    const T* a = gathered + (lane / 16 * 8 + lane % 8) * Tiles::stride + first_column() + lane / 8 % 2 * 8;
    const T* b = grad + lane % 16 * Tiles::grad_stride;
#pragma unroll
    for (int row = 0; row < kShareRows; row += 16) {
      const FragmentA columns = load_matrices_transposed(a + row * Tiles::stride);
#pragma unroll
      for (int j = 0; j < kOutputs / 8; ++j)
        multiply_add(T(), sums_[j], columns, load_two_matrices_transposed(b + row * Tiles::grad_stride + j * 8));
    }
  }

  // Call visit(output, column, sum) for all that this thread holds.
  template <class Visit>
  __device__ void each(Visit visit) const {
    const int column = first_column() + threadIdx.x % 32 / 4, output = threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < kOutputs / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) visit(output + j * 8 + e % 2, column + e / 2 * 8, sums_[j][e]);
    }
  }

 private:
  __device__ static int first_column() { return threadIdx.x / 32 * 16; }

  float sums_[kOutputs / 8][4] = {};
};

template <int kOutputs>
class ShareSums<float, kOutputs> {
 public:
  __device__ void add(const float* gathered, const float* grad) {
    using Tiles = ShareTiles<float, kOutputs>;
#pragma unroll 4
    for (int row = 0; row < kShareRows; ++row) {
      const Vector<float> columns = load(gathered + row * Tiles::stride + first_column());
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const float factor = grad[row * Tiles::grad_stride + first_output() + j];
        meshanim::add(sums_[j], factor, columns);
      }
    }
  }

  template <class Visit>
  __device__ void each(Visit visit) const {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) visit(first_output() + j, first_column() + e, sums_[j][e]);
    }
  }

 private:
  static constexpr int kCount = kOutputs / 8;

  __device__ static int first_column() { return threadIdx.x % 16 * 4; }
  __device__ static int first_output() { return threadIdx.x / 16 * kCount; }

  float sums_[kCount][4] = {};
};

// A thread's part of the tiles: always the same columns and outputs, of rows that move on.
template <class T, int kOutputs>
class ShareReader {
 public:
  __device__ ShareReader(const SpiralWeightParameters& p, int64 first, int count, int column, int output)
      : p_(p), count_(count), column_(column + group() * kSize), output_(output), first_(first) {
    batch_ = first / p.vertices;
    vertex_ = int(first - batch_ * p.vertices);
    at_ = p.channels ? column_ / p.channels : 0;
    channel_ = p.channels ? column_ - at_ * p.channels : 0;
  }

  __device__ void fetch(int row) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int mine = row + threadIdx.x / kVectors + i * kStep;
      gathered_[i] = mine < count_ ? gathered(mine) : zeros<T>();
    }
#pragma unroll
    for (int i = 0; i < kGradCount; ++i) {
      const int mine = row + threadIdx.x / kGradVectors + i * kGradStep;
      grad_[i] = mine < count_ ? grad(mine) : zeros<T>();
    }
  }

  __device__ void put(T* gathered, T* grad) const {
    using Tiles = ShareTiles<T, kOutputs>;
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      store(gathered + (threadIdx.x / kVectors + i * kStep) * Tiles::stride + group() * kSize, gathered_[i]);
#pragma unroll
    for (int i = 0; i < kGradCount; ++i) {
      const int row = threadIdx.x / kGradVectors + i * kGradStep;
      if (row < kShareRows) store(grad + row * Tiles::grad_stride + grad_group() * kSize, grad_[i]);
    }
  }

 private:
  static constexpr int kSize = Vector<T>::size;
  static constexpr int kVectors = kShareColumns / kSize, kStep = kThreads / kVectors;
  static constexpr int kCount = kShareRows / kStep;
  static constexpr int kGradVectors = kOutputs / kSize, kGradStep = kThreads / kGradVectors;
  static constexpr int kGradCount = (kShareRows + kGradStep - 1) / kGradStep;

  __device__ static int group() { return threadIdx.x % kVectors; }
  __device__ static int grad_group() { return threadIdx.x % kGradVectors; }

  __device__ Vector<T> gathered(int row) const {
    const uint32 place = uint32(vertex_) + uint32(row), members = place / uint32(p_.vertices);
    const int vertex = int(place - members * p_.vertices);
    const int64 base = (batch_ + members) * p_.vertices;
    Vector<T> result = zeros<T>();
    if (p_.whole_rows && column_ < p_.depth) {
      const int slot = p_.slots[at_ * p_.vertices + vertex];
      return slot < 0 ? result : load(static_cast<const T*>(p_.x) + (base + slot) * p_.channels + channel_);
    }
    int at = at_, channel = channel_;
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      if (column_ + i < p_.depth) {
        const int slot = p_.slots[at * p_.vertices + vertex];
        if (slot >= 0) result.values[i] = static_cast<const T*>(p_.x)[(base + slot) * p_.channels + channel];
      } else if (column_ + i == p_.depth) {
        result.values[i] = rounded<T>(1.0f);
      }
      if (++channel == p_.channels) {
        channel = 0;
        ++at;
      }
    }
    return result;
  }

  __device__ Vector<T> grad(int row) const {
    const int output = output_ + grad_group() * kSize;
    const T* values = static_cast<const T*>(p_.grad) + (first_ + row) * p_.outputs + output;
    if (p_.whole_grad && output < p_.outputs) return load(values);
    Vector<T> result = zeros<T>();
#pragma unroll
    for (int i = 0; i < kSize; ++i)
      if (output + i < p_.outputs) result.values[i] = values[i];
    return result;
  }

  const SpiralWeightParameters& p_;
  const int count_, column_, output_;
  const int64 first_;
  int64 batch_;
  int vertex_, at_, channel_;
  Vector<T> gathered_[kCount], grad_[kGradCount];
};

// Block (x, y, z) sums share x of columns from y * kShareColumns and outputs from z * kOutputs.
template <class T, int kOutputs>
__device__ inline void gradient_weight(const SpiralWeightParameters& p) {
  auto& tiles = shared_memory<ShareTiles<T, kOutputs>>();
  const int64 first = blockIdx.x * p.share;
  const int count = int(p.rows - first < p.share ? p.rows - first : p.share);
  const int first_column = p.first_column + blockIdx.y * kShareColumns, first_output = blockIdx.z * kOutputs;

  ShareSums<T, kOutputs> sums;
  ShareReader<T, kOutputs> reader(p, first, count, first_column, first_output);
  reader.fetch(0);
  reader.put(tiles.gathered[0], tiles.grad[0]);
  __syncthreads();
  for (int row = 0, now = 0; row < count; row += kShareRows, now = 1 - now) {
    const bool more = count - row > kShareRows;
    if (more) reader.fetch(row + kShareRows);
    sums.add(tiles.gathered[now], tiles.grad[now]);
    if (more) {
      reader.put(tiles.gathered[1 - now], tiles.grad[1 - now]);
      __syncthreads();
    }
  }
  float* shares = p.shares + int64(blockIdx.x) * p.outputs * p.columns;
  sums.each([&](int output, int column, float sum) {
    output += first_output;
    column += first_column - p.first_column;
    if (output < p.outputs && column < p.columns) shares[int64(output) * p.columns + column] = sum;
  });
}

struct SpiralSharesParameters {
  const float* shares;             // (count, outputs, columns)
  void *grad_weight, *grad_bias;   // (outputs, depth), (outputs)
  int64 size;                      // outputs * columns
  int count, columns, depth, first_column;
};

constexpr int kSharesAcross = 32, kSharesDown = 8;  // threads of a block: entries, and shares of each entry

// grad = sum of the shares; eight threads an entry take every eighth share, the first adds what they have.
template <class T>
__device__ inline void add_shares(const SpiralSharesParameters& p) {
  struct Sums {
    float values[kSharesDown][kSharesAcross];
  };
  auto& sums = shared_memory<Sums>();
  const int across = threadIdx.x % kSharesAcross, down = threadIdx.x / kSharesAcross;
  const int64 entry = int64(blockIdx.x) * kSharesAcross + across;
  float sum = 0.0f;
  if (entry < p.size)
    for (int i = down; i < p.count; i += kSharesDown) sum += p.shares[i * p.size + entry];
  sums.values[down][across] = sum;
  __syncthreads();
  if (down > 0 || entry >= p.size) return;
  for (int i = 1; i < kSharesDown; ++i) sum += sums.values[i][across];
  const int64 output = entry / p.columns;
  const int column = p.first_column + int(entry - output * p.columns);
  if (column < p.depth)
    static_cast<T*>(p.grad_weight)[output * p.depth + column] = rounded<T>(sum);
  else
    static_cast<T*>(p.grad_bias)[output] = rounded<T>(sum);
}

}  // namespace meshanim
