// SPDX-License-Identifier: Apache-2.0
#include "bench/outputs.hpp"

#include "common/error.hpp"
#include "common/report.hpp"

#include <fmt/format.h>

#include <array>
#include <ostream>
#include <span>

namespace convscale {

Outputs::Outputs(const Options& options, std::ostream& out, std::ostream& err)
    : out_(out), text_(&out) {
  open(options.json, to_json);
  open(options.csv, to_csv);
  open(options.md, to_markdown);
  for (const auto& [format, file] : formats_) {
    if (!file) text_ = &err;
  }
  if (!options.save) return;
  std::error_code error;
  std::filesystem::create_directories(*options.save, error);
  if (error) {
    throw ResourceError(
        fmt::format("cannot make the folder {}: {}; give --save a folder that can be written",
                    options.save->string(), error.message()));
  }
  for (const char* name : {"images.npy", "filters.npy", "results.npy"})
    arrays_.emplace_back(*options.save / name);
}

void Outputs::open(const std::optional<std::string>& target, Format format) {
  if (!target) return;
  if (*target == "-") {
    formats_.emplace_back(format, std::nullopt);
  } else {
    formats_.emplace_back(format, OutputFile(*target));
  }
}

void Outputs::save(const Config& config, const HostBuffers& buffers) {
  if (arrays_.empty()) return;
  const Shape& s = config.shape;
  const auto write = [&](OutputFile& file, const std::byte* data,
                         std::array<std::int64_t, 3> shape) {
    const std::int64_t bytes = shape[0] * shape[1] * shape[2] * size_of(config.dtype);
    write_npy(file, config.dtype, shape, {data, static_cast<std::size_t>(bytes)});
  };
  write(arrays_[0], buffers.images, {s.images, s.height, s.width});
  write(arrays_[1], buffers.filters, {s.images, s.filter_size, s.filter_size});
  write(arrays_[2], buffers.results, {s.images, s.out_height(), s.out_width()});
  for (OutputFile& file : arrays_) file.commit();
}

void Outputs::write(const Report& report) {
  std::string failures;  // one format that cannot be written takes no other with it
  for (auto& [format, file] : formats_) {
    const std::string text = format(report);
    if (!file) {
      out_ << text;
      continue;
    }
    try {
      file->write(text);
      file->commit();
    } catch (const ResourceError& error) {
      failures += (failures.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (!out_.flush()) {
    failures += (failures.empty() ? "" : "; ") +
                std::string("cannot write standard output: it was closed or is full");
  }
  if (!failures.empty()) throw ResourceError(failures);
}

}  // namespace convscale
