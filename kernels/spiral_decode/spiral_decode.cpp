// Up-sampling and spiral convolution as one, forward and backward, for the instruction set that this file is
// compiled for.
#include "spiral_decode/backward.h"
#include "spiral_decode/forward.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

int32_t spiral_decode_patch_size(const SpiralDecodeShape& s) {
  return s.is_double ? patch_size<double>(s) : patch_size<float>(s);
}

int spiral_decode_forward(const SpiralDecodeShape& s, const SpiralDecodeForward& arrays) {
  return s.is_double ? forward<double>(s, arrays) : forward<float>(s, arrays);
}

int spiral_decode_backward(const SpiralDecodeShape& s, const SpiralDecodeBackward& arrays) {
  return s.is_double ? backward<double>(s, arrays) : backward<float>(s, arrays);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
