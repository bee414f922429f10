// Pooling by rows of fixed width: out[b, f] = sum over k of weights[f, k] x[b, indices[f, k]], and the gradient
// of x as a gather through inverse lists. Every thread makes 16 bytes of a row, or one value where rows are not
// made of such pieces, for some members of the batch at once, so that many loads are under way and indices are
// read once for all of them; blocks take neighbouring rows.
#include "common/device.cuh"

namespace meshanim {

struct MeshPoolParameters {
  const void *source, *weights;  // (batch, coarse, channels), (fine, width); of the gradient, (batch, fine, channels)
  const int* indices;            // (fine, width)
  const int *starts, *entries;   // lists of a coarse vertex: entries of weights from starts[u] to starts[u + 1]
  const int* sources;            // fine vertices of these entries; null where an entry lies in its vertex' row
  void* result;                  // (batch, fine, channels); of the gradient, (batch, coarse, channels)
  int64 batch;
  int coarse, fine, width, channels;
  int rows;   // of the result per block
  int whole;  // whether rows are made of 16 bytes at a time, aligned
};

constexpr int kPoolThreads = 256, kPoolMembers = 4;

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

// The same piece of neighbouring members.
template <int size>
struct Pieces {
  Piece<size> of[kPoolMembers];
  __device__ void add(float weight, const Scalar* source, int64 stride, int64 members) {
#pragma unroll
    for (int i = 0; i < kPoolMembers; ++i)
      if (i < members) of[i].add(weight, source + i * stride);
  }
  __device__ void write(Scalar* target, int64 stride, int64 members) const {
#pragma unroll
    for (int i = 0; i < kPoolMembers; ++i)
      if (i < members) of[i].write(target + i * stride);
  }
};

// For every piece of a row of the result, sum(row, add), where add(weight, source) adds a row of the source.
template <int size, class Sum>
__device__ inline void for_pieces(const MeshPoolParameters& p, int results, int sources, Sum sum) {
  const uint32 pieces = p.channels / size, first = blockIdx.x * p.rows;
  const uint32 count = (results - first < uint32(p.rows) ? results - first : p.rows) * pieces;
  const int64 stride = int64(sources) * p.channels, result_stride = int64(results) * p.channels;
  for (int64 b = blockIdx.y * kPoolMembers; b < p.batch; b += gridDim.y * kPoolMembers) {
    for (uint32 i = threadIdx.x; i < count; i += kPoolThreads) {
      const uint32 row = first + i / pieces, channel = i % pieces * size;
      const Scalar* source = static_cast<const Scalar*>(p.source) + b * stride + channel;
      Pieces<size> made;
      sum(row, [&](float weight, int64 vertex) {
        made.add(weight, source + vertex * p.channels, stride, p.batch - b);
      });
      Scalar* result = static_cast<Scalar*>(p.result) + b * result_stride + channel;
      made.write(result + int64(row) * p.channels, result_stride, p.batch - b);
    }
  }
}

template <int size>
__device__ inline void pool(const MeshPoolParameters& p) {
  for_pieces<size>(p, p.fine, p.coarse, [&](uint32 row, auto add) {
    for (int64 i = int64(row) * p.width; i < int64(row + 1) * p.width; ++i)
      add(to_float(static_cast<const Scalar*>(p.weights)[i]), p.indices[i]);
  });
}

template <int size>
__device__ inline void pool_gradient(const MeshPoolParameters& p) {
  for_pieces<size>(p, p.coarse, p.fine, [&](uint32 row, auto add) {
#pragma unroll 1
    for (int i = p.starts[row]; i < p.starts[row + 1]; ++i) {
      const int entry = p.entries[i];
      add(to_float(static_cast<const Scalar*>(p.weights)[entry]), p.sources ? p.sources[i] : entry / p.width);
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
