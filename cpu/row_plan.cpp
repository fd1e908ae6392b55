// SPDX-License-Identifier: Apache-2.0
#include "common/host.hpp"
#include "cpu/full_method.hpp"
#include "cpu/kernel_table.hpp"

namespace convscale {
namespace {

template <class T>
class RowPlan final : public Plan {
 public:
  RowPlan(const RowKernel& kernel, const Request& request)
      : kernel_(kernel),
        method_(request.method),
        shape_(request.shape),
        row_group_(
            kernel.row_group != nullptr
                ? kernel.row_group(shape_.filter_size, method_ == Method::kFull ? 1 : shape_.stride)
                : kRowGroup),
        full_(request, row_group_) {
    constexpr std::int64_t kLine = 64;
    if (const auto workspace_bytes = kernel.operations<T>().workspace_bytes) {
      workspace_bytes_ =
          (workspace_bytes(image_of({}), method_ == Method::kStrided) + kLine - 1) / kLine * kLine;
    }
  }

  std::int64_t scratch_bytes() const override {
    return workspace_bytes_ + (method_ == Method::kFull ? full_.scratch_bytes() : 0);
  }
  std::int64_t row_group() const override {
    return method_ == Method::kFull ? full_.row_group() : row_group_;
  }
  std::string path() const override {
    const FilterSize k = shape_.filter_size;
    if (method_ == Method::kFull) return kernel_.full_path != nullptr ? kernel_.full_path(k) : "";
    return kernel_.strided_path != nullptr ? kernel_.strided_path(k, shape_.stride) : "";
  }

  void run(const Piece& piece) override {
    const Operations<T>& operations = kernel_.operations<T>();
    const Image<T> image = image_of(piece);
    if (method_ == Method::kStrided) {
      operations.strided_rows(image, piece.row_begin, piece.row_end,
                              reinterpret_cast<T*>(piece.results));
    } else {
      Piece rest = piece;
      rest.scratch = piece.scratch + workspace_bytes_;
      full_.template run<T>(
          rest, [&](std::int64_t row_begin, std::int64_t row_end, T* out, std::int64_t pitch) {
            operations.full_rows(image, row_begin, row_end, out, pitch);
          });
    }
  }

 private:
  Image<T> image_of(const Piece& piece) const {
    const Axis rows = shape_.rows(), columns = shape_.columns();
    return {.pixels = reinterpret_cast<const T*>(piece.pixels) + rows.origin * shape_.width +
                      columns.origin,
            .width = shape_.width,
            .rows = {-rows.origin, rows.size - rows.origin},
            .columns = {-columns.origin, columns.size - columns.origin},
            .taps = reinterpret_cast<const T*>(piece.taps),
            .filter_size = shape_.filter_size,
            .stride = shape_.stride,
            .dense_height = rows.dense,
            .dense_width = columns.dense,
            .workspace = piece.scratch};
  }

  const RowKernel& kernel_;
  const Method method_;
  const Shape shape_;
  const std::int64_t row_group_;
  const FullMethod full_;
  std::int64_t workspace_bytes_ = 0;
};

std::string missing_here(unsigned isa) {
  static const std::vector<std::string> kAvailable = instruction_sets();
  const std::string missing = missing_isa(isa, kAvailable);
  return missing.empty() ? "" : "this processor has no " + missing;
}

}  // namespace

Kernel as_kernel(const RowKernel& rows) {
  return {.name = rows.name,
          .description = rows.description,
          .missing = [&rows] { return missing_here(rows.isa); },
          .plan =
              [&rows](const Request& request) {
                return dispatch(request.dtype, [&]<class T>() -> std::unique_ptr<Plan> {
                  return std::make_unique<RowPlan<T>>(rows, request);
                });
              }};
}

}  // namespace convscale
