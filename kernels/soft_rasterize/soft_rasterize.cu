// The nearest faces around each pixel's middle, and the gradient of the points. A block keeps the faces of its pixels
// in shared memory, the nearest first, of equally near ones the lowest index; where pixels keep many, it has fewer.
#include "common/face_sums.cuh"
#include "rasterize/soft_face.cuh"
#include "rasterize/tiles.cuh"

namespace meshanim {

struct SoftParameters {
  Picture picture;
  int64* face;                         // (batch, height, width, kept)
  float *weights, *depth, *distance;   // (batch, height, width, kept, 3), (batch, height, width, kept) twice
  int kept;
};

constexpr int kEntries = 2048;  // of all pixels of a block

struct SoftShared {
  FaceList<SoftFace> list;
  double depth[kEntries];
  int face[kEntries];
};

// The entries of one pixel, among those of kPixels.
template <int kPixels>
struct Kept {
  SoftShared& all;
  int most, count = 0;

  __device__ double& depth(int place) const { return all.depth[place * kPixels + threadIdx.x]; }
  __device__ int& face(int place) const { return all.face[place * kPixels + threadIdx.x]; }
  __device__ bool before(double far, int number, int place) const {
    return far < depth(place) || (far == depth(place) && number < face(place));
  }

  __device__ bool may_take(double nearest) const { return count < most || nearest < depth(count - 1); }

  __device__ void take(double far, int number) {
    if (count == most && !before(far, number, count - 1)) return;
    int place = count < most ? count++ : count - 1;
    for (; place > 0 && before(far, number, place - 1); --place) {
      depth(place) = depth(place - 1);
      face(place) = face(place - 1);
    }
    depth(place) = far;
    face(place) = number;
  }
};

__device__ inline void write_soft(const SoftParameters& p, int64 image, int64 entry, double column, double row,
                                  int number) {
  float *weights = p.weights + 3 * entry, depth = 0, distance = 0;
  p.face[entry] = number;
  weights[0] = weights[1] = weights[2] = 0;
  if (number >= 0) {
    SoftFace face;
    Nearest n;
    face.set_up(p.picture, image, number);
    face.find(p.picture.perspective, column, row, kLargest, n);
#pragma unroll
    for (int k = 0; k < 3; ++k) weights[k] = float(n.weight[k]);
    depth = float(n.depth);
    distance = float(n.distance);
  }
  p.depth[entry] = depth;
  p.distance[entry] = distance;
}

template <int kPixels>
__device__ inline void soft_rasterize(const SoftParameters& p) {
  const Picture& picture = p.picture;
  SoftShared& shared = shared_memory<SoftShared>();
  const Tile<kPixels> tile(picture);
  const double column = tile.column + 0.5, row = tile.row + 0.5, limit = picture.radius * picture.radius;
  for (int64 image = blockIdx.y; image < picture.batch; image += gridDim.y) {
    Kept<kPixels> kept{shared, p.kept};
    for_faces_near(picture, image, tile, shared.list, [&](const SoftFace& face, int number) {
      Nearest n;
      if (kept.may_take(face.nearest) && face.find(picture.perspective, column, row, limit, n))
        kept.take(n.depth, number);
    });
    if (!tile.in(picture)) continue;
    const int64 pixel = (image * picture.height + tile.row) * picture.width + tile.column;
#pragma unroll 1
    for (int i = 0; i < p.kept; ++i)
      write_soft(p, image, pixel * p.kept + i, column, row, i < kept.count ? kept.face(i) : -1);
  }
}

struct SoftGradientParameters {
  Picture picture;
  FaceEntries entries;                                   // faces of pixels by face
  const float *grad_weights, *grad_depth, *grad_distance;  // null where not given
  double* shares;                                        // column, row and depth of each corner
  int64 chunks;
  int kept;
};

// The entries of a chunk.
__device__ inline void soft_gradient(const SoftGradientParameters& p) {
  const Picture& picture = p.picture;
  const int64 chunk = int64(blockIdx.x) * kSumThreads + threadIdx.x;
  if (chunk >= p.chunks) return;
  double grad[9] = {};
  for_chunk(
      p.entries, chunk,
      [&](int key, int64 entry) {
        const int64 pixel = entry / p.kept;
        const double column = int(pixel % picture.width) + 0.5;
        const double row = int(pixel / picture.width % picture.height) + 0.5;
        double grad_weight[3];
#pragma unroll
        for (int k = 0; k < 3; ++k) grad_weight[k] = p.grad_weights ? p.grad_weights[3 * entry + k] : 0;
        SoftFace face;
        face.set_up(picture, key / picture.faces, key % picture.faces);
        face.add_gradient(picture.perspective, column, row, grad_weight, p.grad_depth ? p.grad_depth[entry] : 0,
                          p.grad_distance ? p.grad_distance[entry] : 0, grad);
      },
      [&](int64 share) { finish_share(p.shares, share, grad); });
}

__device__ inline void soft_vertices(const VertexSumsParameters& p) { add_vertex<double, float>(p); }

}  // namespace meshanim

#define MESHANIM_SOFT(pixels) \
  MESHANIM_KERNEL(soft_rasterize_##pixels, SoftParameters, meshanim::kGroup, meshanim::soft_rasterize<pixels>)

MESHANIM_KERNEL(soft_rasterize_boxes, Picture, meshanim::kGroup, meshanim::find_boxes<false>)
MESHANIM_SOFT(128)
MESHANIM_SOFT(64)
MESHANIM_SOFT(32)
MESHANIM_KERNEL(soft_rasterize_gradient, SoftGradientParameters, meshanim::kSumThreads, meshanim::soft_gradient)
MESHANIM_KERNEL(soft_rasterize_vertices, VertexSumsParameters, meshanim::kSumThreads, meshanim::soft_vertices)
