// Attributes of vertices on the faces that pixels see: out[b, n] = sum over k of weights[b, n, k] times attributes of
// corner k of face[b, n], zero where there is no such face; and the gradients of weights and attributes.
#include "common/face_sums.cuh"

namespace meshanim {

struct InterpolateParameters {
  const Scalar* attributes;       // (batch, vertices, channels)
  const int* corners;             // (faces, 3)
  const int64* face;              // (batch, pixels)
  const Scalar *weights, *grad;   // (batch, pixels, 3), (batch, pixels, channels)
  Scalar* result;                 // the result, or the gradient of the weights
  int64 count, pixels;            // of all images, of one
  int vertices, faces, channels;
};

constexpr int kInterpolateThreads = 128, kInterpolatePixels = 128;

// Row of the attributes at corner k of the face of a pixel.
__device__ inline const Scalar* attributes_at(const InterpolateParameters& p, int64 pixel, int k) {
  const int64 vertex = pixel / p.pixels * p.vertices + p.corners[3 * p.face[pixel] + k];
  return p.attributes + vertex * p.channels;
}

__device__ inline bool sees_face(const InterpolateParameters& p, int64 pixel) {
  return p.face[pixel] >= 0 && p.face[pixel] < p.faces;
}

// A block makes the values of some pixels, neighbouring threads neighbouring values.
__device__ inline void interpolate(const InterpolateParameters& p) {
  const int64 first = int64(blockIdx.x) * kInterpolatePixels, left = p.count - first;
  const uint32 values = uint32(left < kInterpolatePixels ? left : kInterpolatePixels) * p.channels;
  for (uint32 i = threadIdx.x; i < values; i += kInterpolateThreads) {
    const int64 pixel = first + i / p.channels;
    const int channel = i % p.channels;
    float sum = 0;
    if (sees_face(p, pixel))
#pragma unroll
      for (int k = 0; k < 3; ++k)
        sum += to_float(p.weights[3 * pixel + k]) * to_float(attributes_at(p, pixel, k)[channel]);
    p.result[first * p.channels + i] = rounded<Scalar>(sum);
  }
}

__device__ inline void interpolate_weights(const InterpolateParameters& p) {
  const int64 pixel = int64(blockIdx.x) * kInterpolateThreads + threadIdx.x;
  if (pixel >= p.count) return;
  const bool seen = sees_face(p, pixel);
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    float sum = 0;
    if (seen) {
      const Scalar *row = attributes_at(p, pixel, k), *grad = p.grad + pixel * p.channels;
      for (int c = 0; c < p.channels; ++c) sum += to_float(grad[c]) * to_float(row[c]);
    }
    p.result[3 * pixel + k] = rounded<Scalar>(sum);
  }
}

struct InterpolateSharesParameters {
  FaceEntries entries;           // pixels by face
  const Scalar *weights, *grad;  // (batch, pixels, 3), (batch, pixels, channels)
  float* shares;                 // by corner and channel
  int64 count;                   // chunks * 3 * channels
  int channels;
};

// What the pixels of a chunk give to one channel of one corner.
__device__ inline void interpolate_shares(const InterpolateSharesParameters& p) {
  const int64 place = int64(blockIdx.x) * kInterpolateThreads + threadIdx.x;
  if (place >= p.count) return;
  const int columns = 3 * p.channels, column = int(place % columns);
  const int corner = column / p.channels, channel = column % p.channels;
  float sum = 0;
  for_chunk(
      p.entries, place / columns,
      [&](int, int64 pixel) {
        sum += to_float(p.weights[3 * pixel + corner]) * to_float(p.grad[pixel * p.channels + channel]);
      },
      [&](int64 share) {
        p.shares[share * columns + column] = sum;
        sum = 0;
      });
}

__device__ inline void interpolate_vertices(const VertexSumsParameters& p) { add_vertex<float, Scalar>(p); }

}  // namespace meshanim

MESHANIM_KERNEL(interpolate, InterpolateParameters, meshanim::kInterpolateThreads, meshanim::interpolate)
MESHANIM_KERNEL(interpolate_weights, InterpolateParameters, meshanim::kInterpolateThreads,
                meshanim::interpolate_weights)
MESHANIM_KERNEL(interpolate_shares, InterpolateSharesParameters, meshanim::kInterpolateThreads,
                meshanim::interpolate_shares)
MESHANIM_KERNEL(interpolate_vertices, VertexSumsParameters, meshanim::kSumThreads, meshanim::interpolate_vertices)
