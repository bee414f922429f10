// The functions that every instruction set provides, and the sizes they work on.
#pragma once

#include <cstdint>

namespace meshanim {

constexpr int32_t kAbiVersion = 1;

enum Activation : int32_t { kNone = 0, kRelu = 1, kElu = 2 };

// x (batch, vertices, in), spirals (vertices, length) with -1 for none, out (batch, vertices, out).
struct SpiralConvShape {
  int64_t batch, vertices, length, in, out;
  int32_t is_double, activation, threads;
};

// x (batch, coarse, channels), indices and weights (fine, width), out (batch, fine, channels).
struct MeshPoolShape {
  int64_t batch, coarse, fine, width, channels;
  int32_t is_double, threads;
};

// All arrays are contiguous. Results: 0, or 1 where memory ran out.
#define MESHANIM_DECLARE_OPS                                                                                  \
  int spiral_conv_forward(const SpiralConvShape& shape, const void* x, const int32_t* spirals,                \
                          const void* weight, const void* bias, void* out);                                   \
  int spiral_conv_backward(const SpiralConvShape& shape, const void* grad_out, const void* x,                 \
                           const int32_t* spirals, const void* weight, const void* out,                       \
                           const int32_t* starts, const int32_t* sources, const int32_t* targets,             \
                           void* grad_x, void* grad_weight, void* grad_bias);                                 \
  int mesh_pool_forward(const MeshPoolShape& shape, const void* x, const int32_t* indices,                    \
                        const void* weights, void* out);                                                      \
  int mesh_pool_backward(const MeshPoolShape& shape, const void* grad_out, const int32_t* starts,             \
                         const int32_t* entries, const void* weights, void* grad_x);

// Vertices per tile of the inverse spiral lists.
constexpr int64_t kInverseTile = 64;

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
