// Activations of the convolutions, and what slots say instead of a row.
#pragma once

#include "common/device.cuh"

namespace meshanim {

enum Activation { kNone = 0, kRelu = 1, kElu = 2 };

constexpr int kNothing = -1;  // a slot that counts as a row of zeros; no vertex

__device__ inline float activated(float value, int activation) {
  if (value > 0.0f || activation == kNone) return value;
  return activation == kRelu ? 0.0f : expm1f(value);
}

}  // namespace meshanim
