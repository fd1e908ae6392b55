# SPDX-License-Identifier: Apache-2.0
"""Jobs under Slurm: job and submit are anybody's; the rest is experiments.py."""
