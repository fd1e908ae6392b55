// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/backend.hpp"
#include "cuda/ceiling_meter.hpp"
#include "cuda/geometry.hpp"
#include "cuda/kernel.hpp"
#include "cuda/monitor.hpp"
#include "cuda/resources.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace convscale::cuda {

/// One device's share of the work: a block of the images, dealt to streams. Scope `resident`: all
/// of it lies on the device. Scope `end-to-end`: images are uploaded in chunks, convolved, and the
/// results downloaded, the streams' chunks in turn; a share that is larger than the device's memory
/// goes through one chunk's room a stream.
class Share {
 public:
  /// Images `images` on device `device`, with `streams` streams. Throws UsageError or
  /// UnsupportedError for a kernel that does not exist or cannot.
  Share(const Config& config, const Assignment& assignment, int device, Range images, int streams);
  ~Share();
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  Range images() const { return images_; }
  std::optional<int> numa_node() const { return info_.numa_node; }
  /// What is known by now of this device and its kernel. `path`: the way that the kernel takes
  /// inside, and that data take to the device where that was chosen by trying.
  BackendFacts facts() const;
  /// Memory for the whole share at once and for ceilings, without what kernels take for themselves.
  DeviceNeed need() const;

  /// Allocates. Buffers hold all images, not only this share's; what of them this share copies may
  /// be registered already. Throws ResourceError if the device has too little memory.
  void prepare(const HostBuffers& buffers);
  /// Scope `resident`: puts the data on the device. Kernels that choose by trying do so, on data.
  /// Blocks.
  void load();
  /// Results hold the reserved NaN, and images that are to be uploaded none of their pixels.
  /// Forgets the times of the iteration before. Blocks.
  void poison();

  /// Queues the images of `range` that are ours; the rest is somebody else's. Copies of pageable
  /// memory block; between chunks it asks Assignment::stop whether to leave out the rest.
  void start(Range range);
  /// Blocks until all that was started up to and with the oldest call of `start` that was not
  /// waited for is done. Throws ResourceError on a fault of the device.
  void wait_oldest();
  /// Whether the `count` oldest of those are done.
  bool is_done(std::size_t count);

  /// Looks at the device's clocks; right behind an iteration.
  void sample_clocks() {
    if (monitor_) monitor_->sample();
  }
  /// Of the last iteration: in scope `resident` the digest; and phases and busy times, for which
  /// kernels are queued again there (see time_kernels). Blocks.
  Trace inspect(bool with_times);
  /// Scope `resident`: copies the results to the host's buffer. Blocks.
  void collect();

  /// Overwrites what is uploaded and what is downloaded. There is none without images, and in scope
  /// `resident` the link has none.
  void queue_ceiling(CeilingMeter::What what);
  std::optional<double> finish_ceiling();
  /// Seconds of work that all ceilings were until now.
  double ceilings_s() const { return ceilings_s_; }

 private:
  static constexpr std::int64_t kMostBatches = 32;  ///< that are queued to time kernels

  /// Times of one chunk on its way.
  struct Chunk {
    Event begin, uploaded, computed, downloaded;
  };
  struct Worker {
    Stream stream;
    std::unique_ptr<Plan> plan;
    DeviceBuffer scratch;
    std::deque<Chunk> chunks;  // the first `used` of them belong to this iteration
    std::size_t used = 0;
    DeviceBuffer room;  // for one chunk, where the share does not fit
  };
  /// Device memory of images, filters and results.
  struct Place {
    std::byte* d_images;
    std::byte* d_filters;
    std::byte* d_results;
  };

  bool resident() const { return config_.scope == Scope::kResident; }
  std::int64_t count() const { return images_.size(); }
  std::string device_name() const;
  void select() const;
  void make_plans(std::int64_t chunk_images);
  std::int64_t copy_bytes() const;
  std::int64_t copies_beside() const;
  void make_meter();
  /// Of all chunks of an iteration that is started at once.
  Alignment alignment();
  template <class Body>
  void for_each_chunk(const Range& range, const Body& body);
  std::int64_t scratch_bytes() const;
  void plan_memory();
  void fill();
  void tune();
  void allocate();
  /// Of the images from `first_image` on; in copy 0 or, of scope `resident`, another one.
  Place place_of(const Worker& worker, std::int64_t first_image, std::size_t copy = 0) const;
  void run_chunk(Worker& worker, std::int64_t first_image, std::int64_t images);
  void upload(const Worker& worker, const Place& place, std::int64_t first_image,
              std::int64_t images);
  void download(const Worker& worker, const Place& place, std::int64_t first_image,
                std::int64_t images);
  static Batch batch_of(const Worker& worker, const Place& place, std::int64_t images);
  void queue_kernel(const Worker& worker, const Place& place, std::int64_t images);
  void synchronize();
  void choose_rows();
  std::vector<double> time_batches(std::int64_t batches);
  void time_kernels(Trace& trace);

  const Config config_;
  const Assignment assignment_;
  const Range images_;
  const DeviceInfo info_;
  const DeviceLimits limits_;
  const Kernel& kernel_;
  bool all_rows_;
  bool sends_needless_rows_ = false;  // as that is faster
  HostBuffers host_;
  std::vector<Worker> workers_;
  std::int64_t chunk_images_ = 0;  // of one launch at most
  bool fits_ = true;               // the whole share in device memory
  DeviceBuffer d_images_, d_filters_, d_results_;
  /// Scope `resident`: more images and results like the first, so that batches that are queued one
  /// behind the other do not find their data in the cache.
  std::vector<std::pair<DeviceBuffer, DeviceBuffer>> copies_;
  std::optional<CeilingMeter> meter_;  // made by prepare(); null without images
  std::optional<Monitor> monitor_;     // null without NVML
  double ceilings_s_ = 0;
  std::optional<Event> origin_;  // times are counted from here
  // For each start() that was not waited for: the last event of each stream that it used.
  std::deque<std::vector<cudaEvent_t>> under_way_;
};

/// body(worker, first image, images) for the chunks of those of `range` that are ours, the streams'
/// in turn, so that one's upload goes on while another computes.
template <class Body>
void Share::for_each_chunk(const Range& range, const Body& body) {
  const Range ours{std::max(range.begin, images_.begin), std::min(range.end, images_.end)};
  const std::int64_t images = std::max<std::int64_t>(0, ours.size());
  const auto streams = static_cast<std::int64_t>(workers_.size());
  const std::int64_t chunks =
      divided_up(block_of(images, streams, 0).size(), chunk_images_);  // no block is larger
  for (std::int64_t c = 0; c < chunks && !assignment_.stop(); ++c) {
    for (std::int64_t w = 0; w < streams; ++w) {
      const Range block = block_of(images, streams, w);
      const Range chunk = block_of(block.size(), chunks, c);
      if (chunk.size() > 0) {
        body(workers_[static_cast<std::size_t>(w)], ours.begin + block.begin + chunk.begin,
             chunk.size());
      }
    }
  }
}

}  // namespace convscale::cuda
