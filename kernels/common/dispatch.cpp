// The library's C face: what Python calls through ctypes. Picks the widest instruction set that this build
// and this processor share, once; and builds the inverse lists, which need no vectors.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "common/api.h"

namespace meshanim {
namespace {

enum Level : int32_t { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

int32_t best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(MESHANIM_HAS_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return kAvx512;
#endif
#if defined(MESHANIM_HAS_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2;
#endif
#endif
  return kBaseline;
}

int32_t& level() {
  static int32_t chosen = best_level();
  return chosen;
}

}  // namespace
}  // namespace meshanim

using namespace meshanim;

#if defined(MESHANIM_HAS_AVX512)
#define MESHANIM_CASE_AVX512(call) \
  case kAvx512:                    \
    return avx512::call;
#else
#define MESHANIM_CASE_AVX512(call)
#endif
#if defined(MESHANIM_HAS_AVX2)
#define MESHANIM_CASE_AVX2(call) \
  case kAvx2:                    \
    return avx2::call;
#else
#define MESHANIM_CASE_AVX2(call)
#endif
#define MESHANIM_DISPATCH(call)    \
  switch (level()) {               \
    MESHANIM_CASE_AVX512(call)     \
    MESHANIM_CASE_AVX2(call)       \
    default:                       \
      return baseline::call;       \
  }

MESHANIM_EXPORT int32_t meshanim_abi_version() { return kAbiVersion; }

MESHANIM_EXPORT const char* meshanim_instruction_set() {
  switch (level()) {
    case kAvx512:
      return "avx512";
    case kAvx2:
      return "avx2";
    default:
      return "baseline";
  }
}

// Tests walk through all sets: returns 1 where this build or processor lacks the one asked for.
MESHANIM_EXPORT int32_t meshanim_use_instruction_set(const char* name) {
  const int32_t wanted = !std::strcmp(name, "avx512") ? kAvx512 : !std::strcmp(name, "avx2") ? kAvx2 : kBaseline;
  if (wanted > best_level()) return 1;
#if !defined(MESHANIM_HAS_AVX2)
  if (wanted == kAvx2) return 1;
#endif
  level() = wanted;
  return 0;
}

// Counting sort of all places of an index matrix by what they point at: the places of target u, each being
// row * width + column in ascending order, are entries[starts[u] : starts[u + 1]].
MESHANIM_EXPORT int32_t meshanim_inverse_lists(const int32_t* indices, int64_t rows, int64_t width,
                                               int64_t target_count, int32_t* starts, int32_t* entries) {
  std::memset(starts, 0, sizeof(int32_t) * size_t(target_count + 1));
  const int64_t total = rows * width;
  for (int64_t i = 0; i < total; ++i)
    if (indices[i] >= 0) ++starts[indices[i] + 1];
  for (int64_t u = 0; u < target_count; ++u) starts[u + 1] += starts[u];
  auto* next = static_cast<int32_t*>(std::malloc(sizeof(int32_t) * size_t(target_count + 1)));
  if (!next) return 1;
  std::memcpy(next, starts, sizeof(int32_t) * size_t(target_count + 1));
  for (int64_t i = 0; i < total; ++i)
    if (indices[i] >= 0) entries[next[indices[i]]++] = int32_t(i);
  std::free(next);
  return 0;
}

// Inverse spirals from slots (length, slot_stride). List i lies between starts[i] and starts[i + 1]; sources
// are the vertices v. By vertex: list u holds all (v, l) that point at u, places are the slots l. By tile of
// kInverseTile vertices: list tile * length + l, places are positions inside the tile.
MESHANIM_EXPORT int32_t meshanim_inverse_spirals(const int32_t* slots, int64_t slot_stride, int64_t vertices,
                                                 int64_t length, int32_t by_vertex, int32_t* starts,
                                                 int32_t* sources, int32_t* places) {
  const int64_t lists = by_vertex ? vertices : (vertices + kInverseTile - 1) / kInverseTile * length;
  auto list = [&](int64_t u, int64_t l) { return by_vertex ? u : u / kInverseTile * length + l; };
  std::memset(starts, 0, sizeof(int32_t) * size_t(lists + 1));
  for (int64_t l = 0; l < length; ++l)
    for (int64_t v = 0; v < vertices; ++v) {
      const int64_t u = slots[l * slot_stride + v];
      if (u >= 0) ++starts[list(u, l) + 1];
    }
  for (int64_t i = 0; i < lists; ++i) starts[i + 1] += starts[i];
  auto* next = static_cast<int32_t*>(std::malloc(sizeof(int32_t) * size_t(lists + 1)));
  if (!next) return 1;
  std::memcpy(next, starts, sizeof(int32_t) * size_t(lists + 1));
  for (int64_t l = 0; l < length; ++l)
    for (int64_t v = 0; v < vertices; ++v) {
      const int64_t u = slots[l * slot_stride + v];
      if (u < 0) continue;
      const int32_t place = next[list(u, l)]++;
      sources[place] = int32_t(v);
      places[place] = int32_t(by_vertex ? l : u % kInverseTile);
    }
  std::free(next);
  return 0;
}

// Inverse of spirals over an up-sampled mesh: list u * length + l holds, by ascending v, all vertices v whose
// place l of the spiral, f, has the coarse vertex u for a corner; places are f * width + k in the matrix of
// corners (vertices, width).
MESHANIM_EXPORT int32_t meshanim_inverse_decode(const int32_t* slots, int64_t slot_stride, int64_t vertices,
                                                int64_t length, const int32_t* corners, int64_t width,
                                                int64_t coarse, int32_t* starts, int32_t* sources,
                                                int32_t* places) {
  const int64_t lists = coarse * length;
  auto* next = static_cast<int32_t*>(std::calloc(size_t(lists + 1), sizeof(int32_t)));
  if (!next) return 1;
  const auto each = [&](auto body) {
    for (int64_t l = 0; l < length; ++l)
      for (int64_t v = 0; v < vertices; ++v) {
        const int64_t f = slots[l * slot_stride + v];
        if (f < 0) continue;
        for (int64_t k = 0; k < width; ++k) body(v, f * width + k, corners[f * width + k] * length + l);
      }
  };
  each([&](int64_t, int64_t, int64_t list) { ++next[list + 1]; });
  for (int64_t i = 0; i < lists; ++i) next[i + 1] += next[i];
  std::memcpy(starts, next, sizeof(int32_t) * size_t(lists + 1));
  each([&](int64_t v, int64_t entry, int64_t list) {
    const int32_t place = next[list]++;
    sources[place] = int32_t(v);
    places[place] = int32_t(entry);
  });
  std::free(next);
  return 0;
}

MESHANIM_EXPORT int32_t meshanim_inverse_list_count(int64_t vertices, int64_t length, int32_t by_vertex) {
  return int32_t(by_vertex ? vertices : (vertices + kInverseTile - 1) / kInverseTile * length);
}

MESHANIM_EXPORT int32_t meshanim_slot_padding() { return int32_t(kSlotPadding); }

MESHANIM_EXPORT int32_t meshanim_inverse_by_vertex(const SpiralConvShape* shape) {
  return inverse_by_vertex(*shape);
}

MESHANIM_EXPORT int32_t meshanim_spiral_conv_forward(const SpiralConvShape* shape, const void* x,
                                                     const int32_t* slots, int64_t slot_stride,
                                                     const void* weight, const void* bias, void* out) {
  MESHANIM_DISPATCH(spiral_conv_forward(*shape, x, slots, slot_stride, weight, bias, out))
}

MESHANIM_EXPORT int32_t meshanim_spiral_conv_backward(const SpiralConvShape* shape,
                                                      const SpiralConvBackward* arrays) {
  MESHANIM_DISPATCH(spiral_conv_backward(*shape, *arrays))
}

MESHANIM_EXPORT int32_t meshanim_mesh_pool_forward(const MeshPoolShape* shape, const void* x,
                                                   const int32_t* indices, const void* weights, void* out) {
  MESHANIM_DISPATCH(mesh_pool_forward(*shape, x, indices, weights, out))
}

MESHANIM_EXPORT int32_t meshanim_mesh_pool_backward(const MeshPoolShape* shape, const void* grad_out,
                                                    const int32_t* starts, const int32_t* entries,
                                                    const void* weights, void* grad_x) {
  MESHANIM_DISPATCH(mesh_pool_backward(*shape, grad_out, starts, entries, weights, grad_x))
}

// Vertices of the patches that the forward pass wants for these sizes, 0 for none.
MESHANIM_EXPORT int32_t meshanim_spiral_decode_patch_size(const SpiralDecodeShape* shape) {
  MESHANIM_DISPATCH(spiral_decode_patch_size(*shape))
}

MESHANIM_EXPORT int32_t meshanim_spiral_decode_forward(const SpiralDecodeShape* shape,
                                                       const SpiralDecodeTables* tables, const void* x,
                                                       const void* up_weights, const void* weight,
                                                       const void* bias, void* out) {
  MESHANIM_DISPATCH(spiral_decode_forward(*shape, *tables, x, up_weights, weight, bias, out))
}

MESHANIM_EXPORT int32_t meshanim_spiral_decode_backward(const SpiralDecodeShape* shape,
                                                        const SpiralDecodeBackward* arrays) {
  MESHANIM_DISPATCH(spiral_decode_backward(*shape, *arrays))
}

MESHANIM_EXPORT int32_t meshanim_rasterize_forward(const RasterizeShape* shape, const void* points,
                                                   const int32_t* faces, int64_t* face, void* barycentric,
                                                   void* depth) {
  MESHANIM_DISPATCH(rasterize_forward(*shape, points, faces, face, barycentric, depth))
}

MESHANIM_EXPORT int32_t meshanim_rasterize_backward(const RasterizeShape* shape,
                                                    const RasterizeBackward* arrays) {
  MESHANIM_DISPATCH(rasterize_backward(*shape, *arrays))
}

MESHANIM_EXPORT int32_t meshanim_interpolate_forward(const InterpolateShape* shape,
                                                     const InterpolateArrays* arrays) {
  MESHANIM_DISPATCH(interpolate_forward(*shape, *arrays))
}

MESHANIM_EXPORT int32_t meshanim_interpolate_backward(const InterpolateShape* shape,
                                                      const InterpolateArrays* arrays) {
  MESHANIM_DISPATCH(interpolate_backward(*shape, *arrays))
}

MESHANIM_EXPORT int32_t meshanim_soft_rasterize_forward(const RasterizeShape* shape, const void* points,
                                                        const int32_t* faces, int64_t* face, void* weights,
                                                        void* depth, void* distance) {
  MESHANIM_DISPATCH(soft_rasterize_forward(*shape, points, faces, face, weights, depth, distance))
}

MESHANIM_EXPORT int32_t meshanim_soft_rasterize_backward(const RasterizeShape* shape, const SoftBackward* arrays) {
  MESHANIM_DISPATCH(soft_rasterize_backward(*shape, *arrays))
}
