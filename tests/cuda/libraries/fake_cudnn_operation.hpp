// SPDX-License-Identifier: Apache-2.0
// The fake cuDNN's convolution: what its descriptors say, with the checks that it is one of ours,
// and what it computes.
#pragma once

#include "cuda/libraries/fake_cudnn.hpp"

#include <cudnn.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fake_cudnn {

struct Tensor {
  std::int64_t id, alignment;
  cudnnDataType_t dtype;
  std::vector<std::int64_t> sizes;
  explicit Tensor(const Descriptor& d)
      : id(value<std::int64_t>(d, CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(value<std::int64_t>(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        dtype(value<cudnnDataType_t>(d, CUDNN_ATTR_TENSOR_DATA_TYPE)),
        sizes(values<std::int64_t>(d, CUDNN_ATTR_TENSOR_DIMENSIONS, 4)) {
    const auto strides = values<std::int64_t>(d, CUDNN_ATTR_TENSOR_STRIDES, 4);
    std::int64_t expected = 1;
    for (std::size_t i = 4; i-- > 0; expected *= sizes[i]) {
      require(sizes[i] > 0 && strides[i] == expected, "sizes and strides");
    }
    require(expected < (std::int64_t{1} << 31), "2^31 elements or more",
            CUDNN_STATUS_NOT_SUPPORTED_SHAPE);
  }
};

struct Operation {
  Tensor x, w, y;
  std::vector<std::int64_t> pad, stride;
  bool flips;
  explicit Operation(const Descriptor& d)
      : x(child(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X)),
        w(child(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W)),
        y(child(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y)) {
    const Descriptor& c = child(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC);
    pad = values<std::int64_t>(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 2);
    stride = values<std::int64_t>(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 2);
    flips = value<cudnnConvolutionMode_t>(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CONVOLUTION;
    const auto post = values<std::int64_t>(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 2);
    const auto dilations = values<std::int64_t>(c, CUDNN_ATTR_CONVOLUTION_DILATIONS, 2);
    require(value<std::int64_t>(c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2, "dimensions");
    require(dilations == std::vector<std::int64_t>{1, 1}, "dilations");
    require(x.sizes[0] == 1 && y.sizes[0] == 1 && w.sizes[1] == 1, "one channel a group");
    require(x.sizes[1] == w.sizes[0] && x.sizes[1] == y.sizes[1], "channels");
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t room = x.sizes[2 + i] + pad[i] + post[i] - w.sizes[2 + i];
      require(room >= 0 && y.sizes[2 + i] == room / stride[i] + 1, "sizes of the output");
    }
    const auto dtype = value<cudnnDataType_t>(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
    require(x.dtype == dtype && w.dtype == dtype && y.dtype == dtype, "types");
    const auto scale = [&](int name) {
      return dtype == CUDNN_DATA_DOUBLE ? value<double>(d, name)
                                        : static_cast<double>(value<float>(d, name));
    };
    require(scale(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA) == 1 &&
                scale(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA) == 0,
            "alpha and beta");
  }
};

template <class T>
void convolve(const Operation& o, const T* x, const T* w, T* y) {
  if (*x == 0 || std::isnan(*x)) ++library.on_nothing;
  const auto &xs = o.x.sizes, &ws = o.w.sizes, &ys = o.y.sizes;
  for (std::int64_t n = 0; n < xs[1]; ++n) {
    for (std::int64_t r = 0; r < ys[2]; ++r) {
      for (std::int64_t c = 0; c < ys[3]; ++c) {
        T sum = 0;
        for (std::int64_t ky = 0; ky < ws[2]; ++ky) {
          for (std::int64_t kx = 0; kx < ws[3]; ++kx) {
            const std::int64_t row = r * o.stride[0] - o.pad[0] + ky,
                               column = c * o.stride[1] - o.pad[1] + kx;
            if (row < 0 || row >= xs[2] || column < 0 || column >= xs[3]) continue;
            const std::int64_t tap =
                o.flips ? (ws[2] - 1 - ky) * ws[3] + ws[3] - 1 - kx : ky * ws[3] + kx;
            sum += x[(n * xs[2] + row) * xs[3] + column] * w[n * ws[2] * ws[3] + tap];
          }
        }
        y[(n * ys[2] + r) * ys[3] + c] = sum;
      }
    }
  }
}

}  // namespace fake_cudnn
