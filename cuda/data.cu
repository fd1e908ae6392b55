// SPDX-License-Identifier: Apache-2.0
#include "common/error.hpp"
#include "common/generator.hpp"
#include "cuda/check.hpp"
#include "cuda/data.hpp"
#include "cuda/thrust_error.hpp"

#include <thrust/fill.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/transform_reduce.h>

namespace convscale::cuda {
namespace {

/// Writes the two pixels that block `index` of (images, blocks of an image) stands for.
template <class T>
struct WritePixels {
  T* d_images;
  std::int64_t pixels;  ///< of one image
  std::int64_t first_image;
  Fill fill;
  std::uint64_t seed;

  CONVSCALE_HOST_DEVICE void operator()(std::int64_t index) const {
    const std::int64_t blocks = (pixels + 1) / 2;
    const std::int64_t image = index / blocks, block = index % blocks;
    const generator::Words w =
        generator::words_of(seed, generator::Stream::kPixels, first_image + image, block);
    T* d_pair = d_images + image * pixels + 2 * block;
    d_pair[0] = generator::pixel_of<T>(fill, w.word[0], w.word[1]);
    if (2 * block + 1 < pixels) d_pair[1] = generator::pixel_of<T>(fill, w.word[2], w.word[3]);
  }
};

template <class T>
struct WriteTap {
  T* d_filters;
  std::int64_t taps;  ///< of one filter
  std::int64_t first_image;
  Fill fill;
  std::uint64_t seed;

  CONVSCALE_HOST_DEVICE void operator()(std::int64_t index) const {
    d_filters[index] = generator::tap<T>(fill, seed, first_image + index / taps, index % taps);
  }
};

template <class T>
struct TermOf {
  const T* d_results;
  std::uint64_t first_index;

  CONVSCALE_HOST_DEVICE Digest operator()(std::int64_t index) const {
    const T value = d_results[index];
    return {digest_term(first_index + static_cast<std::uint64_t>(index), value),
            bits_of(value) == kPoisonBits<T> ? 1 : 0};
  }
};

struct Sum {
  CONVSCALE_HOST_DEVICE Digest operator()(Digest a, const Digest& b) const { return a += b; }
};

const thrust::counting_iterator<std::int64_t> kIndices(0);

}  // namespace

void generate_images(const Config& config, Range images, std::byte* d_images, cudaStream_t stream) {
  const std::int64_t pixels = config.shape.pixels();
  const std::int64_t blocks = (images.end - images.begin) * ((pixels + 1) / 2);
  dispatch(config.dtype, [&]<class T>() {
    const WritePixels<T> write{reinterpret_cast<T*>(d_images), pixels, images.begin, config.fill,
                               config.seed};
    CONVSCALE_THRUST(
        thrust::for_each_n(thrust::cuda::par_nosync.on(stream), kIndices, blocks, write));
  });
}

void generate_filters(const Config& config, Range images, std::byte* d_filters,
                      cudaStream_t stream) {
  const std::int64_t count = (images.end - images.begin) * config.shape.taps();
  dispatch(config.dtype, [&]<class T>() {
    const WriteTap<T> write{reinterpret_cast<T*>(d_filters), config.shape.taps(), images.begin,
                            config.fill, config.seed};
    CONVSCALE_THRUST(
        thrust::for_each_n(thrust::cuda::par_nosync.on(stream), kIndices, count, write));
  });
}

void poison_results(Dtype dtype, std::byte* d_results, std::int64_t count, cudaStream_t stream) {
  dispatch(dtype, [&]<class T>() {
    CONVSCALE_THRUST(thrust::fill_n(thrust::cuda::par_nosync.on(stream),
                                    reinterpret_cast<T*>(d_results), count, poison_value<T>()));
  });
}

Digest digest_on_device(Dtype dtype, const std::byte* d_results, std::int64_t count,
                        std::uint64_t first_index, cudaStream_t stream) {
  Digest sum;
  dispatch(dtype, [&]<class T>() {
    const TermOf<T> term{reinterpret_cast<const T*>(d_results), first_index};
    CONVSCALE_THRUST(sum = thrust::transform_reduce(thrust::cuda::par.on(stream), kIndices,
                                                    kIndices + count, term, Digest{}, Sum{}));
  });
  return sum;
}

}  // namespace convscale::cuda
