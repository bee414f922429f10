// The kernels of the spiral convolution: one product for the result and the gradient of x, in several sizes of
// tiles, the gradients of weight and bias, and that of the activation.
#include "common/device.cuh"
#include "spiral_conv/gather_product.cuh"
#include "spiral_conv/gradient_weight.cuh"

namespace meshanim {

template <int kRows, int kColumns>
__device__ inline void spiral_product(const SpiralProductParameters& p) {
  gather_product<Scalar, SpiralRows<Scalar>, kRows, kColumns>(p);
}

template <int kOutputs>
__device__ inline void spiral_weight(const SpiralWeightParameters& p) {
  gradient_weight<Scalar, kOutputs>(p);
}

__device__ inline void spiral_shares(const SpiralSharesParameters& p) { add_shares<Scalar>(p); }

struct SpiralSlopeParameters {
  const void *grad, *out;
  void* result;
  int64 size;
  int activation;
};

constexpr int kSlopeThreads = 256, kSlopeCount = 8;  // values per thread

// grad of what goes into the activation, from what came out of it.
__device__ inline void spiral_slope(const SpiralSlopeParameters& p) {
  const int64 first = int64(blockIdx.x) * (kSlopeThreads * kSlopeCount) + threadIdx.x;
#pragma unroll
  for (int i = 0; i < kSlopeCount; ++i) {
    const int64 place = first + i * kSlopeThreads;
    if (place >= p.size) return;
    const float out = to_float(static_cast<const Scalar*>(p.out)[place]);
    const float grad = to_float(static_cast<const Scalar*>(p.grad)[place]);
    const float slope = out > 0.0f ? 1.0f : p.activation == kElu ? out + 1.0f : 0.0f;
    static_cast<Scalar*>(p.result)[place] = rounded<Scalar>(grad * slope);
  }
}

}  // namespace meshanim

#define MESHANIM_PRODUCT(rows, columns)                                                              \
  MESHANIM_KERNEL(spiral_product_##rows##x##columns, SpiralProductParameters, meshanim::kThreads,    \
                  (meshanim::spiral_product<rows, columns>))
#define MESHANIM_WEIGHT(outputs)                                                                     \
  MESHANIM_KERNEL(spiral_weight_##outputs, SpiralWeightParameters, meshanim::kThreads,               \
                  (meshanim::spiral_weight<outputs>))

MESHANIM_PRODUCT(128, 64)
MESHANIM_PRODUCT(128, 32)
MESHANIM_PRODUCT(128, 16)
MESHANIM_PRODUCT(32, 64)
MESHANIM_PRODUCT(32, 32)
MESHANIM_PRODUCT(32, 16)
#ifdef MESHANIM_NARROW  // without tensor cores, unused columns cost as much as used ones
MESHANIM_PRODUCT(128, 8)
MESHANIM_PRODUCT(128, 4)
MESHANIM_PRODUCT(32, 8)
MESHANIM_PRODUCT(32, 4)
#endif

MESHANIM_WEIGHT(64)
MESHANIM_WEIGHT(32)
MESHANIM_WEIGHT(16)
MESHANIM_WEIGHT(8)

MESHANIM_KERNEL(spiral_shares, SpiralSharesParameters, 256, meshanim::spiral_shares)
MESHANIM_KERNEL(spiral_slope, SpiralSlopeParameters, meshanim::kSlopeThreads, meshanim::spiral_slope)
