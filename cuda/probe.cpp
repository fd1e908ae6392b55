// SPDX-License-Identifier: Apache-2.0
#include "cuda/probe.hpp"

#include "common/buffer.hpp"
#include "common/config.hpp"
#include "common/summary.hpp"
#include "cuda/ceilings.hpp"
#include "cuda/data.hpp"
#include "cuda/device.hpp"
#include "cuda/resources.hpp"
#include "cuda/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace convscale::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr int kRepetitions = 7;
constexpr auto kMostOfOne = std::chrono::milliseconds(400);  ///< for one figure
constexpr auto kWarmUp = std::chrono::milliseconds(100);
constexpr int kLaunches = 200;

/// Thrown, and caught in probe(), where nothing more is wanted.
struct Enough {};

class Probe {
 public:
  Probe(int index, const OnFigure& on_figure)
      : on_figure_(on_figure),
        limits_(limits_of(index)),
        most_(std::min(4096 * kMiB, describe(index).memory_bytes / 12 / kMiB * kMiB)),
        host_bytes_(std::min(256 * kMiB, most_)),
        d_a_(most_),
        d_b_(std::min(most_, 1024 * kMiB)),
        d_sink_(256),
        h_pinned_(host_bytes_, "probe"),
        h_pageable_(host_bytes_, "probe") {
    // Numbers as those of a workload.
    Config config;
    for (const DeviceBuffer* d_buffer : {&d_a_, &d_b_}) {
      config.shape.height = 1;
      config.shape.width = d_buffer->bytes() / size_of(config.dtype);
      generate_images(config, {0, 1}, d_buffer->data(), stream_.get());
    }
    for (const auto& [kind, h_data] : host_memory()) down(h_data->data(), host_bytes_, stream_);
    stream_.synchronize();
    registration_ = HostRegistration(h_pinned_.data(), host_bytes_);
  }

  void run() {
    warm_up();
    ceilings();
    link();
    rows();
    launches();
  }

 private:
  void warm_up() {
    const auto begin = Clock::now();
    while (Clock::now() - begin < kWarmUp) {
      queue_fmas(Dtype::kFloat32, d_sink_.data(), limits_, stream_.get());
      read(d_b_, d_b_.bytes(), 1);
      stream_.synchronize();
    }
  }

  void read(const DeviceBuffer& d_data, std::int64_t bytes, int passes) {
    queue_reads(d_data.data(), bytes, passes, d_sink_.data(), limits_, stream_.get());
  }

  /// Reports the median of what `queue` takes in stream_; one repetition before them is not timed.
  /// `gated`: what is repeated is all queued before the first begins.
  template <class Queue>
  void measure(ProbeFigure figure, const Queue& queue, std::int64_t repeated = 1,
               bool gated = false) {
    const auto started = Clock::now();
    const auto repetitions = static_cast<int>(std::max<std::int64_t>(1, repeated));
    std::vector<double> seconds;
    const auto is_over = [&] { return !gated && Clock::now() - started >= kMostOfOne; };
    for (int i = 0; i <= kRepetitions && (i < 2 || !is_over()); ++i) {
      if (gated) read(d_a_, most_, 2);  // some milliseconds
      begin_.record(stream_);
      for (int r = 0; r < repetitions; ++r) queue();
      end_.record(stream_);
      end_.synchronize();
      if (i > 0) seconds.push_back(seconds_between(begin_, end_) / repetitions);
    }
    figure.seconds = median_of(seconds);
    report(figure);
  }
  void report(const ProbeFigure& figure) {
    if (!on_figure_(figure)) throw Enough();
  }

  static std::string in_mib(std::int64_t bytes) { return fmt::format("{} MiB", bytes / kMiB); }

  /// Each over as much memory, however little is read or copied over and over.
  void ceilings() {
    for (const std::int64_t bytes : sizes({4096, 1024, 256, 64, 16}, most_)) {
      const auto passes = static_cast<int>(most_ / bytes);
      measure({"read", in_mib(bytes), static_cast<double>(bytes) * passes, "byte"},
              [&] { read(d_a_, bytes, passes); });
    }
    for (const std::int64_t bytes : sizes({1024, 256, 64, 16}, d_b_.bytes())) {
      measure(
          {"copy, read and written", in_mib(bytes), 2.0 * static_cast<double>(bytes), "byte"},
          [&] { copy(d_b_.data(), d_a_.data(), bytes, cudaMemcpyDeviceToDevice, stream_); },
          256 * kMiB / bytes);
    }
    for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
      const auto fmas = [&] { return queue_fmas(dtype, d_sink_.data(), limits_, stream_.get()); };
      measure({"multiply-add", std::string(name_of(dtype)), static_cast<double>(fmas()), "FLOP"},
              fmas);
    }
  }

  static void copy(void* to, const void* from, std::int64_t bytes, cudaMemcpyKind kind,
                   const Stream& stream) {
    CONVSCALE_CUDA(cudaMemcpyAsync(to, from, size(bytes), kind, stream.get()));
  }
  void up(const std::byte* h_from, std::int64_t bytes) {
    copy(d_a_.data(), h_from, bytes, cudaMemcpyHostToDevice, stream_);
  }
  void down(std::byte* h_to, std::int64_t bytes, const Stream& stream) {
    copy(h_to, d_b_.data(), bytes, cudaMemcpyDeviceToHost, stream);
  }

  void link() {
    for (const auto& [kind, h_data] : host_memory()) {
      for (const std::int64_t bytes : sizes({256, 64, 16, 1}, host_bytes_)) {
        const std::string variant = fmt::format("{}, {}", kind, in_mib(bytes));
        const auto amount = static_cast<double>(bytes);
        const std::int64_t repeated = 64 * kMiB / bytes;
        measure(
            {"link, up", variant, amount, "byte"}, [&] { up(h_data->data(), bytes); }, repeated);
        measure(
            {"link, down", variant, amount, "byte"}, [&] { down(h_data->data(), bytes, stream_); },
            repeated);
      }
    }
    // Both at once, on two streams; pageable copies take turns on the host.
    const std::int64_t bytes = host_bytes_ / 2;
    measure({"link, both ways", fmt::format("pinned, {}", in_mib(bytes)),
             2.0 * static_cast<double>(bytes), "byte"},
            [&] {
              CONVSCALE_CUDA(cudaStreamWaitEvent(other_.get(), begin_.get(), 0));
              down(h_pinned_.data(), bytes, other_);
              other_end_.record(other_);
              up(h_pinned_.data() + bytes, bytes);
              CONVSCALE_CUDA(cudaStreamWaitEvent(stream_.get(), other_end_.get(), 0));
            });
  }

  /// The rows that a strided convolution needs, in copies with a pitch, beside all rows. What is
  /// reported are the bytes that are needed, over the time of either.
  void rows() {
    for (const std::int64_t side : {1000, 256}) {
      for (const Dtype dtype : {Dtype::kFloat64, Dtype::kFloat32}) {
        Shape shape{.images = 1, .height = side, .width = side, .filter_size = 4, .stride = 5};
        const std::int64_t image = shape.pixels() * size_of(dtype);
        shape.images = std::min(host_bytes_, 64 * kMiB) / image;
        if (shape.images == 0) continue;
        const auto needed = static_cast<double>(upload_bytes(shape, dtype, false));
        for (const auto& [kind, h_data] : host_memory()) {
          for (const bool all : {false, true}) {
            measure({"link, up",
                     fmt::format("{}, {} of {} x {}^2 {}", kind, all ? "all rows" : "needed rows",
                                 shape.images, side, name_of(dtype)),
                     needed, "byte"},
                    [&] {
                      upload_images(shape, dtype, all, shape.images, d_a_.data(), h_data->data(),
                                    stream_.get());
                    });
          }
        }
      }
    }
  }

  /// The smallest kernel there is: one block that reads a few bytes.
  void launches() {
    const auto smallest = [&] { read(d_b_, 16, 1); };
    measure({"launch", "queued one behind the other", 1, "launch"}, smallest, kLaunches, true);
    measure({"launch", "each between events", 1, "launch"}, smallest);
    measure({"event", "nothing between two", 1, "event"}, [] {});
    std::vector<double> seconds;
    for (int i = 0; i < kLaunches; ++i) {
      const auto begin = Clock::now();
      smallest();
      stream_.synchronize();
      seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    report({"launch", "and wait, by the host's clock", 1, "launch", median_of(seconds)});
  }

  /// Those of some sizes in MiB that `most` bytes hold, in bytes.
  static std::vector<std::int64_t> sizes(std::vector<std::int64_t> mib, std::int64_t most) {
    for (std::int64_t& each : mib) each *= kMiB;
    std::erase_if(mib, [&](std::int64_t bytes) { return bytes > most; });
    return mib;
  }
  std::vector<std::pair<const char*, const PageBuffer*>> host_memory() const {
    return {{"pinned", &h_pinned_}, {"pageable", &h_pageable_}};
  }

  const OnFigure& on_figure_;
  DeviceLimits limits_;
  std::int64_t most_, host_bytes_;
  DeviceBuffer d_a_, d_b_, d_sink_;
  PageBuffer h_pinned_, h_pageable_;
  HostRegistration registration_;
  Stream stream_, other_;
  Event begin_, end_, other_end_;
};

}  // namespace

void probe(int index, const OnFigure& on_figure) {
  CONVSCALE_CUDA(cudaSetDevice(index));
  try {
    Probe(index, on_figure).run();
  } catch (const Enough&) {
    CONVSCALE_CUDA(cudaDeviceSynchronize());
  }
}

}  // namespace convscale::cuda
