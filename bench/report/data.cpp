// SPDX-License-Identifier: Apache-2.0
// The machine-readable formats. CSV and Markdown are the JSON's records laid flat, so a field is
// named in one place only.
#include "bench/cli/option_declarations.hpp"
#include "bench/data/json.hpp"
#include "bench/report/report.hpp"
#include "common/build_info.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace convscale {
namespace {

using Json = nlohmann::ordered_json;

/// What is 0 where it is unknown.
template <class T>
Json nullable_count(T count) {
  return count > 0 ? Json(count) : Json(nullptr);
}

Json nullable_text(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

/// `values` of what is known, else as many nulls.
Json values_if(bool is_known, Json values) {
  for (Json& value : values) {
    if (!is_known) value = nullptr;
  }
  return values;
}

Json bound_value(const Record& r) {
  const Bound bound = r.bound.value_or(Bound());
  const Ceilings& c = bound.ceilings;
  Json value = values_if(r.bound.has_value(),
                         {{"limit", name_of(bound.limit)},
                          {"time_s", bound.time_s},
                          {"fraction", nullptr},
                          {"bytes", bound.bytes},
                          {"flops", bound.flops},
                          {"read_bytes_per_s", c.read_bytes_per_s},
                          {"copy_bytes_per_s", c.copy_bytes_per_s},
                          {"peak_flops_per_s", c.peak_flops_per_s},
                          {"up_bytes_per_s", c.up_bytes_per_s},
                          {"down_bytes_per_s", c.down_bytes_per_s},
                          {"duplex_bytes_per_s", c.duplex_bytes_per_s},
                          {"scatter_bytes_per_s", c.scatter_bytes_per_s},
                          {"gather_bytes_per_s", c.gather_bytes_per_s},
                          {"network_bytes_per_s", network_bytes_per_s(c, r.facts.transfer)}});
  value["fraction"] = r.fraction;
  return value;
}

/// One entry for each rank; null for a process of its own.
Json ranks_value(const Record& r) {
  if (r.facts.ranks.empty()) return nullptr;
  const RankFigures figures = r.rank_figures.value_or(RankFigures());
  Json values = Json::array();
  for (std::size_t rank = 0; rank < r.facts.ranks.size(); ++rank) {
    const RankFacts& facts = r.facts.ranks[rank];
    const auto time = [&](const auto& times) { return times.empty() ? std::nullopt : times[rank]; };
    values.push_back({{"rank", rank},
                      {"host", nullable_text(facts.host)},
                      {"num_workers", facts.num_workers},
                      {"images", facts.images},
                      {"cpus", facts.cpus.empty() ? Json(nullptr) : Json(facts.cpus)},
                      {"device", facts.device},
                      {"kernel", nullable_text(facts.kernel)},
                      {"busy_s", time(figures.busy_s)},
                      {"run_s", time(figures.run_s)}});
  }
  return values;
}

Json rank_value(const Record& r, std::size_t RankFigures::*which) {
  if (!r.rank_figures) return {{"rank", nullptr}, {"host", nullptr}, {"run_s", nullptr}};
  const std::size_t rank = (*r.rank_figures).*which;
  return {{"rank", rank},
          {"host", nullable_text(r.facts.ranks[rank].host)},
          {"run_s", r.rank_figures->run_s[rank]}};
}

/// What was run, and where: the options' fields, with what came of them. A field that stands in no
/// order here follows those that do.
Json configuration(const Record& r) {
  static constexpr const char* kOrder[] = {
      "backend",     "kernel",     "method",      "scope",       "dtype",     "height",
      "width",       "images",     "filter_size", "stride",      "fill",      "seed",
      "num_workers", "cpus",       "device",      "host_memory", "schedule",  "bind",
      "ranks",       "distribute", "iterations",  "burns",       "work_time", "interleaved",
      "min_time_s",  "max_noise",  "timeout_s"};
  Json values;
  for (const char* name : kOrder) values[name] = nullptr;
  for (const OptionDeclaration& option : option_declarations()) {
    for (const Field& field : option.fields) values[field.name] = field.value(r.config);
  }
  values["kernel"] = kernel_of(r);
  if (!r.facts.cpus.empty()) values["cpus"] = r.facts.cpus;
  values["device"] = r.facts.device;
  if (!r.facts.device) values["host_memory"] = nullptr;
  values["ranks"] = r.config.ranks;
  if (r.config.ranks == 1) values["distribute"] = nullptr;
  return values;
}

/// How long it took, and the speed.
Json times_value(const Record& r) {
  const Summary summary = r.summary.value_or(Summary());
  const auto interval = summary.median_interval;
  Json values{{"stopped_by", r.stopped_by ? Json(name_of(*r.stopped_by)) : Json(nullptr)},
              {"setup_s", r.setup_s},
              {"load_s", r.load_s},
              {"generation_s", r.generation_s},
              {"ceilings_s", r.ceilings_s},
              {"checks_s", r.checks_s},
              {"verification_s", r.verification_s},
              {"burn_times_s", r.burn_times_s},
              {"times_s", r.times_s}};
  values.update(values_if(r.summary.has_value(),
                          {{"mean_s", summary.mean},
                           {"std_s", summary.std},
                           {"min_s", summary.min},
                           {"median_s", summary.median},
                           {"median_low_s", interval ? Json(interval->low) : Json(nullptr)},
                           {"median_high_s", interval ? Json(interval->high) : Json(nullptr)},
                           {"noise", summary.noise()},
                           {"max_s", summary.max},
                           {"cv", summary.cv},
                           {"outliers", summary.outliers}}));
  values.update(Json{{"images_per_s", images_per_s(r)},
                     {"pixels_per_s", pixels_per_s(r)},
                     {"bytes_per_s", bytes_per_s(r)},
                     {"flops_per_s", flops_per_s(r)}});
  return values;
}

}  // namespace

static void to_json(Json& json, const Cache& cache) {
  json = {{"name", cache.name}, {"bytes", cache.bytes}, {"count", cache.count}};
}

static void to_json(Json& json, const HostInfo& host) {
  json = {{"name", nullable_text(host.name)},
          {"os", nullable_text(host.os)},
          {"cpu", nullable_text(host.cpu)},
          {"sockets", nullable_count(host.sockets)},
          {"cores", nullable_count(host.cores)},
          {"threads", nullable_count(host.threads)},
          {"smt", host.smt},
          {"numa_nodes", nullable_count(host.numa_nodes)},
          {"caches", host.caches},
          {"memory_bytes", host.memory_bytes},
          {"isa", host.isa},
          {"affinity", nullable_text(host.affinity)},
          {"max_clock_hz", host.max_clock_hz},
          {"governor", host.governor},
          {"huge_pages", host.huge_pages},
          {"hypervisor", host.hypervisor},
          {"load", host.load}};
}

static void to_json(Json& json, const DeviceInfo& d) {
  json = {{"index", d.index},
          {"name", nullable_text(d.name)},
          {"compute_capability", nullable_text(d.compute_capability)},
          {"pci_bus_id", nullable_text(d.pci_bus_id)},
          {"memory_bytes", nullable_count(d.memory_bytes)},
          {"l2_bytes", nullable_count(d.l2_bytes)},
          {"multiprocessors", nullable_count(d.multiprocessors)},
          {"numa_node", d.numa_node},
          {"driver", nullable_text(d.driver)},
          {"runtime", nullable_text(d.runtime)},
          {"driver_version", d.driver_version},
          {"sm_clock_hz", d.sm_clock_hz},
          {"max_sm_clock_hz", d.max_sm_clock_hz},
          {"memory_clock_hz", d.memory_clock_hz},
          {"power_limit_w", d.power_limit_w}};
}

static void to_json(Json& json, const ImagesTime& point) {
  json = {{"images", point.images}, {"median_s", point.time_s}};
}

static void to_json(Json& json, const BreakEvenSide& side) {
  json = {{"kernel", side.config.kernel},
          {"num_workers", side.config.num_workers},
          {"points", side.points},
          {"fixed_s", side.line ? Json(side.line->fixed_s) : Json(nullptr)},
          {"per_image_s", side.line ? Json(side.line->per_image_s) : Json(nullptr)}};
}

static void to_json(Json& json, const BreakEven& entry) {
  const Config& c = entry.cpu.config;
  json = {{"method", name_of(c.method)},
          {"dtype", name_of(c.dtype)},
          {"height", c.shape.height},
          {"width", c.shape.width},
          {"images", c.shape.images},
          {"filter_size", c.shape.filter_size.height},  // the command line makes square ones
          {"stride", c.shape.stride},
          {entry.cpu.config.backend, entry.cpu},
          {entry.gpu.config.backend, entry.gpu},
          {"images_from", entry.images_from},
          {"images_reason", nullable_text(entry.images_reason)},
          {"upload_s", entry.upload_s},
          {"resident_s", entry.resident_s},
          {"cpu_s", entry.cpu_s},
          {"passes", entry.passes},
          {"passes_reason", nullable_text(entry.passes_reason)}};
}

static void to_json(Json& json, const Record& r) {
  const Phases phases = r.phases.value_or(Phases());
  const WorkerTimes workers = r.workers.value_or(WorkerTimes());
  const RankFigures figures = r.rank_figures.value_or(RankFigures());
  const Verification& v = r.verification;
  const bool verified = v.status != VerificationStatus::kSkipped;
  json = {
      {"status", name_of(r.status)}, {"reason", nullable_text(r.reason)}, {"warnings", r.warnings}};
  json.update(configuration(r));
  json.update(times_value(r));
  json["bound"] = bound_value(r);
  json["phases"] = values_if(r.phases.has_value(), {{"upload_s", phases.upload_s},
                                                    {"kernel_s", phases.kernel_s},
                                                    {"download_s", phases.download_s}});
  json["workers"] = values_if(r.workers.has_value(), {{"busy_min_s", workers.busy_min_s},
                                                      {"busy_max_s", workers.busy_max_s}});
  json["workers"]["balance"] = r.balance;
  json["per_rank"] = ranks_value(r);
  json["fastest_rank"] = rank_value(r, &RankFigures::fastest);
  json["slowest_rank"] = rank_value(r, &RankFigures::slowest);
  json["exchanged_bytes"] = r.facts.transfer.exchanged_bytes();
  if (r.facts.ranks.empty()) json["exchanged_bytes"] = nullptr;
  json["wire_bytes"] = r.facts.wire_bytes;
  json["communication_share"] = figures.communication_share;
  json["barrier_s"] = r.rank_figures ? Json(figures.barrier_s) : Json(nullptr);
  json["verification"] = {{"status", name_of(v.status)}};
  json["verification"].update(
      values_if(verified, {{"outputs", v.outputs}, {"max_error_of_bound", v.max_error_of_bound}}));
  json["digest"] = r.digest ? Json(fmt::format("{:016x}", *r.digest)) : Json(nullptr);
  json["path"] = nullable_text(r.facts.path);
}

namespace {

/// Each device that a record used, once; as it was seen at work, where it was.
Json devices_value(const std::vector<Record>& records) {
  std::vector<DeviceInfo> devices;
  for (const Record& record : records) {
    for (const DeviceInfo& device : record.facts.devices) {
      const auto known = std::ranges::find_if(devices, [&](const DeviceInfo& d) {
        return d.index == device.index && d.pci_bus_id == device.pci_bus_id;
      });
      if (known == devices.end()) {
        devices.push_back(device);
      } else if (!known->sm_clock_hz && device.sm_clock_hz) {
        *known = device;
      }
    }
  }
  return devices;
}

std::string cell_text(const Json& value) {
  const bool finite = !value.is_number_float() || std::isfinite(value.get<double>());
  if (value.is_null() || !finite) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  if (!value.empty() && value[0].is_object()) return value.dump();
  std::string joined;
  for (const Json& element : value)
    joined += (joined.empty() ? "" : value[0].is_string() ? "; " : " ") + cell_text(element);
  return joined;
}

using Line = std::vector<std::string>;

/// Adds the names of the columns of `object`, and its cells.
void flatten(const Json& object, const std::string& prefix, Line& names, Line& cells) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", names, cells);
    } else {
      names.push_back(prefix + key);
      cells.push_back(cell_text(value));
    }
  }
}

/// A header, and a line for each record; each text as `escaped` gives it.
std::vector<Line> table_of(const Report& report, std::string (*escaped)(const std::string&)) {
  std::vector<Line> lines;
  for (const Json& record : Json(report.records)) {
    Line names, cells;
    flatten(record, "", names, cells);
    if (lines.empty()) lines.push_back(std::move(names));
    lines.push_back(std::move(cells));
  }
  for (Line& line : lines) std::ranges::transform(line, line.begin(), escaped);
  return lines;
}

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string markdown_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text)
    escaped += c == '|' ? std::string("\\|") : std::string(1, c == '\n' ? ' ' : c);
  return escaped;
}

}  // namespace

std::string to_json(const Report& report) {
  const BuildInfo build = build_info();
  Json document = {{"schema_version", "1"},
                   {"program",
                    {{"name", "convscale"},
                     {"version", build.version},
                     {"git", nullable_text(build.git)},
                     {"argv", report.argv}}},
                   {"started_at", report.started_at},
                   {"interrupted", report.interrupted},
                   {"wall_s", report.wall_s},
                   {"break_even_s", report.break_even_s},
                   {"build",
                    {{"type", build.type},
                     {"compiler", build.compiler},
                     {"flags", build.flags},
                     {"cuda", nullable_text(build.cuda)},
                     {"cudnn", nullable_text(build.cudnn)},
                     {"mpi", nullable_text(report.mpi)}}},
                   {"host", report.host},
                   {"devices", devices_value(report.records)},
                   {"ranks", std::max<std::size_t>(1, report.hosts.size())},
                   {"hosts", report.hosts.size() > 1 ? Json(report.hosts) : Json(nullptr)},
                   {"records", report.records},
                   {"break_even", report.break_even}};
  // Names from outside (a host's, an argument's) need not be UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_csv(const Report& report) {
  std::string text;
  for (const Line& line : table_of(report, csv_quoted))
    text += fmt::format("{}\r\n", fmt::join(line, ","));
  return text;
}

std::string to_markdown(const Report& report) {
  std::string text;
  for (const Line& line : table_of(report, markdown_escaped)) {
    const bool is_header = text.empty();
    text += fmt::format("| {} |\n", fmt::join(line, " | "));
    if (is_header) text += fmt::format("|{}|\n", fmt::join(Line(line.size(), "---"), "|"));
  }
  return text;
}

}  // namespace convscale
