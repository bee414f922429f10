// The functions that every instruction set provides, and what they work on. All arrays are contiguous.
#pragma once

#include <cstdint>

#define MESHANIM_EXPORT extern "C" __attribute__((visibility("default")))

namespace meshanim {

constexpr int32_t kAbiVersion = 6;

enum Activation : int32_t { kNone = 0, kRelu = 1, kElu = 2 };

// x (batch, vertices, in), weight (out, length * in), result (batch, vertices, out). Spirals come as slots
// (length, slot_stride): entry (l, v) is the vertex at place l of v's spiral, -1 for none, and -1 behind the
// last vertex up to a multiple of kSlotPadding.
struct SpiralConvShape {
  int64_t batch, vertices, length, in, out;
  int32_t is_double, activation, threads;
};

struct SpiralConvBackward {
  const void *grad_out, *x, *weight, *out;
  const int32_t* slots;
  int64_t slot_stride;
  const int32_t *starts, *sources, *places;  // inverse lists, by vertex or by tile
  void *grad_x, *grad_weight, *grad_bias;    // null where not wanted
};

// x (batch, coarse, channels), indices and weights (fine, width), result (batch, fine, channels).
struct MeshPoolShape {
  int64_t batch, coarse, fine, width, channels;
  int32_t is_double, threads;
};

// How edges are chosen and refused, see edge_collapse.py.
struct CollapseRules {
  double round, length, boundary, turn, flat;
};

// Up-sampling and spiral convolution as one: x (batch, coarse, in), corners and up_weights (fine, corners),
// spirals of the fine level as above, weight (out, length * in), result (batch, fine, out). For members that go
// through alone, the fine level comes in patches as well: vertices (patches, patch_size), the rows that their
// spirals read (patches, patch_rows) and the coarse vertices that those need (patches, patch_coarse_size), how many
// of the three there are (patches, 3); places (patches, patch_size, length) in the rows, patch_rows for none, and
// the rows' corners (patches, patch_rows, corners) as places in the coarse vertices.
struct SpiralDecodeShape {
  int64_t batch, coarse, fine, corners, length, in, out;
  int32_t is_double, activation, threads;
};

struct SpiralDecodeTables {
  const int32_t *corners, *slots;
  int64_t slot_stride;
  const int32_t *patch_counts, *vertices, *rows, *patch_coarse;
  const int16_t *places, *patch_corners;
  int64_t patches, patch_size, patch_rows, patch_coarse_size;
};

struct SpiralDecodeBackward {
  const void *grad_out, *x, *up_weights, *weight, *out;
  const int32_t *starts, *sources, *places;  // inverse lists by coarse vertex and slot
  void *grad_x, *grad_weight, *grad_bias;    // null where not wanted
};

// points (batch, vertices, 3) column, row and depth, faces (faces, 3); results (batch, height, width, ...).
struct RasterizeShape {
  int64_t batch, vertices, faces, height, width;
  double near, radius;
  int32_t kept, perspective, is_double, threads;  // kept: faces per pixel
};

struct RasterizeBackward {
  const void* points;
  const int32_t* faces;
  const int64_t* face;
  const void *barycentric, *depth;
  const void *grad_barycentric, *grad_depth;  // null where not given
  const int32_t *starts, *entries;            // inverse lists of the faces
  void* grad_points;
};

struct SoftBackward {
  const void* points;
  const int32_t* faces;
  const int64_t* face;
  const void *grad_weights, *grad_depth, *grad_distance;  // null where not given
  const int32_t *starts, *entries;                        // inverse lists of the faces
  void* grad_points;
};

// attributes (batch, vertices, channels), faces (any, 3), face (batch, pixels), weights (batch, pixels, 3).
struct InterpolateShape {
  int64_t batch, vertices, pixels, channels;
  int32_t is_double, threads;
};

struct InterpolateArrays {
  const void* attributes;
  const int32_t* faces;
  const int64_t* face;
  const void *weights, *grad_out;
  void *out, *grad_attributes, *grad_weights;  // null where not wanted; grad_attributes comes filled with zeros
};

// Results: 0, or 1 where memory ran out.
#define MESHANIM_DECLARE_OPS                                                                                  \
  int spiral_conv_forward(const SpiralConvShape& shape, const void* x, const int32_t* slots,                  \
                          int64_t slot_stride, const void* weight, const void* bias, void* out);              \
  int spiral_conv_backward(const SpiralConvShape& shape, const SpiralConvBackward& arrays);                   \
  int mesh_pool_forward(const MeshPoolShape& shape, const void* x, const int32_t* indices,                    \
                        const void* weights, void* out);                                                      \
  int mesh_pool_backward(const MeshPoolShape& shape, const void* grad_out, const int32_t* starts,             \
                         const int32_t* entries, const void* weights, void* grad_x);                          \
  int32_t spiral_decode_patch_size(const SpiralDecodeShape& shape);                                           \
  int spiral_decode_forward(const SpiralDecodeShape& shape, const SpiralDecodeTables& tables, const void* x,  \
                            const void* up_weights, const void* weight, const void* bias, void* out);         \
  int spiral_decode_backward(const SpiralDecodeShape& shape, const SpiralDecodeBackward& arrays);             \
  int rasterize_forward(const RasterizeShape& shape, const void* points, const int32_t* faces, int64_t* face, \
                        void* barycentric, void* depth);                                                      \
  int rasterize_backward(const RasterizeShape& shape, const RasterizeBackward& arrays);                       \
  int soft_rasterize_forward(const RasterizeShape& shape, const void* points, const int32_t* faces,           \
                             int64_t* face, void* weights, void* depth, void* distance);                      \
  int soft_rasterize_backward(const RasterizeShape& shape, const SoftBackward& arrays);                       \
  int interpolate_forward(const InterpolateShape& shape, const InterpolateArrays& arrays);                    \
  int interpolate_backward(const InterpolateShape& shape, const InterpolateArrays& arrays);

constexpr int64_t kSlotPadding = 128;

// Vertices per tile of the inverse lists by tile.
constexpr int64_t kInverseTile = 64;

// Members of a batch that the gradient of x takes together where its inverse lists are by vertex.
constexpr int64_t kMembers = 8;

// Whether the gradient of x wants its inverse lists by vertex (else by tile): where the weight fits in cache and
// the batch is large.
inline bool inverse_by_vertex(const SpiralConvShape& s) {
  return s.batch >= kMembers && s.length * s.in * s.out * (s.is_double ? 8 : 4) <= 24 * 1024;
}

namespace baseline {
MESHANIM_DECLARE_OPS
}
namespace avx2 {
MESHANIM_DECLARE_OPS
}
namespace avx512 {
MESHANIM_DECLARE_OPS
}

}  // namespace meshanim
