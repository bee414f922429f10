// Spiral convolution: out[b, v] = act(W [x[b, s(v, 0)], ..., x[b, s(v, L - 1)]] + bias).
//
// Forward: blocks of kRows vertices times up to two vectors of output channels stay in registers while the
// spiral's rows stream by; nothing gathered is ever written to memory. The gradient of x is the same kernel
// on the inverse lists. The gradient of the weight holds blocks of it in registers over a run of vertices and
// adds each finished run to sums in double precision, so that rounding does not grow with the mesh.
#include "common/api.h"
#include "common/parallel.h"
#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {
namespace {

// acc[m] += rows[m][0:depth] times w (depth, NV * W), for MR rows at once.
template <class T, int W, int NV, int MR>
MESHANIM_INLINE void multiply_rows(const T* const (&rows)[MR], int64_t depth, const T* w,
                                   Vec<T, W> (&acc)[MR][NV]) {
  const T* p[MR];
  for (int m = 0; m < MR; ++m) p[m] = rows[m];
  for (int64_t k = 0; k < depth; ++k, w += NV * W) {
    Vec<T, W> wk[NV];
    for (int n = 0; n < NV; ++n) wk[n] = load<T, W>(w + n * W);
    for (int m = 0; m < MR; ++m) {
      const T xk = p[m][k];
      for (int n = 0; n < NV; ++n) acc[m][n] += wk[n] * xk;
    }
  }
}

template <int NV>
constexpr int kRows = kRegisters == 32 ? 12 : (NV == 2 ? 6 : 8);

// exp(x) - 1 for x <= 0 is the one transcendental here; libm's scalar form, since the outputs are few.
template <class T>
MESHANIM_INLINE T activate(T y, int32_t activation) {
  if (activation == kRelu) return y > 0 ? y : T(0);
  if (activation == kElu) return y > 0 ? y : (sizeof(T) == 4 ? T(__builtin_expm1f(float(y))) : T(__builtin_expm1(y)));
  return y;
}

// Columns of a (depth, columns) matrix in blocks of `block`, zero beyond the last: (blocks, depth, block).
// The source holds element (k, n) at k * row_stride + n * column_stride.
template <class T>
void pack_columns(const T* source, int64_t depth, int64_t columns, int64_t row_stride, int64_t column_stride,
                  int64_t block, T* packed) {
  for (int64_t n0 = 0; n0 < columns; n0 += block)
    for (int64_t k = 0; k < depth; ++k)
      for (int64_t n = n0; n < n0 + block; ++n)
        *packed++ = n < columns ? source[k * row_stride + n * column_stride] : T(0);
}

template <class T, int W, int NV>
int forward_blocks(const SpiralConvShape& s, const T* x, const int32_t* spirals, const T* weight,
                   const T* bias, T* out) {
  constexpr int MR = kRows<NV>;
  constexpr int N = W * NV;
  const int64_t depth = s.length * s.in;
  const int64_t blocks = (s.out + N - 1) / N;
  Scratch<T> packed(blocks * depth * N), padded_bias(blocks * N), zeros(s.in);
  if (packed.failed() || padded_bias.failed() || zeros.failed()) return 1;
  pack_columns(weight, depth, s.out, 1, depth, N, packed.get());
  for (int64_t n = 0; n < blocks * N; ++n) padded_bias.get()[n] = bias && n < s.out ? bias[n] : T(0);
  for (int64_t c = 0; c < s.in; ++c) zeros.get()[c] = T(0);

  const int64_t tiles = (s.vertices + MR - 1) / MR;
  parallel(s.threads, double(s.batch) * double(s.vertices) * double(depth) * double(s.out), [&](int index, int count) {
    const Share mine = share(s.batch * tiles, index, count);
    for (int64_t tile = mine.first; tile < mine.last; ++tile) {
      const int64_t b = tile / tiles, v0 = tile % tiles * MR;
      const int64_t valid = s.vertices - v0 < MR ? s.vertices - v0 : MR;
      const T* xb = x + b * s.vertices * s.in;
      T* ob = out + (b * s.vertices + v0) * s.out;
      for (int64_t block = 0; block < blocks; ++block) {
        const T* w = packed.get() + block * depth * N;
        Vec<T, W> acc[MR][NV];
        for (int m = 0; m < MR; ++m)
          for (int n = 0; n < NV; ++n) acc[m][n] = load<T, W>(padded_bias.get() + block * N + n * W);
        for (int64_t l = 0; l < s.length; ++l, w += s.in * N) {
          const T* rows[MR];
          for (int m = 0; m < MR; ++m) {
            const int32_t u = m < valid ? spirals[(v0 + m) * s.length + l] : -1;
            rows[m] = u < 0 ? zeros.get() : xb + u * s.in;
          }
          multiply_rows<T, W, NV, MR>(rows, s.in, w, acc);
        }
        const int64_t width = s.out - block * N < N ? s.out - block * N : N;
        for (int m = 0; m < valid; ++m) {
          T* target = ob + m * s.out + block * N;
          T y[N];
          for (int n = 0; n < NV; ++n) store<T, W>(y + n * W, acc[m][n]);
          if (s.activation != kNone)
            for (int n = 0; n < width; ++n) y[n] = activate(y[n], s.activation);
          if (width == N)
            __builtin_memcpy(target, y, sizeof y);
          else
            for (int n = 0; n < width; ++n) target[n] = y[n];
        }
      }
    }
  });
  return 0;
}

template <class T>
int forward(const SpiralConvShape& s, const T* x, const int32_t* spirals, const T* weight, const T* bias,
            T* out) {
  constexpr int W = kLanes<T>;
  if (s.batch * s.vertices * s.out == 0) return 0;
  if (s.out > W) return forward_blocks<T, W, 2>(s, x, spirals, weight, bias, out);
  if (s.out > W / 2 || W <= 2) return forward_blocks<T, W, 1>(s, x, spirals, weight, bias, out);
  if (s.out > W / 4 || W <= 4) return forward_blocks<T, (W > 2 ? W / 2 : W), 1>(s, x, spirals, weight, bias, out);
  return forward_blocks<T, (W > 4 ? W / 4 : W), 1>(s, x, spirals, weight, bias, out);
}

// The gradient before the activation, rows padded with zeros to `stride`.
template <class T>
void activation_gradient(const SpiralConvShape& s, const T* grad_out, const T* out, int64_t stride, T* result) {
  const int64_t rows = s.batch * s.vertices;
  parallel(s.threads, double(rows) * double(s.out), [&](int index, int count) {
    const Share mine = share(rows, index, count);
    for (int64_t r = mine.first; r < mine.last; ++r) {
      const T* g = grad_out + r * s.out;
      const T* y = out + r * s.out;
      T* target = result + r * stride;
      if (s.activation == kRelu)
        for (int64_t o = 0; o < s.out; ++o) target[o] = y[o] > 0 ? g[o] : T(0);
      else if (s.activation == kElu)
        for (int64_t o = 0; o < s.out; ++o) target[o] = y[o] > 0 ? g[o] : g[o] * (y[o] + T(1));
      else
        for (int64_t o = 0; o < s.out; ++o) target[o] = g[o];
      for (int64_t o = s.out; o < stride; ++o) target[o] = T(0);
    }
  });
}

// grad_x[b, u] = sum over (v, l) with s(v, l) = u of W_l^T g[b, v]. A tile of kInverseTile vertices u is one
// task: its sums stay in cache, its lists are ordered by l so that W_l serves a whole list.
template <class T, int W, int NV>
int gradient_x(const SpiralConvShape& s, const T* g, int64_t stride, const T* weight, const int32_t* starts,
               const int32_t* sources, const int32_t* targets, T* grad_x) {
  constexpr int MR = kRows<NV>;
  constexpr int N = W * NV;
  const int64_t blocks = (s.in + N - 1) / N;
  const int64_t slab = blocks * s.out * N;  // one slot's weight, packed (block, out, N)
  const int64_t tiles = (s.vertices + kInverseTile - 1) / kInverseTile;
  Scratch<T> packed(s.length * slab), zeros(stride);
  if (packed.failed() || zeros.failed()) return 1;
  for (int64_t l = 0; l < s.length; ++l)
    pack_columns(weight + l * s.in, s.out, s.in, s.length * s.in, 1, N, packed.get() + l * slab);
  for (int64_t o = 0; o < stride; ++o) zeros.get()[o] = T(0);

  parallel(s.threads, double(s.batch) * double(s.vertices * s.length * s.in) * double(s.out), [&](int index, int count) {
    alignas(64) T sums[kInverseTile * N];
    const Share mine = share(s.batch * tiles, index, count);
    for (int64_t task = mine.first; task < mine.last; ++task) {
      const int64_t b = task / tiles, tile = task % tiles, u0 = tile * kInverseTile;
      const int64_t valid = s.vertices - u0 < kInverseTile ? s.vertices - u0 : kInverseTile;
      const T* gb = g + b * s.vertices * stride;
      for (int64_t block = 0; block < blocks; ++block) {
        for (int64_t i = 0; i < valid * N; ++i) sums[i] = T(0);
        for (int64_t l = 0; l < s.length; ++l) {
          const T* w = packed.get() + l * slab + block * s.out * N;
          const int64_t last = starts[tile * s.length + l + 1];
          for (int64_t e = starts[tile * s.length + l]; e < last; e += MR) {
            const T* rows[MR];
            for (int m = 0; m < MR; ++m) rows[m] = e + m < last ? gb + sources[e + m] * stride : zeros.get();
            Vec<T, W> acc[MR][NV];
            for (int m = 0; m < MR; ++m)
              for (int n = 0; n < NV; ++n) acc[m][n] = Vec<T, W>{};
            multiply_rows<T, W, NV, MR>(rows, s.out, w, acc);
            for (int m = 0; m < MR && e + m < last; ++m) {
              T* sum = sums + targets[e + m] * N;
              for (int n = 0; n < NV; ++n) store<T, W>(sum + n * W, load<T, W>(sum + n * W) + acc[m][n]);
            }
          }
        }
        const int64_t width = s.in - block * N < N ? s.in - block * N : N;
        for (int64_t u = 0; u < valid; ++u) {
          T* target = grad_x + (b * s.vertices + u0 + u) * s.in + block * N;
          for (int64_t n = 0; n < width; ++n) target[n] = sums[u * N + n];
        }
      }
    }
  });
  return 0;
}

template <class T>
int gradient_x_any(const SpiralConvShape& s, const T* g, int64_t stride, const T* weight, const int32_t* starts,
                   const int32_t* sources, const int32_t* targets, T* grad_x) {
  constexpr int W = kLanes<T>;
  if (s.in > W) return gradient_x<T, W, 2>(s, g, stride, weight, starts, sources, targets, grad_x);
  if (s.in > W / 2 || W <= 2) return gradient_x<T, W, 1>(s, g, stride, weight, starts, sources, targets, grad_x);
  if (s.in > W / 4 || W <= 4)
    return gradient_x<T, (W > 2 ? W / 2 : W), 1>(s, g, stride, weight, starts, sources, targets, grad_x);
  return gradient_x<T, (W > 4 ? W / 4 : W), 1>(s, g, stride, weight, starts, sources, targets, grad_x);
}

constexpr int64_t kRun = 128;  // vertices whose products are summed in registers before they are added up

// sums[o, c] += g[m, o] * rows[m][c] over a run of `count` rows, for OR outputs and CV * W inputs.
template <class T, int W, int OR, int CV>
MESHANIM_INLINE void multiply_run(const T* g, int64_t stride, const T* const* rows, int64_t count, int64_t c0,
                                  double* sums, int64_t sums_stride) {
  Vec<T, W> acc[OR][CV];
  for (int o = 0; o < OR; ++o)
    for (int c = 0; c < CV; ++c) acc[o][c] = Vec<T, W>{};
  for (int64_t m = 0; m < count; ++m, g += stride) {
    Vec<T, W> xm[CV];
    for (int c = 0; c < CV; ++c) xm[c] = load<T, W>(rows[m] + c0 + c * W);
    for (int o = 0; o < OR; ++o) {
      const T go = g[o];
      for (int c = 0; c < CV; ++c) acc[o][c] += xm[c] * go;
    }
  }
  for (int o = 0; o < OR; ++o)
    for (int c = 0; c < CV; ++c) {
      T part[W];
      store<T, W>(part, acc[o][c]);
      double* sum = sums + o * sums_stride + c * W;
      for (int i = 0; i < W; ++i) sum[i] += double(part[i]);
    }
}

template <class T, int W, int CV>
void multiply_outputs(const T* g, int64_t stride, int64_t outputs, const T* const* rows, int64_t count,
                      int64_t c0, double* sums, int64_t sums_stride) {
  constexpr int OR = kRegisters == 32 ? 12 : (CV == 2 ? 4 : 8);
  int64_t o = 0;
  for (; o + OR <= outputs; o += OR)
    multiply_run<T, W, OR, CV>(g + o, stride, rows, count, c0, sums + o * sums_stride, sums_stride);
  for (; o + 4 <= outputs; o += 4)
    multiply_run<T, W, 4, CV>(g + o, stride, rows, count, c0, sums + o * sums_stride, sums_stride);
  for (; o < outputs; ++o)
    multiply_run<T, W, 1, CV>(g + o, stride, rows, count, c0, sums + o * sums_stride, sums_stride);
}

// grad_weight[o, l, c] = sum over (b, v) of g[b, v, o] x[b, s(v, l), c]; every thread sums its own share of
// the vertices, the shares are added in order.
template <class T, int W>
int gradient_weight(const SpiralConvShape& s, const T* g, int64_t stride, const T* x, const int32_t* spirals,
                    T* grad_weight, T* grad_bias) {
  const int64_t padded = round_up(s.in, W);
  const int64_t width = s.length * padded;
  const int64_t size = s.out * width + s.out;  // weight and bias of one thread
  const int64_t runs = (s.vertices + kRun - 1) / kRun;
  Scratch<double> partial(size * s.threads);
  Scratch<T> padding(kRun * padded * s.threads + padded);
  Scratch<const T*> row_scratch(kRun * s.threads);
  if (partial.failed() || padding.failed() || row_scratch.failed()) return 1;
  int32_t used = 1;
  T* zeros = padding.get() + kRun * padded * s.threads;
  for (int64_t c = 0; c < padded; ++c) zeros[c] = T(0);

  parallel(s.threads, double(s.batch) * double(s.vertices * s.length * s.in) * double(s.out), [&](int index, int count) {
    if (index == 0) used = count;
    double* sums = partial.get() + size * index;
    for (int64_t i = 0; i < size; ++i) sums[i] = 0;
    double* bias_sums = sums + s.out * width;
    T* copies = padding.get() + kRun * padded * index;
    const T** rows = row_scratch.get() + kRun * index;
    const Share mine = share(s.batch * runs, index, count);
    for (int64_t task = mine.first; task < mine.last; ++task) {
      const int64_t b = task / runs, v0 = task % runs * kRun;
      const int64_t valid = s.vertices - v0 < kRun ? s.vertices - v0 : kRun;
      const T* xb = x + b * s.vertices * s.in;
      const T* gb = g + (b * s.vertices + v0) * stride;
      for (int64_t l = 0; l < s.length; ++l) {
        for (int64_t m = 0; m < valid; ++m) {
          const int32_t u = spirals[(v0 + m) * s.length + l];
          rows[m] = u < 0 ? zeros : xb + u * s.in;
          if (u >= 0 && padded != s.in) {
            T* copy = copies + m * padded;
            for (int64_t c = 0; c < s.in; ++c) copy[c] = rows[m][c];
            for (int64_t c = s.in; c < padded; ++c) copy[c] = T(0);
            rows[m] = copy;
          }
        }
        int64_t c0 = 0;
        for (; c0 + 2 * W <= padded; c0 += 2 * W)
          multiply_outputs<T, W, 2>(gb, stride, s.out, rows, valid, c0, sums + l * padded + c0, width);
        if (c0 < padded)
          multiply_outputs<T, W, 1>(gb, stride, s.out, rows, valid, c0, sums + l * padded + c0, width);
      }
      if (grad_bias)
        for (int64_t o = 0; o < s.out; ++o) {
          T sum = 0;
          for (int64_t m = 0; m < valid; ++m) sum += gb[m * stride + o];
          bias_sums[o] += double(sum);
        }
    }
  });

  auto total = [&](int64_t place) {
    double sum = 0;
    for (int32_t i = 0; i < used; ++i) sum += partial.get()[size * i + place];
    return T(sum);
  };
  if (grad_weight)
    for (int64_t o = 0; o < s.out; ++o)
      for (int64_t l = 0; l < s.length; ++l)
        for (int64_t c = 0; c < s.in; ++c)
          grad_weight[(o * s.length + l) * s.in + c] = total(o * width + l * padded + c);
  if (grad_bias)
    for (int64_t o = 0; o < s.out; ++o) grad_bias[o] = total(s.out * width + o);
  return 0;
}

template <class T>
int gradient_weight_any(const SpiralConvShape& s, const T* g, int64_t stride, const T* x,
                        const int32_t* spirals, T* grad_weight, T* grad_bias) {
  constexpr int W = kLanes<T>;
  if (s.in > W / 2 || W <= 2) return gradient_weight<T, W>(s, g, stride, x, spirals, grad_weight, grad_bias);
  if (s.in > W / 4 || W <= 4)
    return gradient_weight<T, (W > 2 ? W / 2 : W)>(s, g, stride, x, spirals, grad_weight, grad_bias);
  return gradient_weight<T, (W > 4 ? W / 4 : W)>(s, g, stride, x, spirals, grad_weight, grad_bias);
}

template <class T>
int backward(const SpiralConvShape& s, const T* grad_out, const T* x, const int32_t* spirals, const T* weight,
             const T* out, const int32_t* starts, const int32_t* sources, const int32_t* targets, T* grad_x,
             T* grad_weight, T* grad_bias) {
  const T* g = grad_out;
  Scratch<T> buffer(s.activation == kNone ? 0 : s.batch * s.vertices * s.out);
  if (buffer.failed()) return 1;
  if (s.activation != kNone) {
    activation_gradient(s, grad_out, out, s.out, buffer.get());
    g = buffer.get();
  }
  if (grad_x && gradient_x_any(s, g, s.out, weight, starts, sources, targets, grad_x)) return 1;
  if ((grad_weight || grad_bias) && gradient_weight_any(s, g, s.out, x, spirals, grad_weight, grad_bias)) return 1;
  return 0;
}

}  // namespace

int spiral_conv_forward(const SpiralConvShape& shape, const void* x, const int32_t* spirals, const void* weight,
                        const void* bias, void* out) {
  if (shape.is_double)
    return forward(shape, static_cast<const double*>(x), spirals, static_cast<const double*>(weight),
                   static_cast<const double*>(bias), static_cast<double*>(out));
  return forward(shape, static_cast<const float*>(x), spirals, static_cast<const float*>(weight),
                 static_cast<const float*>(bias), static_cast<float*>(out));
}

int spiral_conv_backward(const SpiralConvShape& shape, const void* grad_out, const void* x,
                         const int32_t* spirals, const void* weight, const void* out, const int32_t* starts,
                         const int32_t* sources, const int32_t* targets, void* grad_x, void* grad_weight,
                         void* grad_bias) {
  if (shape.is_double)
    return backward(shape, static_cast<const double*>(grad_out), static_cast<const double*>(x), spirals,
                    static_cast<const double*>(weight), static_cast<const double*>(out), starts, sources, targets,
                    static_cast<double*>(grad_x), static_cast<double*>(grad_weight),
                    static_cast<double*>(grad_bias));
  return backward(shape, static_cast<const float*>(grad_out), static_cast<const float*>(x), spirals,
                  static_cast<const float*>(weight), static_cast<const float*>(out), starts, sources, targets,
                  static_cast<float*>(grad_x), static_cast<float*>(grad_weight), static_cast<float*>(grad_bias));
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
