// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/report/record.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

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

/// The original's four lines for one record, with those of its iterations before the last two if
/// `with_iterations`. Times have two significant digits of the standard deviation. Without times,
/// and where it was interrupted or failed, the first two alone.
std::string original_lines(const Record& record, bool with_iterations = false);

/// The terminal's table of all records and, for a single one, its details; for several, why rows
/// have no figures, how each compares with the first that ran, and when a GPU pays.
std::string table_text(const Report& report);

/// What explains a record: device, bytes, ceilings, phases, setup, notes.
std::string details_text(const Record& record);

/// Where the time of several rows went: measured, and each of the rest apart; empty if unknown.
std::string sweep_text(const Report& report);

/// From how many images on, and after how many passes, a GPU pays; empty without entries.
std::string break_even_text(const std::vector<BreakEven>& entries);

/// Texts in the order in which they first came, each once, with the rows (from 1 on) that it was
/// said of.
using Remarks = std::vector<std::pair<std::string, std::vector<std::size_t>>>;
void add_remark(Remarks& remarks, const std::string& text, std::size_t row);

/// "row 2", "rows 2, 3, 7-9" of ascending numbers.
std::string rows_label(const std::vector<std::size_t>& rows);

/// "Verification: ..." and "FOM: ..." of one record; the latter only if it has times and is right.
/// "Interrupted: ..." in place of both where it is not whole. `row`, from 1 on, says which of
/// several it is of; 0: there is only one.
std::string verdict_lines(const Record& record, std::size_t row = 0);

/// "Time for iteration 0 is 0.0112 seconds", of each iteration, burns included, as the original's
/// newest version prints them; `row` as above.
std::string iteration_lines(const Record& record, std::size_t row = 0);

/// `seconds` with a unit and four significant digits: "7.120 ms".
std::string format_time(double seconds);

}  // namespace convscale
