// SPDX-License-Identifier: Apache-2.0
#include "common/record.hpp"

#include <array>

namespace convscale {
namespace {

/// `amount()` over the median; not called without one.
template <class Amount>
std::optional<double> per_median(const Record& record, Amount&& amount) {
  if (!record.summary || record.summary->median <= 0) return std::nullopt;
  return static_cast<double>(amount()) / record.summary->median;
}

}  // namespace

std::string_view name_of(Status status) {
  static constexpr std::array<std::string_view, 4> kStatus{"ok", "skipped", "failed",
                                                           "interrupted"};
  return kStatus[static_cast<std::size_t>(status)];
}

std::string_view name_of(VerificationStatus status) {
  static constexpr std::array<std::string_view, 3> kStatus{"passed", "failed", "skipped"};
  return kStatus[static_cast<std::size_t>(status)];
}

const std::string& kernel_of(const Record& r) {
  return r.facts.kernel.empty() ? r.config.kernel : r.facts.kernel;
}

std::optional<double> images_per_s(const Record& r) {
  return per_median(r, [&] { return r.config.shape.images; });
}

std::optional<double> pixels_per_s(const Record& r) {
  return per_median(r, [&] { return r.config.shape.images * r.config.shape.pixels(); });
}

std::optional<double> bytes_per_s(const Record& r) {
  const Config& c = r.config;
  return per_median(r, [&] { return least_bytes(c.shape, c.method, c.dtype, r.facts.line_bytes); });
}

std::optional<double> flops_per_s(const Record& r) {
  if (!r.facts.direct) return std::nullopt;
  return per_median(r, [&] { return flops(r.config.shape, r.config.method); });
}

std::optional<double> speed_against(const Record& first, const Record& record) {
  const auto speed = [](const Record& r) {
    return r.status == Status::kFailed ? std::nullopt : pixels_per_s(r);
  };
  const auto before = speed(first), now = speed(record);
  const bool alike =
      first.config.method == record.config.method && first.config.scope == record.config.scope;
  if (!before || !now || !alike) return std::nullopt;
  return *now / *before;
}

}  // namespace convscale
