// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace convscale::standin {

/// A stack of its own on the calling thread, which runs a function until it suspends itself or
/// returns. The sanitizers are told of it: to ThreadSanitizer each fiber is a thread that nothing
/// orders with the others but release() and acquire().
class Fiber {
 public:
  using Body = void (*)(void*);

  Fiber(Body body, void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// From outside: goes on where it suspended itself, or starts the body (again).
  void resume();
  /// From inside: back to who resumed it.
  void suspend();
  /// Forgets what it suspended: the next resume() starts the body.
  void reset();

 private:
  static void main(void* self);

  Body body_;
  void* argument_;
  std::byte* mapping_ = nullptr;
  std::byte* stack_ = nullptr;
  // The contexts of this fiber and of who resumed it.
  void* context_ = nullptr;
  void* caller_ = nullptr;
  // AddressSanitizer's.
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_bytes_ = 0;
  // ThreadSanitizer's.
  void* tsan_ = nullptr;
  void* caller_tsan_ = nullptr;
};

/// True under ThreadSanitizer.
bool has_tsan();
/// What the caller did before is done for those who acquire() the same address afterwards.
void release(void* address);
void acquire(void* address);
/// To AddressSanitizer, these bytes must not be touched (any more), or may be.
void poison(const void* begin, std::size_t bytes);
void unpoison(const void* begin, std::size_t bytes);

}  // namespace convscale::standin
