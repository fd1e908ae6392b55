// SPDX-License-Identifier: Apache-2.0
// What Thrust makes and digests on the device is what the host makes and digests.
#include "cuda/data.hpp"

#include "cuda/device_test.hpp"

#include <limits>
#include <span>

namespace convscale::cuda {
namespace {

class Data : public DeviceTest {};

template <class T>
void expect_generated_alike(Dtype dtype, Fill fill) {
  Config config;
  config.shape = {5, 7, 9, 4, 5};  // an odd number of pixels
  config.dtype = dtype;
  config.fill = fill;
  config.seed = 0x123456789ABCDEFu;
  constexpr std::int64_t kFirst = (std::int64_t{1} << 33) + 8;
  const Range part{kFirst, kFirst + 3};
  Shape of_part = config.shape;
  of_part.images = 3;
  const HostWorkload<T> expected(of_part, fill, config.seed, part.begin);
  const std::vector<T> nothing_yet(expected.images.size(), T(-1));
  const DeviceBuffer images = on_device(nothing_yet);
  const DeviceBuffer filters(static_cast<std::int64_t>(expected.filters.size() * sizeof(T)));
  const Stream stream;
  generate_images(config, part, images.data(), stream.get());
  generate_filters(config, part, filters.data(), stream.get());
  stream.synchronize();
  EXPECT_EQ(on_host<T>(images.data(), 3 * 63), expected.images);
  EXPECT_EQ(on_host<T>(filters.data(), 3 * 16), expected.filters);
}

TEST_F(Data, GeneratedBitsAreTheHosts) {
  for (const Fill fill : {Fill::kRandom, Fill::kIntegers, Fill::kZeros}) {
    SCOPED_TRACE(std::string(name_of(fill)));
    expect_generated_alike<double>(Dtype::kFloat64, fill);
    expect_generated_alike<float>(Dtype::kFloat32, fill);
  }
}

template <class T>
void expect_digested_alike(Dtype dtype) {
  std::vector<T> values = HostWorkload<T>({3, 50, 33, 4, 5}).images;
  values[7] = T(-0.0);
  values[8] = std::numeric_limits<T>::quiet_NaN();
  values[4000] = poison_value<T>();
  const DeviceBuffer d_values = on_device(values);
  const Stream stream;
  const auto count = static_cast<std::int64_t>(values.size());
  const Digest got = digest_on_device(dtype, d_values.data(), count, 12345, stream.get());
  EXPECT_EQ(got, digest_of(std::span<const T>(values), 12345));
  EXPECT_EQ(got.unwritten, 1);
  EXPECT_EQ(digest_on_device(dtype, d_values.data(), 0, 0, stream.get()), Digest{});
}

TEST_F(Data, DigestIsTheHosts) {
  expect_digested_alike<double>(Dtype::kFloat64);
  expect_digested_alike<float>(Dtype::kFloat32);
}

TEST_F(Data, PoisonIsTheReservedPattern) {
  const std::vector<float> ones(1001, 1.0f);
  const DeviceBuffer d_values = on_device(ones);
  const Stream stream;
  poison_results(Dtype::kFloat32, d_values.data(), 1000, stream.get());
  stream.synchronize();
  const std::vector<float> got = on_host<float>(d_values.data(), 1001);
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(bits_of(got[i]), kPoisonBits<float>) << i;
  EXPECT_EQ(got[1000], 1.0f);
}

}  // namespace
}  // namespace convscale::cuda
