// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace convscale {

/// The choices a user makes by name. Each enumeration has one list of names, in the order of its
/// enumerators; the command line, the JSON and the messages all read it.
enum class Dtype { kFloat64, kFloat32 };
enum class Method { kFull, kStrided };
enum class Mode { kFull, kSame, kValid };  ///< the outputs of a convolution, as SciPy names them
enum class Scope { kEndToEnd, kResident };
enum class Fill { kRandom, kZeros, kIntegers, kFile };
enum class Schedule { kStatic, kDynamic, kSplit };
enum class Bind { kSpread, kCompact, kNone };
enum class HostMemory { kPinned, kPageable };
enum class Distribute { kScatter, kLocal };

template <class E>
inline constexpr std::array<std::string_view, 0> kNames{};
template <>
inline constexpr std::array<std::string_view, 2> kNames<Dtype>{"float64", "float32"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<Method>{"full", "strided"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<Mode>{"full", "same", "valid"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<Scope>{"end-to-end", "resident"};
template <>
inline constexpr std::array<std::string_view, 4> kNames<Fill>{"random", "zeros", "integers",
                                                              "file"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<Schedule>{"static", "dynamic", "split"};
template <>
inline constexpr std::array<std::string_view, 3> kNames<Bind>{"spread", "compact", "none"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<HostMemory>{"pinned", "pageable"};
template <>
inline constexpr std::array<std::string_view, 2> kNames<Distribute>{"scatter", "local"};

template <class E>
constexpr std::string_view name_of(E value) {
  return kNames<E>[static_cast<std::size_t>(value)];
}

template <class E>
constexpr std::optional<E> from_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames<E>.size(); ++i) {
    if (kNames<E>[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

constexpr std::int64_t size_of(Dtype dtype) { return dtype == Dtype::kFloat64 ? 8 : 4; }

/// Calls `function.template operator()<T>()` with the C++ type of `dtype`.
template <class Function>
decltype(auto) dispatch(Dtype dtype, Function&& function) {
  if (dtype == Dtype::kFloat64) return function.template operator()<double>();
  return function.template operator()<float>();
}

}  // namespace convscale
