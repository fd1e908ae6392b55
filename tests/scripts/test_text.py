# SPDX-License-Identifier: Apache-2.0
"""convscale.text: what the scripts print looks the same everywhere."""
from __future__ import annotations

import gpu_report_records
import pytest

from convscale.text import escape_markdown, fraction_text, printable, time_text, time_unit
from convscale.vocabulary import CREDIBLE


@pytest.mark.parametrize("seconds,text", [
    (1.0, "1.000 s"), (0.99999, "1.000 s"), (0.99999e-3, "1.000 ms"), (0.99996e-6, "1.000 us"),
    (9.9996e-3, "10.00 ms"), (0.01117, "11.17 ms"), (1.2345, "1.235 s"), (12.3456, "12.35 s"),
    (123.456, "123.5 s"), (12345.0, "12345 s"), (123456.0, "123456 s"), (2e6, "2.000e+06 s"),
    (6.078e-4, "607.8 us"), (5e-9, "5.000 ns"), (5e-10, "0.500 ns"), (1e-13, "1.000e-04 ns"),
    (0.0, "0 ns")])
def test_times_have_four_digits(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_the_unit_of_an_axis_is_that_of_its_times() -> None:
    assert [time_unit(seconds) for seconds in (2.0, 0.99999, 2e-5, 1e-12)] == [
        (1.0, "s"), (1.0, "s"), (1e-6, "us"), (1e-9, "ns")]


def test_more_than_the_hardware_can_do_is_marked() -> None:
    assert [fraction_text(value) for value in (None, 0.744, 1.02, 1.0201, 12.3)] == [
        "-", "0.74", "1.02", "1.02!", "12.30!"]
    assert gpu_report_records.IMPOSSIBLE == CREDIBLE  # that script does without the package


def test_markdown_means_what_it_says() -> None:
    assert escape_markdown("a|b *c* _d_ <e> `f`\n# [g] \\") == \
        r"a\|b \*c\* \_d\_ \<e\> \`f\` \# \[g\] \\"


def test_what_steers_a_terminal_is_not_printable() -> None:
    assert printable("a\x1b[1m\nb\udcff é") == "a?[1m?b? é"
