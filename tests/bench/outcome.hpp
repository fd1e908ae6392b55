// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/backends.hpp"
#include "bench/program.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace convscale::testing {

/// What one run of the program left.
struct Outcome {
  int code = -1;
  std::string out, err;
};

inline Outcome run(std::vector<std::string> args, const BackendTable& table = backends()) {
  args.insert(args.begin(), "convscale");
  std::ostringstream out, err;
  const int code = run_program(args, table, out, err);
  return {code, out.str(), err.str()};
}

/// A run of a few milliseconds, with more arguments.
inline std::vector<std::string> quick(std::vector<std::string> more = {}) {
  std::vector<std::string> args{"--size", "20x30", "--mem", "3000", "-w", "2", "--iterations", "3"};
  for (std::string& arg : more) args.push_back(std::move(arg));
  return args;
}

inline nlohmann::json record_of(const std::string& document) {
  return nlohmann::json::parse(document)["records"][0];
}

inline void expect_one_line_error(const Outcome& outcome, int code, const std::string& part) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  EXPECT_THAT(outcome.err, ::testing::StartsWith("convscale: "));
  EXPECT_THAT(outcome.err, ::testing::HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

}  // namespace convscale::testing
