# SPDX-License-Identifier: Apache-2.0
"""Imported first by each script: ends it with one line where this Python is too old to read the
rest. Must itself be read by Python 3.6."""
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("{}: Python {}.{} is too old; start it with Python 3.11 or later, such as "
                     "python3.11 {}\n".format(os.path.basename(sys.argv[0]), sys.version_info[0],
                                              sys.version_info[1], sys.argv[0]))
    sys.exit(3)
