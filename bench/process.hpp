// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace convscale {

/// SIGINT, SIGTERM, SIGHUP and SIGXCPU set a flag that the runner and the workers look at between
/// their steps; a second SIGINT or SIGTERM ends the program at once. What was ignored when the
/// program began stays ignored, such as nohup's SIGHUP. SIGPIPE and SIGXFSZ are ignored: a closed
/// pipe and a file beyond its limit are outputs that cannot be written, and are reported as such.
void install_signal_handlers();

/// True once a signal has come.
bool interrupted();

/// Opens on nothing what is closed of standard input, output and error: else the next file that is
/// opened takes the number, and the text lands in it. Says whether standard output was open.
bool hold_standard_descriptors();

}  // namespace convscale
