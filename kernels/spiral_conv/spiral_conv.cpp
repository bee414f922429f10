// Spiral convolution, forward and backward, for the instruction set that this file is compiled for.
#include "common/api.h"
#include "spiral_conv/activation.h"
#include "spiral_conv/forward.h"
#include "spiral_conv/gradient_weight.h"
#include "spiral_conv/gradient_x.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

template <class T>
int backward(const SpiralConvShape& s, const SpiralConvBackward& a) {
  const T* g = static_cast<const T*>(a.grad_out);
  Scratch<T> buffer(s.activation == kNone ? 0 : s.batch * s.vertices * s.out);
  if (buffer.failed()) return 1;
  if (s.activation != kNone) {
    activation_gradient(s, g, static_cast<const T*>(a.out), buffer.get());
    g = buffer.get();
  }
  if (a.grad_x && gradient_x(s, g, static_cast<const T*>(a.weight), a.starts, a.sources, a.places,
                             static_cast<T*>(a.grad_x)))
    return 1;
  if (a.grad_weight || a.grad_bias)
    return gradient_weight(s, g, static_cast<const T*>(a.x), a.slots, a.slot_stride,
                               static_cast<T*>(a.grad_weight), static_cast<T*>(a.grad_bias));
  return 0;
}

}  // namespace

int spiral_conv_forward(const SpiralConvShape& s, const void* x, const int32_t* slots, int64_t slot_stride,
                        const void* weight, const void* bias, void* out) {
  if (s.is_double)
    return forward(s, static_cast<const double*>(x), slots, slot_stride, static_cast<const double*>(weight),
                   static_cast<const double*>(bias), static_cast<double*>(out));
  return forward(s, static_cast<const float*>(x), slots, slot_stride, static_cast<const float*>(weight),
                 static_cast<const float*>(bias), static_cast<float*>(out));
}

int spiral_conv_backward(const SpiralConvShape& s, const SpiralConvBackward& arrays) {
  return s.is_double ? backward<double>(s, arrays) : backward<float>(s, arrays);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
