# SPDX-License-Identifier: Apache-2.0
"""Sweeps: what to measure (options, plan), measuring it (folder, launch, runs), reading it back
(collect, series), and telling it (findings, tables, report, markdown, page)."""
