// Products of tiles in shared memory: what the threads of a block hold of a (rows, columns) result. Sums run
// over the depth from first to last in single precision whatever the tile, so that results do not depend on it.
#pragma once

#include "common/device.cuh"

namespace meshanim {

constexpr int kThreads = 128;

// Tiles of kRows x kDepth and kColumns x kDepth values. Rows end in 16 unused bytes, so that threads that read
// the same place of neighbouring rows meet different banks.
template <class T, int kRows>
struct Depth {
  static constexpr int vectors = kRows > 32 ? 4 : 8;  // of 16 bytes; few rows leave room for deeper tiles
  static constexpr int values = vectors * Vector<T>::size;
  static constexpr int stride = values + Vector<T>::size;
};

// Threads of a block along the columns of a tile, for products without tensor cores.
__device__ constexpr int threads_across(int rows, int columns) {
  if (rows > 32) return columns >= 32 ? 8 : columns >= 8 ? 4 : 2;
  return columns >= 64 ? 16 : columns >= 32 ? 8 : 4;
}

// 16-bit types: by tensor cores. Warps lie 4 x 1 or 2 x 2 on the tile.
template <class T, int kRows, int kColumns>
class Product {
 public:
  template <class Start>
  __device__ explicit Product(Start start) {
    each([&](int, int column, float(&values)[2]) {
      values[0] = start(column);
      values[1] = start(column + 1);
    });
  }

  __device__ void add(const T* rows, const T* weights) {
    const int lane = threadIdx.x % 32;
    const T* row = rows + (first_row() + lane % 16) * kStride + lane / 16 * 8;
    const T* weight = weights + (first_column() + lane % 8) * kStride + lane / 8 % 2 * 8;
#pragma unroll
    for (int k = 0; k < Depth<T, kRows>::values; k += 16) {
      FragmentA a[kDown];
#pragma unroll
      for (int i = 0; i < kDown; ++i) a[i] = load_matrices(row + i * 16 * kStride + k);
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        const FragmentB b = load_two_matrices(weight + j * 8 * kStride + k);
#pragma unroll
        for (int i = 0; i < kDown; ++i) multiply_add(T(), sums_[i][j], a[i], b);
      }
    }
  }

  // Call visit(row, column, values) for all that this thread holds: values at column and column + 1.
  template <class Visit>
  __device__ void each(Visit visit) {
    const int row = first_row() + threadIdx.x % 32 / 4, column = first_column() + threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float values[2] = {sums_[i][j][2 * half], sums_[i][j][2 * half + 1]};
          visit(row + i * 16 + half * 8, column + j * 8, values);
          sums_[i][j][2 * half] = values[0];
          sums_[i][j][2 * half + 1] = values[1];
        }
      }
    }
  }

 private:
  static constexpr int kStride = Depth<T, kRows>::stride;
  static constexpr int kWarpsDown = kRows > 32 ? 4 : 2, kWarpsAcross = 4 / kWarpsDown;
  static constexpr int kDown = kRows / kWarpsDown / 16, kAcross = kColumns / kWarpsAcross / 8;

  __device__ static int first_row() { return threadIdx.x / 32 % kWarpsDown * (kRows / kWarpsDown); }
  __device__ static int first_column() { return threadIdx.x / 32 / kWarpsDown * (kColumns / kWarpsAcross); }

  float sums_[kDown][kAcross][4] = {};
};

template <int kRows, int kColumns>
class Product<float, kRows, kColumns> {
 public:
  template <class Start>
  __device__ explicit Product(Start start) {
    each([&](int, int column, float(&value)[1]) { value[0] = start(column); });
  }

  __device__ void add(const float* rows, const float* weights) {
    const float* row = rows + first_row() * kStride;
    const float* weight = weights + first_column() * kStride;
#pragma unroll
    for (int k = 0; k < Depth<float, kRows>::values; k += 4) {
      Vector<float> a[kDown];
#pragma unroll
      for (int i = 0; i < kDown; ++i) a[i] = load(row + i * kRowStep * kStride + k);
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        const Vector<float> w = load(weight + j * kColumnStep * kStride + k);
#pragma unroll
        for (int i = 0; i < kDown; ++i) {
#pragma unroll
          for (int e = 0; e < 4; ++e) sums_[i][j][0] += a[i].values[e] * w.values[e];
        }
      }
    }
  }

  // Call visit(row, column, values) for all that this thread holds, one value at a time.
  template <class Visit>
  __device__ void each(Visit visit) {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j)
        visit(first_row() + i * kRowStep, first_column() + j * kColumnStep, sums_[i][j]);
    }
  }

 private:
  static constexpr int kStride = Depth<float, kRows>::stride;
  static constexpr int kColumnStep = threads_across(kRows, kColumns), kRowStep = kThreads / kColumnStep;
  static constexpr int kDown = kRows / kRowStep, kAcross = kColumns / kColumnStep;

  __device__ static int first_row() { return threadIdx.x / kColumnStep; }
  __device__ static int first_column() { return threadIdx.x % kColumnStep; }

  float sums_[kDown][kAcross][1] = {};
};

}  // namespace meshanim
