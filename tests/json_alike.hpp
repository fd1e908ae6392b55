// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace convscale::testing {

/// The same but for the rounding of numbers that are no whole ones.
inline void expect_alike(const nlohmann::ordered_json& got, const nlohmann::ordered_json& expected,
                         const std::string& where) {
  if (expected.is_object() && got.is_object()) {
    std::vector<std::string> keys, expected_keys;
    for (const auto& [key, value] : got.items()) keys.push_back(key);
    for (const auto& [key, value] : expected.items()) expected_keys.push_back(key);
    ASSERT_EQ(keys, expected_keys) << where;
    for (const auto& [key, value] : expected.items())
      expect_alike(got.at(key), value, where + "." + key);
  } else if (expected.is_array() && got.is_array()) {
    ASSERT_EQ(got.size(), expected.size()) << where;
    for (std::size_t i = 0; i < expected.size(); ++i)
      expect_alike(got[i], expected[i], where + "[" + std::to_string(i) + "]");
  } else if (expected.is_number_float() && got.is_number_float()) {
    EXPECT_DOUBLE_EQ(got.get<double>(), expected.get<double>()) << where;
  } else {
    EXPECT_EQ(got, expected) << where;
  }
}

}  // namespace convscale::testing
