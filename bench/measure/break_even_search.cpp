// SPDX-License-Identifier: Apache-2.0
#include "bench/measure/break_even_search.hpp"

#include "bench/measure/break_even.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

namespace convscale {
namespace {

bool ran_on_device(const Record& record) { return record.facts.device.has_value(); }

bool same_workload(const Config& a, const Config& b) {
  return a.method == b.method && a.dtype == b.dtype && a.shape == b.shape;
}

/// The fastest row of `scope`, on a device or not, that ran the workload of `like`; null if none
/// did.
const Record* fastest(const std::vector<Record>& records, bool on_device, Scope scope,
                      const Config& like) {
  const Record* best = nullptr;
  for (const Record& r : records) {
    if (r.status != Status::kOk || !r.summary || ran_on_device(r) != on_device ||
        r.config.scope != scope || !same_workload(r.config, like)) {
      continue;
    }
    if (best == nullptr || r.summary->median < best->summary->median) best = &r;
  }
  return best;
}

/// The configuration of `record` to measure again: the kernel that it ran with, unverified.
Config again(const Record& record, Scope scope) {
  Config config = record.config;
  config.kernel = kernel_of(record);
  config.scope = scope;
  config.verify = false;
  config.interleaved = false;
  return config;
}

/// Three different numbers of images up to `most`, which is 3 or more.
std::vector<std::int64_t> image_counts(std::int64_t most) {
  const std::int64_t few = std::max<std::int64_t>(1, most / 4);
  return {few, std::max(few + 1, most / 2), most};
}

/// One entry in the making.
class BreakEvenSearch {
 public:
  BreakEvenSearch(const Record& cpu, const Record* end_to_end, const Record* resident,
                  const MeasureMore& measure)
      : cpu_(cpu), end_to_end_(end_to_end), resident_(resident), measure_(measure) {
    const Record& gpu = end_to_end != nullptr ? *end_to_end : *resident;
    entry_.cpu.config = again(cpu, cpu.config.scope);
    entry_.gpu.config = again(gpu, Scope::kEndToEnd);
    note_link(gpu);
  }

  BreakEven find() {
    find_images();
    find_passes();
    return entry_;
  }

 private:
  void find_images() {
    constexpr std::int64_t kFewest = 3;
    const std::int64_t images = cpu_.config.shape.images;
    if (images < kFewest) {
      entry_.images_reason =
          fmt::format("a line needs {} different numbers of images, and there {} {}", kFewest,
                      images == 1 ? "is" : "are", images);
      return;
    }
    for (const std::int64_t count : image_counts(images)) {
      if (!add_point(entry_.cpu, &cpu_, count) || !add_point(entry_.gpu, end_to_end_, count)) {
        return;
      }
    }
    entry_.cpu.line = fit_line(entry_.cpu.points);
    entry_.gpu.line = fit_line(entry_.gpu.points);
    if (entry_.cpu.line->per_image_s <= 0 || entry_.gpu.line->per_image_s <= 0) {
      entry_.images_reason = "the times do not grow with the number of images";
      return;
    }
    entry_.images_from = pays_from(*entry_.cpu.line, *entry_.gpu.line);
  }

  /// Adds the time of `count` images: of `row`, if that many are its own, else measured now.
  bool add_point(BreakEvenSide& side, const Record* row, std::int64_t count) {
    // What ran in turn with others is compared with nothing that runs alone.
    const bool known =
        row != nullptr && row->config.shape.images == count && !row->config.interleaved;
    Config config = side.config;
    config.shape.images = count;
    const Record record = known ? *row : measure_(config);
    if (!is_usable(record, entry_.images_reason)) return false;
    note_link(record);
    side.points.push_back({count, record.summary->median});
    return true;
  }

  void find_passes() {
    Config config = entry_.gpu.config;
    config.scope = Scope::kResident;
    const bool in_turn = cpu_.config.interleaved;
    const Record cpu = in_turn ? measure_(entry_.cpu.config) : cpu_;
    if (!is_usable(cpu, entry_.passes_reason)) return;
    entry_.cpu_s = cpu.summary->median;
    const Record resident = resident_ != nullptr && !in_turn ? *resident_ : measure_(config);
    if (!is_usable(resident, entry_.passes_reason)) return;
    note_link(resident);
    entry_.resident_s = resident.summary->median;
    if (!up_bytes_per_s_) note_link(measure_(entry_.gpu.config));  // scope resident knows no link
    if (!up_bytes_per_s_) {
      entry_.passes_reason = "the rate of the link to the GPU was not measured";
      return;
    }
    const Shape& s = config.shape;
    const std::int64_t bytes = s.images * (s.pixels() + s.taps()) * size_of(config.dtype);
    entry_.upload_s = static_cast<double>(bytes) / *up_bytes_per_s_;
    entry_.passes = passes_to_pay(*entry_.upload_s, *entry_.resident_s, *entry_.cpu_s);
  }

  static bool is_usable(const Record& record, std::string& reason) {
    if (record.status == Status::kOk && record.summary) return true;
    const Config& c = record.config;
    reason = fmt::format("{} {} at {} image{}: {}", c.backend, name_of(c.scope), c.shape.images,
                         c.shape.images == 1 ? "" : "s",
                         record.reason.empty() ? "nothing was measured" : record.reason);
    return false;
  }

  /// The rate of the link, from the first of the GPU's records that has it.
  void note_link(const Record& record) {
    if (!ran_on_device(record) || !record.bound || up_bytes_per_s_) return;
    const std::optional<double> rate = record.bound->ceilings.up_bytes_per_s;
    if (rate && *rate > 0) up_bytes_per_s_ = rate;
  }

  const Record& cpu_;
  const Record* end_to_end_;  // null: not among the rows, as below
  const Record* resident_;
  const MeasureMore& measure_;
  std::optional<double> up_bytes_per_s_;
  BreakEven entry_;
};

}  // namespace

std::vector<BreakEven> find_break_even(const std::vector<Record>& records,
                                       const MeasureMore& measure) {
  std::vector<BreakEven> entries;
  for (const Record& record : records) {
    const Record* cpu = fastest(records, false, Scope::kEndToEnd, record.config);
    const Record* end_to_end = fastest(records, true, Scope::kEndToEnd, record.config);
    const Record* resident = fastest(records, true, Scope::kResident, record.config);
    // One entry for all rows of a workload: when its fastest CPU row comes by.
    if (cpu != &record || (end_to_end == nullptr && resident == nullptr)) continue;
    entries.push_back(BreakEvenSearch(*cpu, end_to_end, resident, measure).find());
  }
  return entries;
}

}  // namespace convscale
