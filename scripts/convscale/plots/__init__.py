# SPDX-License-Identifier: Apache-2.0
"""Charts as data, and drawn: SVG that follows the light or dark scheme of whoever looks at it."""
