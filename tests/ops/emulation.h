// The CUDA sources on a CPU: blocks one after another, the threads of a block as fibers that stop at barriers.
// Included by kernels/common/device.cuh in place of what only a GPU has. Shared memory starts as NaN; fibers run
// in the order asked for, so that a missing barrier shows as a difference between orders; lanes that part
// before a warp-wide operation, misplaced rows and wrong sizes of parameters end the process with a sentence.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __device__
#define __restrict__

namespace emulation {

struct Place {
  unsigned x, y, z;
};

enum State { kReady, kAtWarp, kAtBlock, kDone };

struct Exchange {
  const void* row;
  meshanim::FragmentA a;
  meshanim::FragmentB b;
};

struct Fiber {
  ucontext_t context;
  State state;
  unsigned turn;          // of the warp-wide operations
  Exchange exchange[2];   // even and odd turns
  std::unique_ptr<char[]> stack;
};

constexpr size_t kStack = 128 * 1024;
alignas(128) inline char shared[48 * 1024];  // what a block may have without asking
inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline const std::function<void()>* body;
inline unsigned current;

[[noreturn]] inline void fail(const char* text) {
  std::fprintf(stderr, "emulation: %s\n", text);
  std::abort();
}

inline void wait(State state) {
  fibers[current].state = state;
  swapcontext(&fibers[current].context, &scheduler);
}

}  // namespace emulation

inline emulation::Place threadIdx, blockIdx, gridDim;

inline void __syncthreads() { emulation::wait(emulation::kAtBlock); }

inline int atomicAdd(int* target, int value) {
  const int before = *target;
  *target += value;
  return before;
}

namespace emulation {

inline void enter() {
  (*body)();
  wait(kDone);
}

inline void resume(unsigned thread) {
  current = thread;
  threadIdx = {thread, 0, 0};
  swapcontext(&scheduler, &fibers[thread].context);
}

// Run the lanes of a warp until all of them wait for the block or are done.
inline void run_warp(unsigned first, unsigned last, bool backwards) {
  for (bool moved = true; moved;) {
    moved = false;
    for (unsigned i = first; i < last; ++i) {
      const unsigned thread = backwards ? first + last - 1 - i : i;
      if (fibers[thread].state != kReady) continue;
      resume(thread);
      moved = true;
    }
    unsigned at_warp = 0;
    for (unsigned i = first; i < last; ++i) at_warp += fibers[i].state == kAtWarp;
    if (at_warp == 0) return;
    if (at_warp != 32) fail("lanes of a warp parted before an operation of the whole warp");
    for (unsigned i = first; i < last; ++i) fibers[i].state = kReady;
    moved = true;
  }
}

inline void run_block(unsigned threads, bool backwards) {
  std::memset(shared, 0xff, sizeof shared);
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = fibers[i];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
    fiber.state = kReady;
    fiber.turn = 0;
  }
  for (bool alive = true; alive;) {
    alive = false;
    for (unsigned i = 0; i < threads; i += 32) {
      const unsigned warp = backwards ? threads - 32 - i : i;
      run_warp(warp, warp + 32, backwards);
    }
    for (unsigned i = 0; i < threads; ++i) {
      if (fibers[i].state != kAtBlock) continue;
      fibers[i].state = kReady;
      alive = true;
    }
  }
}

inline void run(const unsigned* grid, unsigned threads, bool backwards, const std::function<void()>& function) {
  while (fibers.size() < threads) {
    fibers.emplace_back();
    fibers.back().stack.reset(new char[kStack]);
  }
  body = &function;
  gridDim = {grid[0], grid[1], grid[2]};
  const unsigned blocks = grid[0] * grid[1] * grid[2];
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned block = backwards ? blocks - 1 - i : i;
    blockIdx = {block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]};
    run_block(threads, backwards);
  }
}

// What every lane brought to an operation of its whole warp; a lane cannot overtake another by two turns.
class Warp {
 public:
  explicit Warp(const Exchange& mine) : turn_(fibers[current].turn++ % 2), first_(current / 32 * 32) {
    fibers[current].exchange[turn_] = mine;
    wait(kAtWarp);
  }
  const Exchange& operator[](unsigned lane) const { return fibers[first_ + lane].exchange[turn_]; }

 private:
  unsigned turn_, first_;
};

inline unsigned value(const Warp& warp, unsigned lane, unsigned index) {
  const char* row = static_cast<const char*>(warp[lane].row);
  if (row < shared || row + 16 > shared + sizeof shared || (row - shared) % 16)
    fail("a row of a matrix must be 16 aligned bytes of shared memory");
  return reinterpret_cast<const unsigned short*>(row)[index];
}

// Matrix `index` of 8 x 8 values as lanes get it: neighbours of a row, or of a column.
inline unsigned matrix(const Warp& warp, unsigned index, bool transposed) {
  const unsigned lane = threadIdx.x % 32, line = lane / 4, first = lane % 4 * 2;
  unsigned result = 0;
  for (unsigned i = 0; i < 2; ++i)
    result |= (transposed ? value(warp, 8 * index + first + i, line) : value(warp, 8 * index + line, first + i))
              << 16 * i;
  return result;
}

template <class Fragment>
Fragment matrices(const void* row, bool transposed) {
  const Warp warp({row, {}, {}});
  Fragment result;
  for (unsigned i = 0; i < sizeof result.values / 4; ++i) result.values[i] = matrix(warp, i, transposed);
  return result;
}

inline float half_value(unsigned bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                     : exponent     ? std::ldexp(float(1024 + mantissa), exponent - 25)
                                    : std::ldexp(float(mantissa), -24);
  return bits & 0x8000 ? -size : size;
}

inline const float* half_values() {
  static const std::vector<float> table = [] {
    std::vector<float> values(65536);
    for (unsigned i = 0; i < 65536; ++i) values[i] = half_value(i);
    return values;
  }();
  return table.data();
}

inline unsigned half_bits(float value) {
  if (std::isnan(value)) return 0x7fff;
  const unsigned sign = std::signbit(value) ? 0x8000 : 0;
  const float size = std::fabs(value);
  if (size >= 65520.0f) return sign | 0x7c00;
  const int exponent = size < 6.103515625e-05f ? -14 : std::ilogb(size);
  const int steps = int(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return sign | (steps < 1024 ? steps : ((exponent + 15) << 10) + (steps - 1024));
}

}  // namespace emulation

#define MESHANIM_KERNEL(name, Parameters, threads, function)                                         \
  extern "C" void name(const void* parameters, size_t size, const unsigned* grid, unsigned block, bool backwards) { \
    if (size != sizeof(meshanim::Parameters)) emulation::fail(#name " got parameters of another size");  \
    if (block != unsigned(threads)) emulation::fail(#name " got another number of threads");           \
    emulation::run(grid, block, backwards,                                                           \
                   [&] { function(*static_cast<const meshanim::Parameters*>(parameters)); });       \
  }

namespace meshanim {

template <class Tiles>
Tiles& shared_memory() {
  static_assert(sizeof(Tiles) <= sizeof emulation::shared);
  return *reinterpret_cast<Tiles*>(emulation::shared);
}

inline float to_float(Half value) { return emulation::half_values()[value.bits]; }
inline float to_float(Bfloat16 value) {
  const uint32_t bits = uint32_t(value.bits) << 16;
  float result;
  std::memcpy(&result, &bits, 4);
  return result;
}
inline void round_to(Half& target, float value) { target.bits = emulation::half_bits(value); }
inline void round_to(Bfloat16& target, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  target.bits = std::isnan(value) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

inline FragmentA load_matrices(const void* row) { return emulation::matrices<FragmentA>(row, false); }
inline FragmentA load_matrices_transposed(const void* row) { return emulation::matrices<FragmentA>(row, true); }
inline FragmentB load_two_matrices(const void* row) { return emulation::matrices<FragmentB>(row, false); }
inline FragmentB load_two_matrices_transposed(const void* row) {
  return emulation::matrices<FragmentB>(row, true);
}

// The layouts of mma.m16n8k16 in the PTX manual: which lane and register hold an element of A and B.
template <class T>
void multiply_add(T, float (&c)[4], FragmentA a, FragmentB b) {
  const emulation::Warp warp({nullptr, a, b});
  const unsigned lane = threadIdx.x % 32;
  for (unsigned e = 0; e < 4; ++e) {
    const unsigned row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
    float sum = 0;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned left = warp[row % 8 * 4 + k % 8 / 2].a.values[row / 8 + k / 8 * 2];
      const unsigned right = warp[column * 4 + k % 8 / 2].b.values[k / 8];
      const auto part = [k](unsigned pair) { return T{static_cast<unsigned short>(pair >> k % 2 * 16)}; };
      sum += to_float(part(left)) * to_float(part(right));
    }
    c[e] += sum;
  }
}

}  // namespace meshanim
