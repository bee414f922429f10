// Up-sampling and spiral convolution as one, forward and backward, for the instruction set that this file is
// compiled for.
#include "spiral_decode/backward.h"
#include "spiral_decode/forward.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

int32_t spiral_decode_patch_size(const SpiralDecodeShape& s) {
  return s.is_double ? patch_size<double>(s) : patch_size<float>(s);
}

template <class T>
int decode(const SpiralDecodeShape& s, const SpiralDecodeTables& tables, const void* x, const void* up_weights,
           const void* weight, const void* bias, void* out) {
  return forward<T>({s, tables, static_cast<const T*>(x), static_cast<const T*>(up_weights),
                     static_cast<const T*>(weight), static_cast<const T*>(bias), static_cast<T*>(out)});
}

int spiral_decode_forward(const SpiralDecodeShape& s, const SpiralDecodeTables& tables, const void* x,
                          const void* up_weights, const void* weight, const void* bias, void* out) {
  return (s.is_double ? decode<double> : decode<float>)(s, tables, x, up_weights, weight, bias, out);
}

int spiral_decode_backward(const SpiralDecodeShape& s, const SpiralDecodeBackward& arrays) {
  return s.is_double ? backward<double>(s, arrays) : backward<float>(s, arrays);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
