# SPDX-License-Identifier: Apache-2.0
"""The program's convolutions with the libraries that people use on a GPU from Python."""
