// Threads and scratch memory, in a form that keeps standard library templates out of the variants.
#pragma once

#include <cstdint>
#include <cstdlib>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "common/vec.h"

namespace meshanim {
namespace MESHANIM_VARIANT {

// Scratch memory on cache line bounds, given back at the end of the scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    void* p = nullptr;
    if (posix_memalign(&p, 64, sizeof(T) * size_t(count > 0 ? count : 1)) == 0) data_ = static_cast<T*>(p);
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }
  bool failed() const { return data_ == nullptr; }

 private:
  T* data_ = nullptr;
};

// Scratch memory that grows when more is needed; what it held is lost then.
template <class T>
class Growing {
 public:
  Growing() = default;
  ~Growing() { std::free(data_); }
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;
  // False where memory ran out; get() is null then.
  bool reserve(int64_t count) {
    if (data_ && count <= capacity_) return true;
    std::free(data_);
    void* p = nullptr;
    if (posix_memalign(&p, 64, sizeof(T) * size_t(count > 0 ? count : 1)) != 0) p = nullptr;
    data_ = static_cast<T*>(p);
    capacity_ = data_ ? count : 0;
    return data_ != nullptr;
  }
  T* get() const { return data_; }

 private:
  T* data_ = nullptr;
  int64_t capacity_ = 0;
};

// The part of `count` tasks that thread `index` of `threads` takes: [first, last), in order.
struct Share {
  int64_t first, last;
};
MESHANIM_INLINE Share share(int64_t count, int index, int threads) {
  return {count * index / threads, count * (index + 1) / threads};
}

// Calls body(index, threads) on every thread; small work stays on the caller's.
template <class Body>
void parallel(int32_t threads, double multiplications, const Body& body) {
#if defined(_OPENMP)
  constexpr double kWorthAThread = 50000;  // about 5 microseconds, the cost of waking one
  const double useful = multiplications / kWorthAThread;
  const int count = useful < threads ? int(useful) : threads;
  if (count > 1) {
#pragma omp parallel num_threads(count)
    body(omp_get_thread_num(), omp_get_num_threads());
    return;
  }
#endif
  (void)threads;
  (void)multiplications;
  body(0, 1);
}

// Inside a body of `parallel`: waits for all its threads.
MESHANIM_INLINE void barrier() {
#if defined(_OPENMP)
#pragma omp barrier
#endif
}

}  // namespace MESHANIM_VARIANT
}  // namespace meshanim
