// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace convscale {

/// SIGINT, SIGTERM and SIGHUP set a flag that the runner looks at between its steps; a second one
/// ends the program at once.
void install_interrupt_handlers();

/// True once a signal has come.
bool interrupted();

}  // namespace convscale
