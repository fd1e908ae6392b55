// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/digest.hpp"
#include "common/kernel_table.hpp"
#include "cpu/guarded_array.hpp"
#include "cpu/kernel_table.hpp"
#include "cpu/naive.hpp"
#include "support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace convscale::testing {

/// Runs one kernel on one shape at a time and compares everything that it may produce.
template <class T>
class KernelChecker {
 public:
  using At = typename GuardedArray<T>::At;

  /// For images and filters as large as those of `largest`.
  KernelChecker(const Kernel& kernel, const Shape& largest)
      : kernel_(kernel),
        pixels_(largest.pixels()),
        taps_(largest.taps()),
        outputs_(largest.dense_height() * largest.dense_width()) {}
  ~KernelChecker() { EXPECT_GT(runs_, 0) << "it refuses all"; }
  KernelChecker(const KernelChecker&) = delete;
  KernelChecker& operator=(const KernelChecker&) = delete;

  /// The image and filter of the next checks.
  void set_data(const std::vector<T>& image, const std::vector<T>& filter, const Shape& shape) {
    image_ = image;
    filter_ = filter;
    expected_ = naive_convolution(shape, image.data(), filter.data());
  }

  /// Kept rows row_begin..row_end.
  void check(const Shape& s, Method method, std::int64_t row_begin, std::int64_t row_end, At at) {
    Request request(s, method, sizeof(T) == sizeof(double) ? Dtype::kFloat64 : Dtype::kFloat32);
    request.whole_images = row_end - row_begin == s.out_height();
    if (!why_not(kernel_, request).empty()) return;
    const std::unique_ptr<Plan> plan = kernel_.plan(request);
    const GuardedArray<std::byte> scratch(std::max<std::int64_t>(1, plan->scratch_bytes()));
    const std::span<T> out = outputs_.place((row_end - row_begin) * s.out_width(), at);
    std::fill(out.begin(), out.end(), poison_value<T>());
    const auto scratch_at =
        at == At::kBegin ? GuardedArray<std::byte>::At::kBegin : GuardedArray<std::byte>::At::kEnd;
    plan->run(piece_of<T>(placed(image_, pixels_, at), placed(filter_, taps_, at), row_begin,
                          row_end, out.data(),
                          scratch.place(plan->scratch_bytes(), scratch_at).data()));
    ++runs_;
    for (std::int64_t i = row_begin; i < row_end; ++i) {
      for (std::int64_t j = 0; j < s.out_width(); ++j) {
        const T got = out[static_cast<std::size_t>((i - row_begin) * s.out_width() + j)];
        const auto output = static_cast<std::size_t>(i * s.stride * s.dense_width() + j * s.stride);
        ASSERT_NE(bits_of(got), kPoisonBits<T>) << describe(s, method, i, j) << ": never written";
        ASSERT_TRUE(is_close(got, expected_.sum[output], expected_.magnitude[output], s.taps()))
            << describe(s, method, i, j) << ": got " << got << ", expected "
            << expected_.sum[output];
      }
    }
  }

  /// Both methods, and `full` without decimation, too.
  void check_rows(Shape s, std::int64_t row_begin, std::int64_t row_end, At at) {
    check(s, Method::kStrided, row_begin, row_end, at);
    check(s, Method::kFull, row_begin, row_end, at);
    if (s.stride == 1) return;
    s.stride = 1;
    check(s, Method::kFull, row_begin, row_end, at);
  }

  /// Unless `at_both_ends`, method `full` at one end in turn.
  void check_all(const Shape& s, bool at_both_ends = true) {
    for (const At at : {At::kBegin, At::kEnd}) {
      check(s, Method::kStrided, 0, s.out_height(), at);
      if (at_both_ends || (s.stride % 2 == 0) == (at == At::kEnd))
        check(s, Method::kFull, 0, s.out_height(), at);
    }
  }

 private:
  static const T* placed(const std::vector<T>& data, const GuardedArray<T>& array, At at) {
    const std::span<T> there = array.place(std::ssize(data), at);
    std::copy(data.begin(), data.end(), there.begin());
    return there.data();
  }

  static std::string describe(const Shape& s, Method method, std::int64_t i, std::int64_t j) {
    return "method " + std::string(name_of(method)) + ", " + text_of(s) + ", output (" +
           std::to_string(i) + ", " + std::to_string(j) + ")";
  }

  const Kernel& kernel_;
  GuardedArray<T> pixels_, taps_, outputs_;
  std::vector<T> image_, filter_;
  Naive expected_;
  int runs_ = 0;
};

template <class T>
std::vector<T> random_values(std::mt19937_64& random, std::int64_t count, T low, T high) {
  std::uniform_real_distribution<T> values(low, high);
  std::vector<T> out(static_cast<std::size_t>(count));
  for (T& value : out) value = values(random);
  return out;
}

}  // namespace convscale::testing
