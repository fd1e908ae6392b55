// SPDX-License-Identifier: Apache-2.0
#include "cuda/transfer.hpp"

#include "cuda/device_test.hpp"
#include "support.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace convscale::cuda {
namespace {

class TransferTest : public DeviceTest {};

/// Uploads images into memory full of a mark, and looks at which rows came.
void expect_needed_rows_only(const Shape& s) {
  SCOPED_TRACE(testing::text_of(s));
  constexpr float kMark = -5;
  const HostWorkload<float> data(s);
  const DeviceBuffer d_images = on_device(std::vector<float>(data.images.size(), kMark));
  const bool all_rows = all_rows_travel(s, Method::kStrided, Dtype::kFloat32);
  EXPECT_EQ(all_rows, s.filter_size.height >= s.stride);
  const Stream stream;
  upload_images(s, Dtype::kFloat32, all_rows, s.images, d_images.data(),
                reinterpret_cast<const std::byte*>(data.images.data()), stream.get());
  stream.synchronize();
  const std::vector<float> got =
      on_host<float>(d_images.data(), static_cast<std::int64_t>(data.images.size()));
  std::int64_t bytes = 0;
  for (std::int64_t i = 0; i < s.images * s.height; ++i) {
    const bool needed = all_rows || s.rows().needs(i % s.height);
    bytes += needed ? s.width * 4 : 0;
    for (std::int64_t x = 0; x < s.width; ++x) {
      const auto at = static_cast<std::size_t>(i * s.width + x);
      ASSERT_EQ(got[at], needed ? data.images[at] : kMark)
          << "image " << i / s.height << ", row " << i % s.height;
    }
  }
  EXPECT_EQ(upload_bytes(s, Dtype::kFloat32, all_rows), bytes);
}

TEST_F(TransferTest, SendsTheNeededRowsOnly) {
  for (const std::int64_t images : {1, 2, 5, 12}) {
    for (const std::int64_t height : {1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 20, 32})
      expect_needed_rows_only({images, height, 3, 4, 5});
  }
}

TEST_F(TransferTest, AnyFilterAndStride) {
  for (const std::int64_t k : {1, 2, 3, 7}) {
    for (const std::int64_t s : {1, 2, 3, 4, 6, 8, 40}) expect_needed_rows_only({7, 18, 2, k, s});
  }
  expect_needed_rows_only({3, 6, 5, 4, std::int64_t{1} << 31});
}

TEST_F(TransferTest, FullNeedsAllRows) {
  EXPECT_TRUE(all_rows_travel({3, 20, 5, 4, 5}, Method::kFull, Dtype::kFloat64));
}

TEST_F(TransferTest, AllRowsWherePitchesWouldBeTooLong) {
  EXPECT_TRUE(all_rows_travel({1, 1 << 15, 1 << 15, 4, 5}, Method::kStrided, Dtype::kFloat64));
  EXPECT_FALSE(all_rows_travel({1, 1 << 14, 1 << 13, 4, 5}, Method::kStrided, Dtype::kFloat64));
}

}  // namespace
}  // namespace convscale::cuda
