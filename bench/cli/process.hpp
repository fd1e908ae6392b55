// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace convscale {

/// SIGINT, SIGTERM, SIGHUP and SIGXCPU set a flag that the session and the workers look at between
/// their steps; a second SIGINT or SIGTERM ends the program at once. What was ignored when the
/// program began stays ignored, such as nohup's SIGHUP. SIGPIPE and SIGXFSZ are ignored: a closed
/// pipe and a file beyond its limit are outputs that cannot be written, and are reported as such.
void install_signal_handlers();

/// True once a signal has come.
bool interrupted();

/// What would end the program without a word ends it with one line, exit code 5 and no remains of
/// its outputs: an exception that nobody catches, as of a request for memory that fails in a
/// destructor, and a fault, as of a library that does not look whether it got its memory. A reserve
/// of memory makes that rare: it is given back when a request fails for the first time.
void install_last_words();

/// Adds `line` to what the last words say of the run; what does not fit is left out.
void remember(std::string_view line) noexcept;
/// The lines so far, with "; " between them. The next run begins with none.
std::string_view remembered() noexcept;
void forget_all() noexcept;

/// Opens on nothing what is closed of standard input, output and error: else the next file that is
/// opened takes the number, and the text lands in it. Says whether standard output was open.
bool hold_standard_descriptors();

}  // namespace convscale
