// SPDX-License-Identifier: Apache-2.0
// A library of objects needs a source, also where no kernel wants an instruction set of its own.
