# SPDX-License-Identifier: Apache-2.0
"""A model of runs over nodes, fitted to measured records. docs/scaling.md derives it."""
