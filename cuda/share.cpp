// SPDX-License-Identifier: Apache-2.0
#include "cuda/share.hpp"

#include "common/error.hpp"
#include "common/kernel_table.hpp"
#include "common/thread_team.hpp"
#include "cuda/data.hpp"
#include "cuda/device.hpp"
#include "cuda/geometry.hpp"
#include "cuda/kernel_table.hpp"
#include "cuda/transfer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace convscale::cuda {
namespace {

/// Pixels of a chunk: enough to keep the link busy while the next copy is queued, little enough
/// that the last chunk's kernel and download, which nothing overlaps, are short.
constexpr std::int64_t kChunkBytes = std::int64_t{16} << 20;
constexpr std::int64_t kCachesToRotate = 4;

/// Up to where the next buffer in a room may begin: on 256 bytes, as the allocator's.
std::int64_t aligned(std::int64_t bytes) { return divided_up(bytes, 256) * 256; }

/// Bytes of `images` images, filters and results.
struct Bytes {
  std::int64_t images, filters, results;

  Bytes(const Config& config, std::int64_t count)
      : images(count * config.shape.pixels() * size_of(config.dtype)),
        filters(count * config.shape.taps() * size_of(config.dtype)),
        results(count * config.shape.outputs() * size_of(config.dtype)) {}
  std::int64_t total() const { return aligned(images) + aligned(filters) + aligned(results); }
};

Request request_of(const Config& config, const DeviceLimits& limits, std::int64_t images) {
  Request request{convscale::Request(config), limits};
  request.shape.images = images;
  return request;
}

}  // namespace

Share::Share(const Config& config, const Assignment& assignment, int device, Range images,
             int streams)
    : config_(config),
      assignment_(assignment),
      images_(images),
      info_(describe(device)),
      limits_(limits_of(device)),
      kernel_(find_kernel("cuda", kernels(), config.kernel,
                          request_of(config, limits_, images.size()))),
      all_rows_(all_rows_travel(config.shape, config.method, config.dtype)),
      monitor_(Monitor::open(device, info_.pci_bus_id)) {
  select();
  workers_.resize(static_cast<std::size_t>(streams));
}

Share::~Share() {
  // After a fault copies may still be under way to memory that goes now.
  ignore(cudaSetDevice(info_.index));
  ignore(cudaDeviceSynchronize());
}

void Share::select() const { CONVSCALE_CUDA(cudaSetDevice(info_.index)); }

std::string Share::device_name() const {
  return fmt::format("device {} ({})", info_.index, info_.name);
}

DeviceNeed Share::need() const {
  select();
  return {device_name(),
          Bytes(config_, count()).total() + copies_beside() * copy_bytes() +
              CeilingMeter::device_bytes(info_.memory_bytes),
          free_bytes()};
}

std::int64_t Share::copy_bytes() const {
  const Bytes bytes(config_, count());
  return aligned(bytes.images) + aligned(bytes.results);
}

/// So many that the batches go round through several caches' worth, or each has a copy of its own.
std::int64_t Share::copies_beside() const {
  if (!resident() || count() == 0) return 0;
  return std::clamp<std::int64_t>(divided_up(kCachesToRotate * limits_.l2_bytes, copy_bytes()), 1,
                                  kMostBatches) -
         1;
}

void Share::make_plans(std::int64_t chunk_images) {
  chunk_images_ = chunk_images;
  Request request = request_of(config_, limits_, chunk_images);
  request.alignment = alignment();
  for (Worker& worker : workers_) worker.plan.reset();
  const Plan* plan = nullptr;
  for (Worker& worker : workers_) {
    if (plan != nullptr) worker.plan = plan->for_another_stream();
    if (!worker.plan) worker.plan = kernel_.plan(request);
    plan = worker.plan.get();
  }
  if (plan->reads_all_pixels()) all_rows_ = true;
}

std::int64_t Share::scratch_bytes() const {
  std::int64_t bytes = 0;
  for (const Worker& worker : workers_) bytes += aligned(worker.plan->scratch_bytes());
  return bytes;
}

void Share::plan_memory() {
  const auto streams = static_cast<std::int64_t>(workers_.size());
  const std::int64_t block = std::max<std::int64_t>(1, divided_up(count(), streams));
  // Chunks of a block differ by one image at most, so that plans are made for what comes.
  const auto plan_for = [&](std::int64_t most) {
    make_plans(divided_up(block, divided_up(block, std::clamp<std::int64_t>(most, 1, block))));
  };
  plan_for(resident() ? block : kChunkBytes / Bytes(config_, 1).images);
  const std::int64_t free = free_bytes() - CeilingMeter::device_bytes(info_.memory_bytes);
  const std::int64_t whole = Bytes(config_, count()).total();
  fits_ = whole + scratch_bytes() <= free;
  if (fits_) return;
  plan_for(chunk_images_);  // they start elsewhere now
  const auto lacking = [&](std::int64_t needed, const char* what, const char* remedy) {
    return ResourceError(fmt::format("{}: {} needs {:.1f} MB, {:.1f} MB are free; {}",
                                     device_name(), what, static_cast<double>(needed) * 1e-6,
                                     static_cast<double>(std::max<std::int64_t>(0, free)) * 1e-6,
                                     remedy));
  };
  if (resident()) {
    throw lacking(whole + scratch_bytes(), "scope resident",
                  "a smaller --mem, or --scope end-to-end, would do");
  }
  const auto needed = [&] {
    return streams * Bytes(config_, chunk_images_).total() + scratch_bytes();
  };
  while (needed() > free && chunk_images_ > 1) plan_for(chunk_images_ / 2);
  if (needed() > free) {
    throw lacking(needed(), "one image a stream",
                  "a smaller --size, or fewer --num_workers, would do");
  }
}

void Share::allocate() {
  origin_.emplace();
  for (Worker& worker : workers_) {
    worker.scratch = DeviceBuffer(worker.plan->scratch_bytes());
    const auto streams = static_cast<std::int64_t>(workers_.size());
    const std::int64_t chunks = divided_up(divided_up(count(), streams), chunk_images_);
    while (std::ssize(worker.chunks) < chunks) worker.chunks.emplace_back();
    if (!fits_) worker.room = DeviceBuffer(Bytes(config_, chunk_images_).total());
  }
  if (!fits_) return;
  const Bytes bytes(config_, count());
  d_images_ = DeviceBuffer(bytes.images);
  d_filters_ = DeviceBuffer(bytes.filters);
  d_results_ = DeviceBuffer(bytes.results);
  for (std::int64_t i = 0; i < copies_beside(); ++i) {
    // They are worth having, but not a refusal.
    if (CeilingMeter::device_bytes(info_.memory_bytes) + copy_bytes() > free_bytes()) break;
    copies_.emplace_back(DeviceBuffer(bytes.images), DeviceBuffer(bytes.results));
  }
}

void Share::make_meter() {
  if (count() == 0) return;
  const auto part = [](std::byte* data, std::int64_t bytes) {
    return std::span<std::byte>(data, size(bytes));
  };
  CeilingMemory memory{.d_read = part(d_images_.data(), d_images_.bytes())};
  std::optional<CeilingMeter::Link> link;
  if (!resident()) {
    const Bytes before(config_, images_.begin), whole(config_, count());
    const Bytes there(config_, fits_ ? count() : chunk_images_);
    const Place place = place_of(workers_.front(), images_.begin);
    memory.h_up = part(host_.images + before.images, whole.images);
    memory.d_up = part(place.d_images, there.images);
    memory.d_down = part(place.d_results, there.results);
    memory.h_down = part(host_.results + before.results, whole.results);
    link = {config_.host_memory, info_.numa_node};
  }
  meter_.emplace(config_.dtype, limits_, info_.memory_bytes, memory, link);
}

void Share::prepare(const HostBuffers& buffers) {
  select();
  host_ = buffers;
  plan_memory();
  allocate();
  make_meter();
}

Share::Place Share::place_of(const Worker& worker, std::int64_t first_image,
                             std::size_t copy) const {
  if (!fits_) {
    const Bytes chunk(config_, chunk_images_);
    std::byte* d_room = worker.room.data();
    return {d_room, d_room + aligned(chunk.images),
            d_room + aligned(chunk.images) + aligned(chunk.filters)};
  }
  const Bytes before(config_, first_image - images_.begin);
  const DeviceBuffer& d_images = copy == 0 ? d_images_ : copies_[copy - 1].first;
  const DeviceBuffer& d_results = copy == 0 ? d_results_ : copies_[copy - 1].second;
  return {d_images.data() + before.images, d_filters_.data() + before.filters,
          d_results.data() + before.results};
}

void Share::synchronize() {
  for (const Worker& worker : workers_) worker.stream.synchronize();
}

void Share::load() {
  if (count() == 0) return;
  select();
  if (resident()) {
    fill();
  } else {
    choose_rows();
  }
  if (workers_.front().plan->tunes()) tune();
}

void Share::fill() {
  const cudaStream_t stream = workers_.front().stream.get();
  const Bytes bytes(config_, count()), before(config_, images_.begin);
  const auto copy = [&](std::byte* d_data, const std::byte* h_data, std::int64_t count) {
    CONVSCALE_CUDA(cudaMemcpyAsync(d_data, h_data, size(count), cudaMemcpyHostToDevice, stream));
  };
  const Range global{assignment_.first_image + images_.begin,
                     assignment_.first_image + images_.end};
  if (config_.fill == Fill::kFile) {
    copy(d_images_.data(), host_.images + before.images, bytes.images);
  } else {
    generate_images(config_, global, d_images_.data(), stream);
  }
  if (config_.fill == Fill::kFile || config_.filters_from_file) {
    copy(d_filters_.data(), host_.filters + before.filters, bytes.filters);
  } else {
    generate_filters(config_, global, d_filters_.data(), stream);
  }
  for (const auto& [d_images, d_results] : copies_) {
    CONVSCALE_CUDA(cudaMemcpyAsync(d_images.data(), d_images_.data(), size(bytes.images),
                                   cudaMemcpyDeviceToDevice, stream));
  }
  synchronize();
}

void Share::poison() {
  select();
  constexpr int kNaN = 0xFF;  // in every byte: a NaN of either dtype, but not the reserved one
  const auto wipe = [&](const DeviceBuffer& buffer, const Stream& stream) {
    if (buffer.bytes() > 0)
      CONVSCALE_CUDA(cudaMemsetAsync(buffer.data(), kNaN, size(buffer.bytes()), stream.get()));
  };
  const Stream& first = workers_.front().stream;
  if (!resident()) {
    wipe(d_images_, first);
    wipe(d_filters_, first);
  }
  const std::int64_t outputs = config_.shape.outputs();
  if (fits_ && count() > 0)
    poison_results(config_.dtype, d_results_.data(), count() * outputs, first.get());
  for (Worker& worker : workers_) {
    worker.used = 0;
    if (fits_) continue;
    wipe(worker.room, worker.stream);
    poison_results(config_.dtype, place_of(worker, 0).d_results, chunk_images_ * outputs,
                   worker.stream.get());
  }
  // Reads, since what they leave in the cache need not be written back by the kernels to come.
  if (resident() && meter_) meter_->queue_flush(first.get());
  origin_->record(first);
  synchronize();
}

void Share::upload(const Worker& worker, const Place& place, std::int64_t first_image,
                   std::int64_t images) {
  const Bytes bytes(config_, images), before(config_, first_image);
  upload_images(config_.shape, config_.dtype, all_rows_, images, place.d_images,
                host_.images + before.images, worker.stream.get());
  CONVSCALE_CUDA(cudaMemcpyAsync(place.d_filters, host_.filters + before.filters,
                                 size(bytes.filters), cudaMemcpyHostToDevice, worker.stream.get()));
}

void Share::download(const Worker& worker, const Place& place, std::int64_t first_image,
                     std::int64_t images) {
  const Bytes bytes(config_, images), before(config_, first_image);
  CONVSCALE_CUDA(cudaMemcpyAsync(host_.results + before.results, place.d_results,
                                 size(bytes.results), cudaMemcpyDeviceToHost, worker.stream.get()));
}

Batch Share::batch_of(const Worker& worker, const Place& place, std::int64_t images) {
  return {.images = images,
          .d_images = place.d_images,
          .d_filters = place.d_filters,
          .d_results = place.d_results,
          .d_scratch = worker.scratch.data()};
}

void Share::queue_kernel(const Worker& worker, const Place& place, std::int64_t images) {
  worker.plan->launch(batch_of(worker, place, images), worker.stream.get());
}

void Share::run_chunk(Worker& worker, std::int64_t first_image, std::int64_t images) {
  if (worker.used == worker.chunks.size()) worker.chunks.emplace_back();
  const Chunk& chunk = worker.chunks[worker.used++];
  const Place place = place_of(worker, first_image);
  if (!resident()) {  // where no event but the one that is waited for is recorded
    chunk.begin.record(worker.stream);
    upload(worker, place, first_image, images);
    chunk.uploaded.record(worker.stream);
  }
  queue_kernel(worker, place, images);
  chunk.computed.record(worker.stream);
  if (resident()) return;
  download(worker, place, first_image, images);
  chunk.downloaded.record(worker.stream);
}

void Share::start(Range range) {
  select();
  for_each_chunk(range, [&](Worker& worker, std::int64_t first, std::int64_t images) {
    run_chunk(worker, first, images);
  });
  std::vector<cudaEvent_t>& last = under_way_.emplace_back();
  for (const Worker& worker : workers_) {
    if (worker.used == 0) continue;
    const Chunk& chunk = worker.chunks[worker.used - 1];
    last.push_back((resident() ? chunk.computed : chunk.downloaded).get());
  }
}

void Share::wait_oldest() {
  select();
  const std::vector<cudaEvent_t> events = std::move(under_way_.front());
  under_way_.pop_front();
  for (const cudaEvent_t event : events) CONVSCALE_CUDA(cudaEventSynchronize(event));
}

bool Share::is_done(std::size_t count) {
  select();
  for (std::size_t i = 0; i < count; ++i) {
    for (const cudaEvent_t event : under_way_[i]) {
      const cudaError_t state = cudaEventQuery(event);
      if (state == cudaErrorNotReady) return false;
      CONVSCALE_CUDA(state);
    }
  }
  return true;
}

void Share::collect() {
  if (!resident() || count() == 0) return;
  select();
  download(workers_.front(), place_of(workers_.front(), images_.begin), images_.begin, count());
  synchronize();
}

}  // namespace convscale::cuda
