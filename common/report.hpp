// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/record.hpp"

#include <string>

/// Pure functions from a report to text. Numbers never depend on the locale.
namespace convscale {

/// The JSON document of `schema_version` "1" (docs/results-format.md), with a final newline.
/// Unknown values are null.
std::string to_json(const Report& report);

/// The records, flat: one column for each leaf of a JSON record ("bound.time_s"), one line each.
/// Lists of numbers are joined with blanks, of texts with "; "; null is empty. CSV as in RFC 4180,
/// with a header.
std::string to_csv(const Report& report);
/// The same columns as a GitHub table.
std::string to_markdown(const Report& report);

/// The original's four lines for one record. Times have two significant digits of the standard
/// deviation.
std::string original_lines(const Record& record);

/// The terminal's table of all records and, for a single one, what explains it: bytes, ceilings,
/// setup, notes.
std::string table_text(const Report& report);

/// "Verification: ..." and "FOM: ..." of one record.
std::string verdict_lines(const Record& record);

/// `seconds` with a unit and four significant digits: "7.120 ms".
std::string format_time(double seconds);

}  // namespace convscale
