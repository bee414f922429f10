// Up-sampling and spiral convolution as one: out[b, v] = act(bias + sum over l of W_l u[b, s(v, l)]) with
// u[b, f] = sum over k of w[f, k] x[b, i(f, k)]. The fine level is cut into patches of neighbours. A block makes
// one patch for some members of the batch: the rows of u that its spirals name, each once, go to shared memory,
// some channels at a time, and all places of all spirals read them there; u is never in memory.
#include "common/device.cuh"
#include "spiral_conv/activation.cuh"
#include "spiral_decode/patch_product.cuh"

namespace meshanim {

struct SpiralDecodeParameters {
  const void *x, *up_weights;    // (batch, coarse, channels), (fine, width)
  const int *corners;            // (fine, width)
  const int *vertices, *rows;    // (patches, vertices), (patches, tile_rows): of the fine level, kNothing at the end
  const unsigned char* slots;    // (patches, length, vertices): places in rows, tile_rows for a row of zeros
  const void *weight, *bias;     // (columns, length * channels), (columns) or null
  void* out;                     // (batch, fine, columns)
  int64 batch;
  int patches, coarse, fine, width, length, channels, columns, activation;
  int whole_rows, whole_weight;  // whether rows are made of 16 bytes at a time, aligned
};

// Values of a row from `channel` on, zeros behind its end.
template <class T>
__device__ inline Vector<T> load_channels(const T* row, int channel, int channels, bool whole) {
  if (whole) return load(row + channel);
  Vector<T> result = zeros<T>();
#pragma unroll
  for (int i = 0; i < Vector<T>::size; ++i)
    if (channel + i < channels) result.values[i] = row[channel + i];
  return result;
}

// What one block makes: a patch, members and columns.
template <class T, int kVertices, int kColumns>
class Patch {
 public:
  __device__ explicit Patch(const SpiralDecodeParameters& p)
      : p_(p),
        patch_(blockIdx.x % p.patches),
        column_(blockIdx.y * kColumns),
        member_(int64(blockIdx.x / p.patches) * kMembers) {}

  __device__ void make() {
    PatchTiles<T, kVertices, kColumns>& tiles = shared_memory<PatchTiles<T, kVertices, kColumns>>();
    if (threadIdx.x < kParts * kMembers) tiles.rows[kRows][threadIdx.x / kMembers][threadIdx.x % kMembers] = zeros<T>();
    PatchProduct<T, kVertices, kColumns> product([&](int column) {
      column += column_;
      return p_.bias && column < p_.columns ? to_float(static_cast<const T*>(p_.bias)[column]) : 0.0f;
    });
    const unsigned char* slots = p_.slots + int64(patch_) * p_.length * kVertices;
    for (int channel = 0; channel < p_.channels; channel += kParts * kSize) {
      for (int place = 0; place < p_.length; place += kPlaces) {
        __syncthreads();
        if (place == 0) p_.width == 3 ? up_sample<3>(tiles.rows, channel) : up_sample<0>(tiles.rows, channel);
        fetch_weights(tiles.weights, place, channel);
        __syncthreads();
        product.add(tiles, slots + place * kVertices, p_.length - place < kPlaces ? p_.length - place : kPlaces);
      }
    }
    __syncthreads();
    product.each([&](int vertex, int member, int column, float& value) {
      tiles.results[member][vertex * kColumns + column] = value;
    });
    __syncthreads();
    write(tiles.results);
  }

 private:
  static constexpr int kSize = Vector<T>::size, kRows = tile_rows(kVertices);

  // Rows of u, four at a time, so that many loads are under way; width 0 stands for any.
  template <int kWidth, class Rows>
  __device__ void up_sample(Rows& rows, int channel) const {
    constexpr int kTogether = 4, kStep = kThreads / (kParts * kMembers);
    const int width = kWidth > 0 ? kWidth : p_.width;
    const int member = threadIdx.x % kMembers, part = threadIdx.x / kMembers % kParts;
    channel += part * kSize;
    const bool there = member_ + member < p_.batch && channel < p_.channels;
    const T* x = static_cast<const T*>(p_.x) + (member_ + member) * p_.coarse * p_.channels;
    const T* up_weights = static_cast<const T*>(p_.up_weights);
#pragma unroll 1
    for (int row = threadIdx.x / (kParts * kMembers); row < kRows; row += kTogether * kStep) {
      int64 entries[kTogether];
      float sums[kTogether][kSize] = {};
#pragma unroll
      for (int i = 0; i < kTogether; ++i) {
        const int fine = p_.rows[patch_ * kRows + row + i * kStep];
        entries[i] = there ? int64(fine) * width : kNothing;
      }
#pragma unroll
      for (int k = 0; k < width; ++k) {
#pragma unroll
        for (int i = 0; i < kTogether; ++i) {
          if (entries[i] < 0) continue;
          const T* corner = x + int64(p_.corners[entries[i] + k]) * p_.channels;
          const float up_weight = to_float(up_weights[entries[i] + k]);
          add(sums[i], up_weight, load_channels(corner, channel, p_.channels, p_.whole_rows));
        }
      }
#pragma unroll
      for (int i = 0; i < kTogether; ++i) rows[row + i * kStep][part][member] = rounded<T>(sums[i]);
    }
  }

  template <class Weights>
  __device__ void fetch_weights(Weights& weights, int place, int channel) const {
    for (int i = threadIdx.x; i < kPlaces * kParts * kColumns; i += kThreads) {
      const int at = i / (kParts * kColumns), part = i / kColumns % kParts, column = i % kColumns;
      const int first = channel + part * kSize;
      const bool there = place + at < p_.length && first < p_.channels && column_ + column < p_.columns;
      const int64 row = (int64(column_ + column) * p_.length + place + at) * p_.channels;
      weights[at][part][column] =
          there ? load_channels(static_cast<const T*>(p_.weight) + row, first, p_.channels, p_.whole_weight)
                : zeros<T>();
    }
  }

  // Every warp writes some members, in the order in which values lie in memory.
  template <class Results>
  __device__ void write(const Results& results) const {
    const int columns = p_.columns - column_ < kColumns ? p_.columns - column_ : kColumns;
    for (int member = threadIdx.x / 32; member < kMembers && member_ + member < p_.batch; member += kThreads / 32) {
      T* out = static_cast<T*>(p_.out) + (member_ + member) * p_.fine * p_.columns + column_;
      for (int i = threadIdx.x % 32; i < kVertices * columns; i += 32) {
        const int place = i / columns, column = i - place * columns;
        const int vertex = p_.vertices[patch_ * kVertices + place];
        if (vertex == kNothing) break;
        const float value = activated(results[member][place * kColumns + column], p_.activation);
        out[int64(vertex) * p_.columns + column] = rounded<T>(value);
      }
    }
  }

  const SpiralDecodeParameters& p_;
  const int patch_, column_;
  const int64 member_;
};

template <int kVertices, int kColumns>
__device__ inline void spiral_decode(const SpiralDecodeParameters& p) {
  Patch<Scalar, kVertices, kColumns>(p).make();
}

}  // namespace meshanim

#define MESHANIM_DECODE(vertices, columns)                                                           \
  MESHANIM_KERNEL(spiral_decode_##vertices##x##columns, SpiralDecodeParameters, meshanim::kThreads,  \
                  (meshanim::spiral_decode<vertices, columns>))

MESHANIM_DECODE(64, 16)
MESHANIM_DECODE(64, 8)
MESHANIM_DECODE(16, 16)
MESHANIM_DECODE(16, 8)
#ifdef MESHANIM_NARROW  // without tensor cores, unused columns cost as much as used ones
MESHANIM_DECODE(64, 4)
MESHANIM_DECODE(16, 4)
#endif
