// SPDX-License-Identifier: Apache-2.0
#include "bench/report/output_set.hpp"

#include "bench/cli/process.hpp"
#include "bench/report/report.hpp"
#include "common/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <span>

namespace convscale {
namespace {

constexpr std::array<const char*, 3> kArrayNames{"images.npy", "filters.npy", "results.npy"};

}  // namespace

OutputSet::OutputSet(const Options& options, std::ostream& out, std::ostream& err)
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
  for (const char* name : kArrayNames) arrays_.emplace_back(*options.save / name, interrupted);
}

void OutputSet::open(const std::string& target, Format format) {
  if (target.empty()) return;
  auto& file = formats_.emplace_back(format, std::nullopt).second;
  if (target != "-") file.emplace(target, interrupted);
}

std::vector<std::string> OutputSet::partial_arrays() const {
  std::vector<std::string> names;
  for (const OutputFile& file : arrays_) names.push_back(file.partial().string());
  return names;
}

void OutputSet::join_arrays(const std::filesystem::path& folder,
                            const std::vector<std::string>& partial) {
  for (std::size_t i = 0; i < partial.size(); ++i)
    arrays_.push_back(OutputFile::join(partial[i], folder / kArrayNames[i]));
}

void OutputSet::save(const Config& config, Range held, const HostBuffers& buffers,
                     const std::function<bool()>& stop) {
  if (arrays_.empty()) return;
  constexpr std::int64_t kPieceBytes = std::int64_t{16} << 20;  // between two looks at `stop`
  const Shape& s = config.shape;
  const auto write = [&](OutputFile& file, const std::byte* data, std::int64_t height,
                         std::int64_t width) {
    const std::array<std::int64_t, 3> shape{s.images, height, width};
    const std::int64_t bytes_of_image = height * width * size_of(config.dtype);
    const std::int64_t bytes = (held.end - held.begin) * bytes_of_image;
    const std::string header = npy_header(config.dtype, shape);
    if (held.begin == 0 && held.end > 0) file.write(header);
    for (std::int64_t done = 0; done < bytes; done += kPieceBytes) {
      if (stop()) {
        throw ResourceError(fmt::format("cannot write {}: interrupted by a signal",
                                        file.partial().parent_path().string()));
      }
      const std::span piece(data + done,
                            static_cast<std::size_t>(std::min(kPieceBytes, bytes - done)));
      if (held == Range{0, s.images}) {
        file.write(piece);  // a pipe will do
      } else {
        file.write_at(std::ssize(header) + held.begin * bytes_of_image + done, piece);
      }
    }
  };
  write(arrays_[0], buffers.images, s.height, s.width);
  write(arrays_[1], buffers.filters, s.filter_size.height, s.filter_size.width);
  write(arrays_[2], buffers.results, s.out_height(), s.out_width());
}

void OutputSet::commit_arrays() {
  for (OutputFile& file : arrays_) file.commit();
}

void OutputSet::write(const Report& report) {
  std::vector<std::string> failures;  // one format that cannot be written takes no other with it
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
      failures.emplace_back(error.what());
    }
  }
  if (!out_.flush())
    failures.emplace_back("cannot write standard output: it was closed or is full");
  if (!failures.empty()) throw ResourceError(fmt::format("{}", fmt::join(failures, "; ")));
}

}  // namespace convscale
