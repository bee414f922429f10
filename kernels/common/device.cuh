// What the CUDA sources stand on: 16-bit types, loads of 16 bytes, products of small matrices by a whole warp.
// Includes nothing, so that NVRTC compiles it wherever it is found. Sources are compiled once for each scalar
// type (MESHANIM_SCALAR: float, Half, Bfloat16). Tests compile the same sources for a CPU, with
// MESHANIM_EMULATED and the few definitions below of their own.
#pragma once

#ifndef MESHANIM_SCALAR
#define MESHANIM_SCALAR float
#endif

namespace meshanim {

using int64 = long long;
using uint32 = unsigned int;

struct Half {
  unsigned short bits;
};
struct Bfloat16 {
  unsigned short bits;
};

// Matrices of one warp-wide product: the registers that a lane holds of A (16 x 16), B (16 x 8), C (16 x 8).
struct FragmentA {
  uint32 values[4];
};
struct FragmentB {
  uint32 values[2];
};

}  // namespace meshanim

#ifdef MESHANIM_EMULATED
#include "emulation.h"
#else

// A kernel takes one structure of parameters by value and hands it to a function. Two blocks at least shall fit
// on a multiprocessor.
#define MESHANIM_KERNEL(name, Parameters, threads, function)                                        \
  extern "C" __global__ void __launch_bounds__(threads, 2)                                          \
      name(const __grid_constant__ meshanim::Parameters parameters) {                               \
    function(parameters);                                                                           \
  }

namespace meshanim {

// The shared memory of the block, as one structure.
template <class Tiles>
__device__ inline Tiles& shared_memory() {
  __shared__ Tiles tiles;
  return tiles;
}

__device__ inline float to_float(Half value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}
__device__ inline float to_float(Bfloat16 value) { return __uint_as_float(uint32(value.bits) << 16); }

__device__ inline void round_to(Half& target, float value) {
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(target.bits) : "f"(value));
}
__device__ inline void round_to(Bfloat16& target, float value) {
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(target.bits) : "f"(value));
}

// Four 8 x 8 matrices of 16-bit values: lanes 8 i to 8 i + 7 name the rows of matrix i, and every lane gets two
// neighbours of row lane / 4 of each; transposed, of column lane / 4.
__device__ inline FragmentA load_matrices(const void* row) {
  FragmentA a;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a.values[0]), "=r"(a.values[1]), "=r"(a.values[2]), "=r"(a.values[3])
               : "r"(uint32(__cvta_generic_to_shared(row))));
  return a;
}
__device__ inline FragmentA load_matrices_transposed(const void* row) {
  FragmentA a;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(a.values[0]), "=r"(a.values[1]), "=r"(a.values[2]), "=r"(a.values[3])
               : "r"(uint32(__cvta_generic_to_shared(row))));
  return a;
}

// Two such matrices, of which lanes 0 to 15 name the rows.
__device__ inline FragmentB load_two_matrices(const void* row) {
  FragmentB b;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(b.values[0]), "=r"(b.values[1])
               : "r"(uint32(__cvta_generic_to_shared(row))));
  return b;
}
__device__ inline FragmentB load_two_matrices_transposed(const void* row) {
  FragmentB b;
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(b.values[0]), "=r"(b.values[1])
               : "r"(uint32(__cvta_generic_to_shared(row))));
  return b;
}

// c += a b with sums in single precision. A lane holds c at rows lane / 4 (+ 8), columns 2 (lane % 4) (+ 1).
__device__ inline void multiply_add(Half, float (&c)[4], FragmentA a, FragmentB b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a.values[0]), "r"(a.values[1]), "r"(a.values[2]), "r"(a.values[3]), "r"(b.values[0]),
        "r"(b.values[1]));
}
__device__ inline void multiply_add(Bfloat16, float (&c)[4], FragmentA a, FragmentB b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a.values[0]), "r"(a.values[1]), "r"(a.values[2]), "r"(a.values[3]), "r"(b.values[0]),
        "r"(b.values[1]));
}

}  // namespace meshanim

#endif  // MESHANIM_EMULATED

namespace meshanim {

using Scalar = MESHANIM_SCALAR;

__device__ inline float to_float(float value) { return value; }
__device__ inline void round_to(float& target, float value) { target = value; }

template <class T>
__device__ inline T rounded(float value) {
  T result;
  round_to(result, value);
  return result;
}

// 16 bytes: what one load moves.
template <class T>
struct alignas(16) Vector {
  static constexpr int size = 16 / sizeof(T);
  T values[size];
};

template <class T>
__device__ inline Vector<T> load(const T* place) {
  return *reinterpret_cast<const Vector<T>*>(place);
}
template <class T>
__device__ inline void store(T* place, const Vector<T>& vector) {
  *reinterpret_cast<Vector<T>*>(place) = vector;
}

template <class T>
__device__ inline Vector<T> zeros() {
  Vector<T> result;
#pragma unroll
  for (int i = 0; i < Vector<T>::size; ++i) result.values[i] = rounded<T>(0.0f);
  return result;
}

template <class T>
__device__ inline void add(float (&sums)[Vector<T>::size], float factor, const Vector<T>& vector) {
#pragma unroll
  for (int i = 0; i < Vector<T>::size; ++i) sums[i] += factor * to_float(vector.values[i]);
}

template <class T>
__device__ inline Vector<T> rounded(const float (&sums)[Vector<T>::size]) {
  Vector<T> result;
#pragma unroll
  for (int i = 0; i < Vector<T>::size; ++i) result.values[i] = rounded<T>(sums[i]);
  return result;
}

}  // namespace meshanim
