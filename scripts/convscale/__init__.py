# SPDX-License-Identifier: Apache-2.0
"""What the scripts beside the program convscale share, and what they are made of."""
