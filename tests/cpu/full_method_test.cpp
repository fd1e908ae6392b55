// SPDX-License-Identifier: Apache-2.0
// What the backend asks of a kernel. Method `full` is the original's arithmetic only as long as
// every undecimated output is computed and stored; results alone would not show that one was left
// out.
#include "common/buffer.hpp"
#include "common/thread_team.hpp"
#include "cpu/backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

namespace convscale {
namespace {

using Clock = std::chrono::steady_clock;

/// A call of one of a kernel's operations.
template <class T>
struct Call {
  bool is_full = false;
  Image<T> image{};
  std::int64_t row_begin = 0, row_end = 0;
  T* out = nullptr;
  std::int64_t pitch = 0;
  Clock::time_point began;
};

/// Operations are plain functions, so what they write down is a global.
template <class T>
struct Log {
  std::mutex mutex;
  std::vector<Call<T>> calls;
  const T* images = nullptr;

  void add(const Call<T>& call) {
    const std::scoped_lock lock(mutex);
    calls.push_back(call);
  }
};
template <class T>
Log<T> log_of;

/// What is stored for (y, x) of an image: no two are alike, and no convolution would give it.
template <class T>
T stored_value(std::int64_t image, std::int64_t y, std::int64_t x) {
  return static_cast<T>((image * 100 + y) * 200 + x + 1);
}

template <class T>
std::int64_t index_of(const Image<T>& image) {
  return (image.pixels - log_of<T>.images) / (image.rows.end * image.width);
}

template <class T>
void record_full_rows(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end, T* out,
                      std::int64_t pitch) {
  log_of<T>.add({true, image, row_begin, row_end, out, pitch, Clock::now()});
  for (std::int64_t y = row_begin; y < row_end; ++y) {
    for (std::int64_t x = 0; x < image.dense_width; ++x)
      out[(y - row_begin) * pitch + x] = stored_value<T>(index_of(image), y, x);
  }
}

template <class T>
void record_strided_rows(const Image<T>& image, std::int64_t row_begin, std::int64_t row_end,
                         T* out) {
  log_of<T>.add({false, image, row_begin, row_end, out, image.out_width(), Clock::now()});
  for (std::int64_t i = row_begin; i < row_end; ++i) {
    for (std::int64_t j = 0; j < image.out_width(); ++j)
      *out++ = stored_value<T>(index_of(image), i * image.stride, j * image.stride);
  }
}

constexpr RowKernel kRecorder = {.name = "recorder",
                                 .description = "writes down its calls",
                                 .isa = kIsaBaseline,
                                 .float64 = {record_full_rows<double>, record_strided_rows<double>},
                                 .float32 = {record_full_rows<float>, record_strided_rows<float>}};

/// One iteration with the recorder, and what it saw.
template <class T>
class Recording {
 public:
  explicit Recording(Config config)
      : shape_(config.shape),
        images_(bytes(shape_.pixels()), "images"),
        filters_(bytes(shape_.taps()), "filters"),
        results_(bytes(shape_.outputs()), "results") {
    const Kernel kTable[] = {as_kernel(kRecorder)};
    config.dtype = sizeof(T) == sizeof(double) ? Dtype::kFloat64 : Dtype::kFloat32;
    const auto backend = make_cpu_backend(config, {}, kTable);
    log_of<T>.calls.clear();
    log_of<T>.images = images_.as<T>().data();
    backend->prepare({images_.data(), filters_.data(), results_.data()});
    backend->poison();
    began_ = Clock::now();
    backend->wait(backend->start({0, shape_.images}));
  }

  const std::vector<Call<T>>& calls() const { return log_of<T>.calls; }
  Clock::time_point began() const { return began_; }
  bool is_in_results(const T* data) const {
    const auto all = results_.as<T>();
    return data >= all.data() && data < all.data() + shape_.images * shape_.outputs();
  }

  /// Calls got image, filter, sizes and stride as they are.
  void expect_whole_images() const {
    for (const Call<T>& call : calls()) {
      const std::int64_t i = index_of(call.image);
      EXPECT_EQ(call.image.pixels, images_.as<T>().data() + i * shape_.pixels());
      EXPECT_EQ(call.image.taps, filters_.as<T>().data() + i * shape_.taps());
      EXPECT_EQ(call.image.rows, (Range{0, shape_.height}));
      EXPECT_EQ(call.image.columns, (Range{0, shape_.width}));
      EXPECT_EQ(call.image.width, shape_.width);
      EXPECT_EQ(call.image.filter_size, shape_.filter_size);
      EXPECT_EQ(call.image.stride, shape_.stride);
    }
  }

  /// How often each of `rows` rows of each image was asked for.
  std::vector<int> times_asked(bool is_full, std::int64_t rows) const {
    std::vector<int> times(static_cast<std::size_t>(shape_.images * rows));
    for (const Call<T>& call : calls()) {
      EXPECT_EQ(call.is_full, is_full) << "the other method's operation";
      EXPECT_LE(0, call.row_begin);
      EXPECT_LE(call.row_end, rows);
      for (std::int64_t y = call.row_begin; y < std::min(call.row_end, rows); ++y)
        ++times[static_cast<std::size_t>(index_of(call.image) * rows + y)];
    }
    return times;
  }

  /// The results are what the recorder stored, and so come from nowhere else.
  void expect_stored_results() const {
    const auto all = results_.as<T>();
    std::size_t at = 0;
    for (std::int64_t image = 0; image < shape_.images; ++image) {
      for (std::int64_t i = 0; i < shape_.out_height(); ++i) {
        for (std::int64_t j = 0; j < shape_.out_width(); ++j, ++at) {
          ASSERT_EQ(all[at], stored_value<T>(image, i * shape_.stride, j * shape_.stride))
              << "image " << image << ", output (" << i << ", " << j << ")";
        }
      }
    }
  }

 private:
  std::int64_t bytes(std::int64_t elements) const {
    return shape_.images * elements * static_cast<std::int64_t>(sizeof(T));
  }

  Shape shape_;
  PageBuffer images_, filters_, results_;
  Clock::time_point began_;
};

/// `body` for every dtype, schedule, stride and some numbers of workers, with more images than
/// workers and more workers than images.
template <class Body>
void for_each_config(Method method, Body&& body) {
  for (const Schedule schedule : {Schedule::kStatic, Schedule::kDynamic, Schedule::kSplit}) {
    for (const int workers : {1, 3, 14}) {
      for (const std::int64_t stride : {1, 2, 5, 12}) {
        Config config;
        // 47 full rows of 1 KiB or 0.5 KiB: more than the scratch of 40 KiB holds in float64.
        config.shape = {
            .images = 11, .height = 44, .width = 127, .filter_size = 4, .stride = stride};
        config.method = method;
        config.schedule = schedule;
        config.num_workers = workers;
        SCOPED_TRACE(testing::Message() << "schedule " << name_of(schedule) << ", " << workers
                                        << " workers, stride " << stride);
        body.template operator()<double>(config);
        body.template operator()<float>(config);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(FullMethod, ComputesAndStoresEveryOutputOfEveryImageOnce) {
  for_each_config(Method::kFull, []<class T>(const Config& config) {
    const Recording<T> recording(config);
    recording.expect_whole_images();
    const Shape& s = config.shape;
    EXPECT_EQ(recording.times_asked(/*is_full=*/true, s.dense_height()),
              std::vector<int>(static_cast<std::size_t>(s.images * s.dense_height()), 1));
    recording.expect_stored_results();
    // Rows that overlap, or that go where only kept outputs have room, are no stores of all.
    for (const Call<T>& call : recording.calls()) {
      EXPECT_TRUE(call.row_end - call.row_begin == 1 || call.pitch >= s.dense_width());
      EXPECT_EQ(recording.is_in_results(call.out), s.stride == 1);
    }
  });
}

TEST(StridedMethod, AsksForEveryKeptRowOfEveryImageOnce) {
  for_each_config(Method::kStrided, []<class T>(const Config& config) {
    const Recording<T> recording(config);
    recording.expect_whole_images();
    const Shape& s = config.shape;
    EXPECT_EQ(recording.times_asked(/*is_full=*/false, s.out_height()),
              std::vector<int>(static_cast<std::size_t>(s.images * s.out_height()), 1));
    recording.expect_stored_results();
  });
}

Config one_small_image(double work_time_s) {
  Config config;
  config.shape = {.images = 1, .height = 6, .width = 6, .filter_size = 2, .stride = 3};
  config.num_workers = 1;
  config.work_time_s = work_time_s;
  return config;
}

/// As in the original: convolutions until the time is up, and then another.
TEST(WorkTime, EndsWithAConvolution) {
  EXPECT_EQ(Recording<double>(one_small_image(0)).calls().size(), 1u);
  constexpr double kWork = 0.02;
  const Recording<double> recording(one_small_image(kWork));
  const std::chrono::duration<double> last = recording.calls().back().began - recording.began();
  EXPECT_GE(last.count(), kWork);
}

}  // namespace
}  // namespace convscale
