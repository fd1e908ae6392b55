// SPDX-License-Identifier: Apache-2.0
// The machine-readable formats. CSV and Markdown are the JSON's records laid flat, so a field is
// named in one place only.
#include "bench/report/report.hpp"
#include "common/build_info.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <variant>

namespace convscale {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json nullable(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json nullable_count(int count) { return count > 0 ? Json(count) : Json(nullptr); }

Json nullable_text(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json to_json_value(const HostInfo& host) {
  Json caches = Json::array();
  for (const Cache& cache : host.caches)
    caches.push_back({{"name", cache.name}, {"bytes", cache.bytes}, {"count", cache.count}});
  return {{"name", nullable_text(host.name)},
          {"os", nullable_text(host.os)},
          {"cpu", nullable_text(host.cpu)},
          {"sockets", nullable_count(host.sockets)},
          {"cores", nullable_count(host.cores)},
          {"threads", nullable_count(host.threads)},
          {"smt", host.smt},
          {"numa_nodes", nullable_count(host.numa_nodes)},
          {"caches", caches},
          {"memory_bytes", nullable(host.memory_bytes)},
          {"isa", host.isa},
          {"affinity", nullable_text(host.affinity)},
          {"max_clock_hz", nullable(host.max_clock_hz)},
          {"governor", nullable(host.governor)},
          {"huge_pages", nullable(host.huge_pages)},
          {"hypervisor", nullable(host.hypervisor)},
          {"load", nullable(host.load)}};
}

Json nullable_bytes(std::int64_t bytes) { return bytes > 0 ? Json(bytes) : Json(nullptr); }

Json to_json_value(const DeviceInfo& d) {
  return {{"index", d.index},
          {"name", nullable_text(d.name)},
          {"compute_capability", nullable_text(d.compute_capability)},
          {"pci_bus_id", nullable_text(d.pci_bus_id)},
          {"memory_bytes", nullable_bytes(d.memory_bytes)},
          {"l2_bytes", nullable_bytes(d.l2_bytes)},
          {"multiprocessors", nullable_count(d.multiprocessors)},
          {"numa_node", nullable(d.numa_node)},
          {"driver", nullable_text(d.driver)},
          {"runtime", nullable_text(d.runtime)},
          {"driver_version", nullable(d.driver_version)},
          {"sm_clock_hz", nullable(d.sm_clock_hz)},
          {"max_sm_clock_hz", nullable(d.max_sm_clock_hz)},
          {"memory_clock_hz", nullable(d.memory_clock_hz)},
          {"power_limit_w", nullable(d.power_limit_w)}};
}

/// Each device that a record used, once; as it was seen at work, where it was.
Json devices_value(const std::vector<Record>& records) {
  std::vector<DeviceInfo> devices;
  for (const Record& record : records) {
    for (const DeviceInfo& device : record.facts.devices) {
      const auto known = std::find_if(devices.begin(), devices.end(), [&](const DeviceInfo& d) {
        return d.index == device.index && d.pci_bus_id == device.pci_bus_id;
      });
      if (known == devices.end()) {
        devices.push_back(device);
      } else if (!known->sm_clock_hz && device.sm_clock_hz) {
        *known = device;
      }
    }
  }
  Json values = Json::array();
  for (const DeviceInfo& device : devices) values.push_back(to_json_value(device));
  return values;
}

Json to_json_value(const BreakEvenSide& side) {
  Json points = Json::array();
  for (const ImagesTime& point : side.points)
    points.push_back({{"images", point.images}, {"median_s", point.time_s}});
  return {{"kernel", side.config.kernel},
          {"num_workers", side.config.num_workers},
          {"points", points},
          {"fixed_s", side.line ? Json(side.line->fixed_s) : Json(nullptr)},
          {"per_image_s", side.line ? Json(side.line->per_image_s) : Json(nullptr)}};
}

Json to_json_value(const BreakEven& entry) {
  const Config& c = entry.cpu.config;
  return {{"method", name_of(c.method)},
          {"dtype", name_of(c.dtype)},
          {"height", c.shape.height},
          {"width", c.shape.width},
          {"images", c.shape.images},
          {"filter_size", c.shape.filter_size},
          {"stride", c.shape.stride},
          {entry.cpu.config.backend, to_json_value(entry.cpu)},
          {entry.gpu.config.backend, to_json_value(entry.gpu)},
          {"images_from", nullable(entry.images_from)},
          {"images_reason", nullable_text(entry.images_reason)},
          {"upload_s", nullable(entry.upload_s)},
          {"resident_s", nullable(entry.resident_s)},
          {"cpu_s", nullable(entry.cpu_s)},
          {"passes", nullable(entry.passes)},
          {"passes_reason", nullable_text(entry.passes_reason)}};
}

Json bound_value(const Record& r) {
  const std::optional<Bound>& bound = r.bound;
  const auto rate = [&](std::optional<double> Ceilings::*ceiling) {
    return bound ? nullable(bound->ceilings.*ceiling) : Json(nullptr);
  };
  return {
      {"limit", bound ? Json(name_of(bound->limit)) : Json(nullptr)},
      {"time_s", bound ? Json(bound->time_s) : Json(nullptr)},
      {"fraction", nullable(r.fraction)},
      {"bytes", bound ? Json(bound->bytes) : Json(nullptr)},
      {"flops", bound ? Json(bound->flops) : Json(nullptr)},
      {"read_bytes_per_s", rate(&Ceilings::read_bytes_per_s)},
      {"copy_bytes_per_s", rate(&Ceilings::copy_bytes_per_s)},
      {"peak_flops_per_s", rate(&Ceilings::peak_flops_per_s)},
      {"up_bytes_per_s", rate(&Ceilings::up_bytes_per_s)},
      {"down_bytes_per_s", rate(&Ceilings::down_bytes_per_s)},
      {"duplex_bytes_per_s", rate(&Ceilings::duplex_bytes_per_s)},
      {"scatter_bytes_per_s", rate(&Ceilings::scatter_bytes_per_s)},
      {"gather_bytes_per_s", rate(&Ceilings::gather_bytes_per_s)},
      {"network_bytes_per_s",
       bound ? nullable(network_bytes_per_s(bound->ceilings, r.facts.transfer)) : Json(nullptr)}};
}

/// One entry for each rank; null for a process of its own.
Json ranks_value(const Record& r) {
  if (r.facts.ranks.empty()) return nullptr;
  Json values = Json::array();
  for (std::size_t rank = 0; rank < r.facts.ranks.size(); ++rank) {
    const RankFacts& facts = r.facts.ranks[rank];
    const auto time = [&](std::vector<std::optional<double>> RankFigures::*times) {
      return r.rank_figures ? nullable(((*r.rank_figures).*times)[rank]) : Json(nullptr);
    };
    values.push_back({{"rank", rank},
                      {"host", nullable_text(facts.host)},
                      {"num_workers", facts.num_workers},
                      {"images", facts.images},
                      {"cpus", facts.cpus.empty() ? Json(nullptr) : Json(facts.cpus)},
                      {"device", nullable(facts.device)},
                      {"kernel", nullable_text(facts.kernel)},
                      {"busy_s", time(&RankFigures::busy_s)},
                      {"run_s", time(&RankFigures::run_s)}});
  }
  return values;
}

Json rank_value(const Record& r, std::size_t RankFigures::*which) {
  if (!r.rank_figures) return {{"rank", nullptr}, {"host", nullptr}, {"run_s", nullptr}};
  const std::size_t rank = (*r.rank_figures).*which;
  return {{"rank", rank},
          {"host", nullable_text(r.facts.ranks[rank].host)},
          {"run_s", nullable(r.rank_figures->run_s[rank])}};
}

Json to_json_value(const FieldValue& value) {
  return std::visit([](const auto& known) { return Json(known); }, value);
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
    for (const Field& field : option.fields) values[field.name] = to_json_value(value_of(field, r));
  }
  values["kernel"] = kernel_of(r);
  if (!r.facts.cpus.empty()) values["cpus"] = r.facts.cpus;
  values["device"] = nullable(r.facts.device);
  values["ranks"] = r.config.ranks;
  return values;
}

Json to_json_value(const Record& r) {
  const auto of_summary = [&](double Summary::*figure) {
    return r.summary ? Json((*r.summary).*figure) : Json(nullptr);
  };
  const auto of_interval = [&](double Interval::*end) {
    const bool known = r.summary && r.summary->median_interval;
    return known ? Json((*r.summary->median_interval).*end) : Json(nullptr);
  };
  const auto of_phases = [&](double Phases::*phase) {
    return r.phases ? Json((*r.phases).*phase) : Json(nullptr);
  };
  const auto of_workers = [&](double WorkerTimes::*time) {
    return r.workers ? Json((*r.workers).*time) : Json(nullptr);
  };
  const bool verified = r.verification.status != VerificationStatus::kSkipped;
  Json record = {
      {"status", name_of(r.status)}, {"reason", nullable_text(r.reason)}, {"warnings", r.warnings}};
  record.update(configuration(r));
  record.update(
      Json{{"stopped_by", r.stopped_by ? Json(name_of(*r.stopped_by)) : Json(nullptr)},
           {"setup_s", nullable(r.setup_s)},
           {"load_s", nullable(r.load_s)},
           {"generation_s", nullable(r.generation_s)},
           {"ceilings_s", nullable(r.ceilings_s)},
           {"checks_s", nullable(r.checks_s)},
           {"verification_s", nullable(r.verification_s)},
           {"burn_times_s", r.burn_times_s},
           {"times_s", r.times_s},
           {"mean_s", of_summary(&Summary::mean)},
           {"std_s", of_summary(&Summary::std)},
           {"min_s", of_summary(&Summary::min)},
           {"median_s", of_summary(&Summary::median)},
           {"median_low_s", of_interval(&Interval::low)},
           {"median_high_s", of_interval(&Interval::high)},
           {"noise", r.summary ? nullable(r.summary->noise()) : Json(nullptr)},
           {"max_s", of_summary(&Summary::max)},
           {"cv", of_summary(&Summary::cv)},
           {"outliers", r.summary ? Json(r.summary->outliers) : Json(nullptr)},
           {"images_per_s", nullable(images_per_s(r))},
           {"pixels_per_s", nullable(pixels_per_s(r))},
           {"bytes_per_s", nullable(bytes_per_s(r))},
           {"flops_per_s", nullable(flops_per_s(r))},
           {"bound", bound_value(r)},
           {"phases",
            {{"upload_s", of_phases(&Phases::upload_s)},
             {"kernel_s", of_phases(&Phases::kernel_s)},
             {"download_s", of_phases(&Phases::download_s)}}},
           {"workers",
            {{"busy_min_s", of_workers(&WorkerTimes::busy_min_s)},
             {"busy_max_s", of_workers(&WorkerTimes::busy_max_s)},
             {"balance", nullable(r.balance)}}},
           {"per_rank", ranks_value(r)},
           {"fastest_rank", rank_value(r, &RankFigures::fastest)},
           {"slowest_rank", rank_value(r, &RankFigures::slowest)},
           {"exchanged_bytes",
            r.facts.ranks.empty() ? Json(nullptr) : Json(r.facts.transfer.exchanged_bytes())},
           {"wire_bytes", nullable(r.facts.wire_bytes)},
           {"communication_share",
            r.rank_figures ? nullable(r.rank_figures->communication_share) : Json(nullptr)},
           {"barrier_s", r.rank_figures ? Json(r.rank_figures->barrier_s) : Json(nullptr)},
           {"verification",
            {{"status", name_of(r.verification.status)},
             {"outputs", verified ? Json(r.verification.outputs) : Json(nullptr)},
             {"max_error_of_bound",
              verified ? Json(r.verification.max_error_of_bound) : Json(nullptr)}}},
           {"digest", r.digest ? Json(fmt::format("{:016x}", *r.digest)) : Json(nullptr)},
           {"path", nullable_text(r.facts.path)}});
  return record;
}

using Columns = std::vector<std::pair<std::string, std::string>>;

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

void flatten(const Json& object, const std::string& prefix, Columns& columns) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      flatten(value, prefix + key + ".", columns);
    } else {
      columns.emplace_back(prefix + key, cell_text(value));
    }
  }
}

std::vector<Columns> flat_records(const Report& report) {
  std::vector<Columns> rows;
  for (const Record& record : report.records)
    flatten(to_json_value(record), "", rows.emplace_back());
  return rows;
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

std::string joined(
    const Columns& row, std::string_view separator,
    const std::function<std::string(const std::pair<std::string, std::string>&)>& cell) {
  std::string line;
  for (std::size_t i = 0; i < row.size(); ++i)
    line += (i > 0 ? std::string(separator) : "") + cell(row[i]);
  return line;
}

}  // namespace

std::string to_json(const Report& report) {
  const BuildInfo build = build_info();
  Json document = {{"schema_version", "1"},
                   {"program",
                    {{"name", "convscale"},
                     {"version", build.version},
                     {"git", nullable_text(std::string(build.git))},
                     {"argv", report.argv}}},
                   {"started_at", report.started_at},
                   {"interrupted", report.interrupted},
                   {"wall_s", nullable(report.wall_s)},
                   {"break_even_s", nullable(report.break_even_s)},
                   {"build",
                    {{"type", build.type},
                     {"compiler", build.compiler},
                     {"flags", build.flags},
                     {"cuda", nullable_text(std::string(build.cuda))},
                     {"cudnn", nullable_text(std::string(build.cudnn))},
                     {"mpi", nullable_text(report.mpi)}}},
                   {"host", to_json_value(report.host)},
                   {"devices", devices_value(report.records)},
                   {"ranks", std::max<std::size_t>(1, report.hosts.size())},
                   {"hosts", report.hosts.size() > 1 ? Json(report.hosts) : Json(nullptr)},
                   {"records", Json::array()},
                   {"break_even", Json::array()}};
  for (const Record& record : report.records) document["records"].push_back(to_json_value(record));
  for (const BreakEven& entry : report.break_even)
    document["break_even"].push_back(to_json_value(entry));
  // Names from outside (a host's, an argument's) need not be UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_csv(const Report& report) {
  std::string text;
  for (const Columns& row : flat_records(report)) {
    if (text.empty())
      text +=
          joined(row, ",", [](const auto& column) { return csv_quoted(column.first); }) + "\r\n";
    text += joined(row, ",", [](const auto& column) { return csv_quoted(column.second); }) + "\r\n";
  }
  return text;
}

std::string to_markdown(const Report& report) {
  std::string text;
  for (const Columns& row : flat_records(report)) {
    if (text.empty()) {
      text +=
          "| " +
          joined(row, " | ", [](const auto& column) { return markdown_escaped(column.first); }) +
          " |\n";
      text += "|" + joined(row, "|", [](const auto&) { return std::string("---"); }) + "|\n";
    }
    text += "| " +
            joined(row, " | ", [](const auto& column) { return markdown_escaped(column.second); }) +
            " |\n";
  }
  return text;
}

}  // namespace convscale
