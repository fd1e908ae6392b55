# SPDX-License-Identifier: Apache-2.0
"""From records to charts, which convscale.plots draws."""
