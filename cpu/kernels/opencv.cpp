// SPDX-License-Identifier: Apache-2.0
// opencv: cv::filter2D of OpenCV, what many a C++ program calls for this.
//
//     padded = band of the image, the Kh - 1 rows above it, Kw - 1 columns of zeros behind it (mode
//              full; of the others what the outputs need)
//     for y, x:  out[y][x] = sum over a, b of flipped[a][b] * padded[y + a][x + b - (Kw - 1)]
//
// filter2D correlates, so the filter is turned around; its anchor is the filter's last tap, so that
// a window ends at its output. It makes as many outputs as it gets pixels: the rows and columns of
// the full convolution that lie beyond the image are those of zeros. 2 Kh Kw FLOPs an output;
// each pixel is read from memory once.
//
// Of a whole matrix, filter2D takes a DFT once the filter has 50 taps (float32 with SSE3: 130), as
// modules/imgproc/src/filter.dispatch.cpp says. Measured with 4.6 and one image of 1000^2: a NaN
// then spreads to 60,000 outputs, and the error of small outputs at the border is up to 30 times
// the verification's bound (float64, K 11). Of a band inside a larger matrix it always sums
// directly, which is what this kernel gives it (of a filter of one row the band is the matrix, but
// such a filter has at most 31 taps). With float64 and K 31 the DFT would be some ten
// times as fast.
//
// Measured with 33 x 1000^2, S 5, two cores of an AMD EPYC with AVX-512, OpenCV 4.6, 2026-11-28:
// float64 0.14 of the bound with K 4 and 0.12 with K 7 (avx512 in the same runs: 0.77 and 0.56),
// float32 0.20 and 0.21 (0.68 and 0.47).
#include "common/error.hpp"
#include "cpu/full_method.hpp"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace convscale {
namespace {

/// Of outputs, and as much of pixels: 4 % faster than 160 KiB and 24 % than 40 KiB (float64, K 4, 1
/// MiB of second-level cache); larger ones gained nothing.
constexpr std::int64_t kBandBytes = 320 << 10;

template <class T>
class OpencvPlan final : public Plan {
 public:
  explicit OpencvPlan(const Request& request)
      : shape_(request.shape),
        full_(request, kRowGroup, kBandBytes),
        flipped_(static_cast<int>(shape_.filter_size.height),
                 static_cast<int>(shape_.filter_size.width), kType) {
    cv::setNumThreads(1);  // workers are ours
  }

  std::int64_t scratch_bytes() const override {
    return full_.scratch_bytes() +
           (above_ + full_.band_rows()) * pitch_ * static_cast<std::int64_t>(sizeof(T));
  }
  std::int64_t row_group() const override { return full_.row_group(); }

  void run(const Piece& piece) override {
    const T* taps = reinterpret_cast<const T*>(piece.taps);
    std::reverse_copy(taps, taps + shape_.taps(), flipped_.ptr<T>());
    const std::int64_t rows = full_.band_rows();
    full_.template run<T>(
        piece, [&](std::int64_t row_begin, std::int64_t row_end, T* out, std::int64_t pitch) {
          for (std::int64_t y = row_begin; y < row_end; y += rows)
            filter(piece, y, std::min(y + rows, row_end), out + (y - row_begin) * pitch, pitch);
        });
  }

 private:
  static constexpr int kType = sizeof(T) == sizeof(double) ? CV_64F : CV_32F;

  /// Rows y_begin..y_end of the outputs with a stride of 1, of a band at most.
  void filter(const Piece& piece, std::int64_t y_begin, std::int64_t y_end, T* out,
              std::int64_t pitch) {
    const T* pixels = reinterpret_cast<const T*>(piece.pixels);
    T* const padded = reinterpret_cast<T*>(piece.scratch + full_.scratch_bytes());
    const std::int64_t rows = y_end - y_begin;
    const std::int64_t width = std::min(shape_.width, pitch_);
    for (std::int64_t r = 0; r < above_ + rows; ++r) {
      const std::int64_t y = rows_.origin + y_begin - above_ + r;
      T* row = padded + r * pitch_;
      T* end = row;
      if (y >= 0 && y < shape_.height) end = std::copy_n(pixels + y * shape_.width, width, row);
      std::fill(end, row + pitch_, T(0));
    }
    const auto above = static_cast<int>(above_), before = static_cast<int>(columns_.origin);
    const cv::Mat whole(static_cast<int>(above_ + rows), static_cast<int>(pitch_), kType, padded);
    cv::Mat band(static_cast<int>(rows), static_cast<int>(columns_.dense), kType, out,
                 static_cast<std::size_t>(pitch) * sizeof(T));
    try {
      cv::filter2D(whole(cv::Range(above, whole.rows), cv::Range(before, whole.cols)), band, -1,
                   flipped_, {flipped_.cols - 1, flipped_.rows - 1}, 0, cv::BORDER_CONSTANT);
    } catch (const cv::Exception& error) {
      throw ResourceError("cv::filter2D: " + error.err);
    }
    add_zero_taps(padded, rows, out, pitch);
  }

  /// filter2D leaves out taps that are zero; but zero times NaN or infinity is NaN.
  void add_zero_taps(const T* padded, std::int64_t rows, T* out, std::int64_t pitch) const {
    const T* taps = flipped_.ptr<T>();
    if (std::find(taps, taps + shape_.taps(), T(0)) == taps + shape_.taps()) return;
    const auto is_finite = [](T pixel) { return std::isfinite(pixel); };
    if (std::all_of(padded, padded + (above_ + rows) * pitch_, is_finite)) return;
    for (std::int64_t tap = 0; tap < shape_.taps(); ++tap) {
      if (taps[tap] != 0) continue;
      const std::int64_t a = tap / flipped_.cols;
      const std::int64_t left = flipped_.cols - 1 - tap % flipped_.cols - columns_.origin;
      for (std::int64_t y = 0; y < rows; ++y) {
        const T* row = padded + (y + a) * pitch_;
        for (std::int64_t x = std::max<std::int64_t>(0, left); x < columns_.dense; ++x)
          out[y * pitch + x] += T(0) * row[x - left];
      }
    }
  }

  const Shape shape_;
  const Axis rows_ = shape_.rows(), columns_ = shape_.columns();
  const std::int64_t above_ = rows_.filter - 1;                  // rows that a window reaches up
  const std::int64_t pitch_ = columns_.origin + columns_.dense;  // of padded rows
  const FullMethod full_;
  cv::Mat flipped_;
};

std::string refusal(const Request& request) {
  if (request.method == Method::kStrided) {
    return "it does method full only: cv::filter2D computes every output";
  }
  const Axis columns = request.shape.columns();
  return columns.origin + columns.dense <= std::numeric_limits<int>::max()
             ? ""
             : "it counts columns in 32 bits";
}

}  // namespace

extern const Kernel opencv_kernel;
const Kernel opencv_kernel{.name = "opencv",
                           .description = "cv::filter2D, band of rows by band of rows",
                           .uses = [] { return "OpenCV " + cv::getVersionString(); },
                           .refuses = &refusal,
                           .plan = &make_plan<Plan, OpencvPlan, Request>};

}  // namespace convscale
