# SPDX-License-Identifier: Apache-2.0
"""The fraction of the bound over filter size and stride: measured, drawn, and as tables."""
