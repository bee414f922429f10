// Pooling by rows of fixed width: out[b, f] = sum over k of weights[f, k] x[b, indices[f, k]], and the gradient
// of x as a gather through inverse lists. Every thread makes 16 bytes of a row, or one value where rows are not
// made of such pieces; blocks take neighbouring rows of one member of the batch after another.
#include "common/device.cuh"

namespace meshanim {

struct MeshPoolParameters {
  const void *source, *weights;  // (batch, coarse, channels), (fine, width); of the gradient, (batch, fine, channels)
  const int* indices;            // (fine, width)
  const int *starts, *entries;   // lists of a coarse vertex: entries of weights from starts[u] to starts[u + 1]
  void* result;                  // (batch, fine, channels); of the gradient, (batch, coarse, channels)
  int64 batch;
  int coarse, fine, width, channels;
  int rows;   // of the result per block
  int whole;  // whether rows are made of 16 bytes at a time, aligned
};

constexpr int kPoolThreads = 256;

// A piece of `size` values: the weighted sum of such pieces of some rows of the source.
template <int size>
struct Piece;

template <>
struct Piece<1> {
  float sums[1] = {};
  __device__ void add(float weight, const Scalar* source) { sums[0] += weight * to_float(*source); }
  __device__ void write(Scalar* target) const { *target = rounded<Scalar>(sums[0]); }
};

template <>
struct Piece<Vector<Scalar>::size> {
  float sums[Vector<Scalar>::size] = {};
  __device__ void add(float weight, const Scalar* source) { meshanim::add(sums, weight, load(source)); }
  __device__ void write(Scalar* target) const { store(target, rounded<Scalar>(sums)); }
};

template <int size, class Sum>
__device__ inline void for_pieces(const MeshPoolParameters& p, int results, int sources, Sum sum) {
  const uint32 pieces = p.channels / size, first = blockIdx.x * p.rows;
  const uint32 count = (results - first < uint32(p.rows) ? results - first : p.rows) * pieces;
  for (int64 b = blockIdx.y; b < p.batch; b += gridDim.y) {
    for (uint32 i = threadIdx.x; i < count; i += kPoolThreads) {
      const uint32 row = first + i / pieces, channel = i % pieces * size;
      Piece<size> piece;
      sum(piece, row, static_cast<const Scalar*>(p.source) + b * sources * p.channels + channel);
      piece.write(static_cast<Scalar*>(p.result) + (b * results + row) * p.channels + channel);
    }
  }
}

template <int size>
__device__ inline void pool(const MeshPoolParameters& p) {
  for_pieces<size>(p, p.fine, p.coarse, [&](Piece<size>& piece, uint32 row, const Scalar* source) {
    for (int64 i = int64(row) * p.width; i < int64(row + 1) * p.width; ++i)
      piece.add(to_float(static_cast<const Scalar*>(p.weights)[i]), source + int64(p.indices[i]) * p.channels);
  });
}

template <int size>
__device__ inline void pool_gradient(const MeshPoolParameters& p) {
  for_pieces<size>(p, p.coarse, p.fine, [&](Piece<size>& piece, uint32 row, const Scalar* source) {
#pragma unroll 1
    for (int i = p.starts[row]; i < p.starts[row + 1]; ++i) {
      const int entry = p.entries[i];
      const float weight = to_float(static_cast<const Scalar*>(p.weights)[entry]);
      piece.add(weight, source + int64(entry / p.width) * p.channels);
    }
  });
}

__device__ inline void mesh_pool(const MeshPoolParameters& p) {
  p.whole ? pool<Vector<Scalar>::size>(p) : pool<1>(p);
}

__device__ inline void mesh_pool_gradient(const MeshPoolParameters& p) {
  p.whole ? pool_gradient<Vector<Scalar>::size>(p) : pool_gradient<1>(p);
}

}  // namespace meshanim

MESHANIM_KERNEL(mesh_pool, MeshPoolParameters, meshanim::kPoolThreads, meshanim::mesh_pool)
MESHANIM_KERNEL(mesh_pool_gradient, MeshPoolParameters, meshanim::kPoolThreads, meshanim::mesh_pool_gradient)
