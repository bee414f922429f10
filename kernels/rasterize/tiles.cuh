// Pictures in tiles, one for each block: it walks through the faces that may reach its pixels, every thread of one
// pixel. No list of faces outgrows a block's shared memory, so that nothing has to be counted and allocated first.
// Within a tile faces come in no particular order: what a pixel keeps of them must not depend on it.
#pragma once

#include "rasterize/crossing.cuh"

namespace meshanim {

constexpr int kGroup = 128;  // faces of a group, threads of a block

__device__ inline int groups_of(const Picture& p) { return (p.faces + kGroup - 1) / kGroup; }

// What a face may reach; nothing where it crosses the plane from which the camera sees and these are left out.
template <bool kCrossing>
__device__ inline Box box_of(const Picture& p, int64 image, int face) {
  const Corners corners(p, image, face);
  return kCrossing && corners.crosses(p) ? Crossing(p, image, face).box(p) : box_around(p, corners);
}

// The boxes around faces, and around groups of them: those that follow each other in a mesh are mostly close.
template <bool kCrossing>
__device__ inline void find_boxes(const Picture& p) {
  Box(&around)[kGroup] = shared_memory<Box[kGroup]>();
  for (int64 image = blockIdx.y; image < p.batch; image += gridDim.y) {
    const int64 face = int64(blockIdx.x) * kGroup + threadIdx.x;
    Box box = nowhere();
    if (face < p.faces) p.boxes[image * p.faces + face] = box = box_of<kCrossing>(p, image, int(face));
    around[threadIdx.x] = box.last < 0 ? Box{p.width, -1, p.height, -1} : box;
    for (int half = kGroup / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.x >= half) continue;
      Box& mine = around[threadIdx.x];
      const Box& other = around[threadIdx.x + half];
      mine = {mine.first < other.first ? mine.first : other.first, mine.last > other.last ? mine.last : other.last,
              mine.top < other.top ? mine.top : other.top,
              mine.bottom > other.bottom ? mine.bottom : other.bottom};
    }
    if (threadIdx.x == 0) p.groups[image * groups_of(p) + blockIdx.x] = around[0];
    __syncthreads();
  }
}

// The pixels of a block, 8 x 4 for each warp. Threads beyond kPixels have none.
template <int kPixels>
struct Tile {
  static constexpr int across = kPixels > 32 ? 16 : 8, down = kPixels / across;
  Box box;
  int column, row;
  bool draws;  // whether this thread has a pixel

  __device__ explicit Tile(const Picture& p) {
    const int columns = (p.width + across - 1) / across, number = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int left = blockIdx.x % columns * across, top = blockIdx.x / columns * down;
    box = {left, left + across - 1, top, top + down - 1};
    column = left + number * 8 % across + lane % 8;
    row = top + number * 8 / across * 4 + lane / 8;
    draws = threadIdx.x < kPixels;
  }

  __device__ bool in(const Picture& p) const { return draws && column < p.width && row < p.height; }
};

template <class Face>
struct FaceList {
  Box boxes[kGroup];
  Face faces[kGroup];
  int numbers[kGroup], count;
};

// Calls visit(face, number) for the faces that may reach a thread's pixel.
template <class Face, class Place, class Visit>
__device__ inline void for_faces_near(const Picture& p, int64 image, const Place& tile, FaceList<Face>& list,
                                      Visit visit) {
  const int groups = groups_of(p);
  for (int group = 0; group < groups; ++group) {
    if (!meet(p.groups[image * groups + group], tile.box)) continue;
    if (threadIdx.x == 0) list.count = 0;
    __syncthreads();
    const int64 face = int64(group) * kGroup + threadIdx.x;
    if (face < p.faces) {
      const Box box = p.boxes[image * p.faces + face];
      if (meet(box, tile.box)) {
        const int place = atomicAdd(&list.count, 1);
        list.boxes[place] = box;
        list.numbers[place] = int(face);
        list.faces[place].set_up(p, image, int(face));
      }
    }
    __syncthreads();
    if (tile.draws)
      for (int i = 0; i < list.count; ++i)
        if (holds(list.boxes[i], tile.column, tile.row)) visit(list.faces[i], list.numbers[i]);
    __syncthreads();
  }
}

}  // namespace meshanim
