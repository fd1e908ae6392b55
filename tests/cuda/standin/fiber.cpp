// SPDX-License-Identifier: Apache-2.0
// Never sanitized itself (see ../CMakeLists.txt): it runs between the contexts that are.
#include "tests/cuda/standin/runtime.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the sanitizers' names.
// Null where a sanitizer is not linked.
extern "C" {
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom,
                                                  std::size_t bytes);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** old_bottom,
                                                   std::size_t* old_bytes);
[[gnu::weak]] void __asan_poison_memory_region(const volatile void* begin, std::size_t bytes);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* begin, std::size_t bytes);
// Called by the sanitizers. The fibers need no second to end in when the program ends; and without
// a stack, a misaligned __ldg() would be found in a header of the stand-in only.
const char* __tsan_default_options();
const char* __tsan_default_options() { return "atexit_sleep_ms=0"; }
const char* __ubsan_default_options();
const char* __ubsan_default_options() { return "print_stacktrace=1"; }
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace convscale::standin {
namespace {

// Sanitized frames are large; pages are taken when touched.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;
constexpr unsigned kNoSynchronisation = 1;  // __tsan_switch_to_fiber_no_sync

}  // namespace

#if defined(__x86_64__)
// swapcontext() costs two system calls. This keeps what the ABI has a callee keep, but for the
// floating point control words, which device code leaves alone.
asm(R"(
  .text
  .p2align 4
  .type convscale_standin_switch, @function
convscale_standin_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size convscale_standin_switch, .-convscale_standin_switch
  .p2align 4
  .type convscale_standin_start, @function
convscale_standin_start:
  movq %r12, %rdi
  callq *%r13
  ud2
  .size convscale_standin_start, .-convscale_standin_start
)");
extern "C" {
void convscale_standin_switch(void** from, void* to);
void convscale_standin_start();
}

namespace {

/// Keeps the context in *from, goes on in `to`.
void switch_context(void** from, void* to) { convscale_standin_switch(from, to); }

/// A context on `stack` that calls main(self).
void* make_context(void* /*old*/, std::byte* stack, void (*main)(void*), void* self) {
  auto** top = reinterpret_cast<void**>(stack + kStackBytes);
  *--top = nullptr;
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&convscale_standin_start);  // where the switch returns to
  *--top = nullptr;                                            // rbp
  *--top = nullptr;                                            // rbx
  *--top = self;                                               // r12
  *--top = reinterpret_cast<void*>(main);                      // r13
  *--top = nullptr;                                            // r14
  *--top = nullptr;                                            // r15
  return top;
}
void* empty_context() { return nullptr; }
void free_context(void* /*context*/) {}

}  // namespace
#else
namespace {

void switch_context(void** from, void* to) {
  swapcontext(static_cast<ucontext_t*>(*from), static_cast<ucontext_t*>(to));
}

// makecontext passes integers only.
struct Start {
  void (*main)(void*);
  void* self;
};
void start(unsigned high, unsigned low) {
  const auto bits = (std::uint64_t{high} << 32) | low;
  const auto* what = reinterpret_cast<const Start*>(static_cast<std::uintptr_t>(bits));
  what->main(what->self);
}

void* make_context(void* old, std::byte* stack, void (*main)(void*), void* self) {
  auto* context = static_cast<ucontext_t*>(old);
  getcontext(context);
  auto* what = new (stack) Start{main, self};
  context->uc_stack.ss_sp = stack + 64;
  context->uc_stack.ss_size = kStackBytes - 64;
  context->uc_link = nullptr;
  const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(what));
  makecontext(context, reinterpret_cast<void (*)()>(&start), 2, static_cast<unsigned>(bits >> 32),
              static_cast<unsigned>(bits));
  return context;
}
void* empty_context() { return new ucontext_t; }
void free_context(void* context) { delete static_cast<ucontext_t*>(context); }

}  // namespace
#endif

Fiber::Fiber(Body body, void* argument)
    : body_(body), argument_(argument), context_(empty_context()), caller_(empty_context()) {
  const auto guard = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* mapping = mmap(nullptr, kStackBytes + guard, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, guard, PROT_NONE) != 0) {
    std::perror("convscale stand-in: the stack of a device thread");
    std::abort();
  }
  mapping_ = static_cast<std::byte*>(mapping);
  stack_ = mapping_ + guard;
  context_ = make_context(context_, stack_, &Fiber::main, this);
  if (has_tsan()) tsan_ = __tsan_create_fiber(0);
}

Fiber::~Fiber() {
  if (tsan_ != nullptr) __tsan_destroy_fiber(tsan_);
  unpoison(stack_, kStackBytes);
  munmap(mapping_, static_cast<std::size_t>(stack_ - mapping_) + kStackBytes);
  free_context(context_);
  free_context(caller_);
}

void Fiber::reset() {
  unpoison(stack_, kStackBytes);
  fake_stack_ = nullptr;
  context_ = make_context(context_, stack_, &Fiber::main, this);
  if (tsan_ == nullptr) return;
  __tsan_destroy_fiber(tsan_);
  tsan_ = __tsan_create_fiber(0);
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  if (__sanitizer_start_switch_fiber != nullptr)
    __sanitizer_start_switch_fiber(&fake_stack, stack_, kStackBytes);
  if (tsan_ != nullptr) {
    caller_tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_, kNoSynchronisation);
  }
  switch_context(&caller_, context_);
  if (__sanitizer_finish_switch_fiber != nullptr)
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
}

void Fiber::suspend() {
  if (__sanitizer_start_switch_fiber != nullptr)
    __sanitizer_start_switch_fiber(&fake_stack_, caller_stack_, caller_stack_bytes_);
  if (tsan_ != nullptr) __tsan_switch_to_fiber(caller_tsan_, kNoSynchronisation);
  switch_context(&context_, caller_);
  if (__sanitizer_finish_switch_fiber != nullptr)
    __sanitizer_finish_switch_fiber(fake_stack_, &caller_stack_, &caller_stack_bytes_);
}

void Fiber::main(void* self) {
  auto* fiber = static_cast<Fiber*>(self);
  if (__sanitizer_finish_switch_fiber != nullptr)
    __sanitizer_finish_switch_fiber(nullptr, &fiber->caller_stack_, &fiber->caller_stack_bytes_);
  for (;;) {
    fiber->body_(fiber->argument_);
    fiber->suspend();
  }
}

bool has_tsan() { return __tsan_create_fiber != nullptr; }
void release(void* address) {
  if (__tsan_release != nullptr) __tsan_release(address);
}
void acquire(void* address) {
  if (__tsan_acquire != nullptr) __tsan_acquire(address);
}
void poison(const void* begin, std::size_t bytes) {
  if (__asan_poison_memory_region != nullptr) __asan_poison_memory_region(begin, bytes);
}
void unpoison(const void* begin, std::size_t bytes) {
  if (__asan_unpoison_memory_region != nullptr) __asan_unpoison_memory_region(begin, bytes);
}

}  // namespace convscale::standin

/// Hands an operation from the host's context to the stream's, and its result back, which orders
/// nothing on a device either.
void CUstream_st::run_current(void* self) {
  auto* stream = static_cast<CUstream_st*>(self);
  convscale::standin::Operation& operation = *stream->current;
  convscale::standin::acquire(stream->current);
  for (const auto& marker : operation.after) convscale::standin::acquire(marker.get());
  convscale::standin::Work* work = operation.work;
  operation.work = nullptr;
  if (work != nullptr) {
    if (operation.failure == cudaSuccess)
      stream->result = work->run(stream->message, sizeof stream->message);
    delete work;
  }
  convscale::standin::release(operation.marker.get());
}
