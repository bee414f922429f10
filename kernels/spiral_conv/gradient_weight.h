// grad_weight[o, l, c] = sum over (b, v) of g[b, v, o] x[b, s(v, l), c], and grad_bias[o] = sum of g. A block
// (slots, outputs, inputs) of the result stays in registers over a run of vertices; finished runs are added
// to sums in double precision, so that rounding does not grow with the mesh. Every thread sums its own share
// of the runs, and the shares are added in order.
#pragma once

#include "common/api.h"
#include "spiral_conv/rows.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

constexpr int64_t kRun = 128;

template <class T, class Rows>
struct WeightRun {
  const T* g;  // (count, outputs)
  Rows rows;   // (slots, kRun)
  int64_t count, outputs;
  double* sums;  // (outputs, slots, inputs), in two strides
  int64_t output_stride, slot_stride;
};

// Slots [l0, l0 + LR), outputs [o0, o0 + OR), inputs [c0, c0 + CV * W).
template <class T, int W, int LR, int OR, int CV, class Rows>
MESHANIM_KERNEL void multiply_run(const WeightRun<T, Rows>& run, int64_t l0, int64_t o0, int64_t c0) {
  Vec<T, W> acc[LR][OR][CV];
  for (int l = 0; l < LR; ++l)
    for (int o = 0; o < OR; ++o)
      for (int c = 0; c < CV; ++c) acc[l][o][c] = Vec<T, W>{};
  const T* g = run.g + o0;
  Rows rows = run.rows.from(l0 * kRun);
  for (int64_t m = 0; m < run.count; ++m, g += run.outputs, rows = rows.from(1)) {
    if constexpr (OR < LR * CV) {  // hold the fewer of the two operands
      T gm[OR];
      for (int o = 0; o < OR; ++o) gm[o] = g[o];
      for (int l = 0; l < LR; ++l)
        for (int c = 0; c < CV; ++c) {
          const Vec<T, W> xm = load<T, W>(rows[l * kRun] + c0 + c * W);
          for (int o = 0; o < OR; ++o) acc[l][o][c] += xm * gm[o];
        }
    } else {
      Vec<T, W> xm[LR][CV];
      for (int l = 0; l < LR; ++l)
        for (int c = 0; c < CV; ++c) xm[l][c] = load<T, W>(rows[l * kRun] + c0 + c * W);
      for (int o = 0; o < OR; ++o) {
        const T go = g[o];
        for (int l = 0; l < LR; ++l)
          for (int c = 0; c < CV; ++c) acc[l][o][c] += xm[l][c] * go;
      }
    }
  }
  for (int l = 0; l < LR; ++l)
    for (int o = 0; o < OR; ++o)
      for (int c = 0; c < CV; ++c) {
        T part[W];
        store<T, W>(part, acc[l][o][c]);
        double* sum = run.sums + (o0 + o) * run.output_stride + (l0 + l) * run.slot_stride + c0 + c * W;
        for (int i = 0; i < W; ++i) sum[i] += double(part[i]);
      }
}

// All slots, LR at a time, of one block of outputs.
template <class T, int W, int LR, int OR, int CV, class Rows>
MESHANIM_INLINE void all_slots(const WeightRun<T, Rows>& run, int64_t slots, int64_t o0, int64_t c0) {
  int64_t l = 0;
  for (; l + LR <= slots; l += LR) multiply_run<T, W, LR, OR, CV>(run, l, o0, c0);
  if (constexpr int half = (LR + 1) / 2; LR > 1 && l + half <= slots) {
    multiply_run<T, W, half, OR, CV>(run, l, o0, c0);
    l += half;
  }
  for (; l < slots; ++l) multiply_run<T, W, 1, OR, CV>(run, l, o0, c0);
}

// As many slots at once as fill the registers.
template <class T, int W, int CV, class Rows>
MESHANIM_INLINE void all_outputs(const WeightRun<T, Rows>& run, int64_t slots, int64_t c0) {
  constexpr bool many = kRegisters == 32;
  int64_t o = 0;
  if (many && CV == 2)
    for (; o + 12 <= run.outputs && run.outputs - o != 16; o += 12)
      all_slots<T, W, 1, 12, CV>(run, slots, o, c0);
  if (many || CV == 1)
    for (; o + 8 <= run.outputs; o += 8) all_slots<T, W, (many && CV == 1 ? 3 : 1), 8, CV>(run, slots, o, c0);
  for (; o + 4 <= run.outputs; o += 4)
    all_slots<T, W, (many ? 6 : 3) / CV, 4, CV>(run, slots, o, c0);
  if (run.outputs - o == 3) all_slots<T, W, (many ? 9 : 3) / CV, 3, CV>(run, slots, o, c0);
  if (run.outputs - o == 2) all_slots<T, W, (many ? 9 : 4) / CV, 2, CV>(run, slots, o, c0);
  if (run.outputs - o == 1) all_slots<T, W, (many ? 9 : 4) / CV, 1, CV>(run, slots, o, c0);
}

// sums[o] += g[0, o] + ... over `count` rows; W rows at a time lie as `outputs` vectors in memory.
template <class T>
MESHANIM_INLINE void add_bias_run(const T* g, int64_t count, int64_t outputs, T* lanes, double* sums) {
  constexpr int W = kLanes<T>;
  for (int64_t i = 0; i < outputs * W; ++i) lanes[i] = T(0);
  int64_t m = 0;
  for (; m + W <= count; m += W, g += outputs * W)
    for (int64_t j = 0; j < outputs; ++j)
      store<T, W>(lanes + j * W, load<T, W>(lanes + j * W) + load<T, W>(g + j * W));
  for (int64_t i = 0; i < (count - m) * outputs; ++i) lanes[i] += g[i];
  for (int64_t i = 0; i < W; ++i)
    for (int64_t o = 0; o < outputs; ++o) sums[o] += double(lanes[i * outputs + o]);
}

template <class T, int W>
int gradient_weight_lanes(const SpiralConvShape& s, const T* g, const T* x, const int32_t* slots, int64_t slot_stride,
                    T* grad_weight, T* grad_bias) {
  const int64_t depth = s.length * s.in, width = round_up(depth, W);
  const bool staged = s.in % W != 0;  // then a vertex is one line, cut into vectors that count as slots
  const int64_t slot_width = staged ? W : s.in, slot_count = staged ? width / W : s.length;
  int64_t run_length = kRun;
  while (staged && run_length > 16 && run_length * width * int64_t(sizeof(T)) > 64 * 1024) run_length /= 2;
  const int64_t size = round_up(s.out * width + s.out, 8);  // weight and bias of one thread
  const int64_t stage_size = staged ? run_length * width : 0, lane_size = s.out * kLanes<T>;
  const int64_t runs = (s.vertices + run_length - 1) / run_length;
  Scratch<double> partial(size * s.threads);
  Scratch<T> stages(stage_size * s.threads), lanes(lane_size * s.threads), zeros(s.in);
  Scratch<const T*> pointers(s.threads * slot_count * kRun);
  Scratch<uint32_t> offsets(s.threads * slot_count * kRun);
  if (partial.failed() || stages.failed() || lanes.failed() || zeros.failed() || pointers.failed() ||
      offsets.failed())
    return 1;
  for (int64_t c = 0; c < s.in; ++c) zeros.get()[c] = T(0);
  int used = 1;

  const double work = double(s.batch) * double(s.vertices) * double(depth) * double(s.out);
  parallel(s.threads, work, [&](int index, int count) {
    if (index == 0) used = count;
    double* sums = partial.get() + size * index;
    for (int64_t i = 0; i < size; ++i) sums[i] = 0;
    const T** rows = pointers.get() + slot_count * kRun * index;
    uint32_t* own_offsets = offsets.get() + slot_count * kRun * index;
    T* stage = stages.get() + stage_size * index;
    if (staged)
      for (int64_t l = 0; l < slot_count; ++l)
        for (int64_t m = 0; m < run_length; ++m) rows[l * kRun + m] = stage + m * width + l * W;
    const Share mine = share(s.batch * runs, index, count);
    for (int64_t task = mine.first; task < mine.last; ++task) {
      const int64_t b = task / runs, v0 = task % runs * run_length;
      const int64_t valid = s.vertices - v0 < run_length ? s.vertices - v0 : run_length;
      const T* member = x + b * s.vertices * s.in;
      const T* run_g = g + (b * s.vertices + v0) * s.out;
      if (grad_bias) add_bias_run(run_g, valid, s.out, lanes.get() + lane_size * index, sums + s.out * width);
      if (s.in == W && has_row_offsets<T>(s.vertices, s.in)) {  // rows of one vector, where no index is negative
        bool all = true;
        for (int64_t l = 0; l < s.length && all; ++l)
          all = row_offsets(slots + l * slot_stride + v0, valid, W * sizeof(T), own_offsets + l * kRun);
        if (all) {
          const WeightRun<T, OffsetRows<T>> run{run_g, {member, own_offsets}, valid, s.out, sums, width, W};
          all_outputs<T, W, 1>(run, slot_count, 0);
          continue;
        }
      }
      if (staged)
        stage_rows(slots + v0, slot_stride, valid, s.length, member, s.in, zeros.get(), stage, width);
      else
        for (int64_t l = 0; l < s.length; ++l)
          row_pointers(slots + l * slot_stride + v0, valid, member, s.in, zeros.get(), rows + l * kRun);
      const WeightRun<T, PointedRows<T>> run{run_g, {rows}, valid, s.out, sums, width, slot_width};
      int64_t c = 0;
      for (; c + 2 * W <= slot_width; c += 2 * W) all_outputs<T, W, 2>(run, slot_count, c);
      if (c < slot_width) all_outputs<T, W, 1>(run, slot_count, c);
    }
  });

  double* total = partial.get();
  for (int i = 1; i < used; ++i)
    for (int64_t j = 0; j < size; ++j) total[j] += partial.get()[size * i + j];
  if (grad_weight)
    for (int64_t o = 0; o < s.out; ++o)
      for (int64_t k = 0; k < depth; ++k) grad_weight[o * depth + k] = T(total[o * width + k]);
  if (grad_bias)
    for (int64_t o = 0; o < s.out; ++o) grad_bias[o] = T(total[s.out * width + o]);
  return 0;
}

template <class T>
int gradient_weight(const SpiralConvShape& s, const T* g, const T* x, const int32_t* slots, int64_t slot_stride,
                    T* grad_weight, T* grad_bias) {
  if (direct_lanes<T>(s.in) == kHalfLanes<T>)
    return gradient_weight_lanes<T, kHalfLanes<T>>(s, g, x, slots, slot_stride, grad_weight, grad_bias);
  return gradient_weight_lanes<T, kLanes<T>>(s, g, x, slots, slot_stride, grad_weight, grad_bias);
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
