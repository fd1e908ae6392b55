# SPDX-License-Identifier: Apache-2.0
"""Hostfiles as Open MPI's mpirun, MPICH's mpiexec and Slurm take them.

    node1 slots=64 max-slots=128    # Open MPI: settings in any order; max-slots alone counts, too
    node2:64                        # MPICH
    node[03-10,12],node3*2          # Slurm: lists, ranges, and a host repeated

A host of several lines has the slots of all of them together, a bare one of these being one slot;
one that is named once and bare does not say how many it has.
"""
from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, NoReturn, Optional

from convscale.cli import UsageError

Fail = Callable[[str], NoReturn]

_SLOTS = ("slots", "count", "cpu")
_MOST_SLOTS = tuple(f"{first}{gap}{second}" for gap in "-_" for name in _SLOTS
                    for first, second in (("max", name), (name, "max")))
# They say how processes are laid and bound, which is not left to the file.
_WITHOUT_EFFECT = ("boards", "sockets", "sockets_per_board", "sockets-per-board", "cores",
                   "cores_per_socket", "cores-per-socket", "cpu_set", "cpu-set", "port", "binding",
                   "ifname")
_USER = ("username", "user-name", "user_name", "user")
_HOST = re.compile(r"(?:[A-Za-z0-9_]|\[[0-9,-]+\])(?:[A-Za-z0-9_.-]|\[[0-9,-]+\])*")
_MOST_HOSTS = 65536


class _Mention(NamedTuple):
    host: str
    slots: Optional[int]  # None: bare


class _Empty(NamedTuple):
    """ "+e:2": so many nodes of the allocation that are named nowhere else."""

    most: int
    slots: Optional[int]
    fail: Fail


def read_hostfile(path: Path, environment: Mapping[str, str] = os.environ
                  ) -> tuple[tuple[str, ...], Optional[int]]:
    """The hosts in their order, each once, and the fewest slots of any, if all say how many.

    Raises UsageError with the number of the line that is not understood."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise UsageError(f"--hostfile {path}: {reason}; give a file with a host a line") from error
    mentions: list[_Mention] = []
    empty = list[_Empty]()  # known when all is read
    left_out: set[str] = set()
    for number, words in _lines(path, text):
        fail = _fail_at(path, number)
        slots = _slots(words[1:], fail)
        if words[0].startswith("^"):
            left_out.update(mention.host for mention in _list(words[0][1:], None, fail))
        elif found := re.fullmatch(r"\+[eE](?::([0-9]{1,6}))?", words[0]):
            empty.append(_Empty(int(found[1] or _MOST_HOSTS), slots, fail))
        elif found := re.fullmatch(r"\+n([0-9]{1,6})", words[0]):
            nodes = _allocation(environment, words[0], fail)
            if int(found[1]) >= len(nodes):
                fail(f"has {words[0]}, and the allocation has {len(nodes)} nodes, from +n0 on")
            mentions.append(_Mention(nodes[int(found[1])], slots))
        else:
            mentions += _list(words[0], slots, fail)
        if len(mentions) > _MOST_HOSTS:
            fail(f"makes more than {_MOST_HOSTS} hosts")
    for most, slots, fail in empty:
        named = {mention.host for mention in mentions}
        free = [node for node in _allocation(environment, "+e", fail) if node not in named]
        mentions += [_Mention(node, slots) for node in free[:most]]
    hosts = tuple(dict.fromkeys(mention.host for mention in mentions
                                if mention.host not in left_out))
    if not hosts:
        raise UsageError(f"--hostfile {path}: names no host; write a host a line, such as: node1 "
                         "slots=64")
    return hosts, _fewest_slots(hosts, mentions)


def _fail_at(path: Path, number: int) -> Fail:
    def fail(what: str) -> NoReturn:
        raise UsageError(f"--hostfile {path}: line {number} {what}; write a host a line, such as: "
                         "node1 slots=64")
    return fail


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """(number, words) of the lines that hold something; "slots = 4" is one word, "slots=4"."""
    def blank(comment: "re.Match[str]") -> str:
        if comment[0] == "/*":
            _fail_at(path, text.count("\n", 0, comment.start()) + 1)("has a /* that no */ ends")
        return "\n" * comment[0].count("\n") or " "
    # Whichever begins first: a /* behind a # is none.
    without = re.sub(r"(#|//)[^\n]*|/\*.*?\*/|/\*", blank, text, flags=re.DOTALL)
    lines = []
    for number, line in enumerate(without.split("\n"), 1):
        words = re.sub(r"\s*=\s*", "=", line).split()
        if words:
            lines.append((number, words))
    return lines


def _slots(words: list[str], fail: Fail) -> Optional[int]:
    """What the settings behind a host say. As in Open MPI, `max-slots` alone says it, too."""
    values: dict[str, int] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name in _USER and equals:
            fail(f"has {word}: mpirun takes no user beside a host; say it in ~/.ssh/config, and "
                 "leave it out here")
        if name in _WITHOUT_EFFECT and equals and value:
            continue
        kind = "slots" if name in _SLOTS else "max" if name in _MOST_SLOTS else ""
        if not kind or not equals:
            fail(f"has {word}, which is no setting of a hostfile")
        if kind in values:
            fail(f"says {name} twice")
        if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < 1:
            fail(f"has {word}, where a number of at least 1 is expected")
        values[kind] = int(value)
    slots = values.get("slots", values.get("max"))
    if slots is not None and slots > values.get("max", slots):
        fail(f"has {slots} slots and at most {values['max']} of them")
    return slots


def _list(text: str, slots: Optional[int], fail: Fail) -> list[_Mention]:
    """Of "node1", "node1:4", and Slurm's "node[1-4,7],login*2"."""
    mentions = []
    for part in re.split(r",(?![^\[]*\])", text):
        if "@" in part:
            fail(f"has {part}: mpirun takes no user beside a host; say it in ~/.ssh/config, and "
                 "leave it out here")
        if part.count(":") > 1:
            fail(f"has {part}: mpirun takes no IPv6 address where it takes a number of ranks; "
                 "give it a name in /etc/hosts")
        found = re.fullmatch(r"(.*?)(?:([:*])([0-9]{1,6}))?", part)
        if found is None or not _HOST.fullmatch(found[1]):
            fail("begins with no host's name")
        if found[3] is not None and (int(found[3]) < 1 or slots is not None):
            fail(f"says how many slots in {part} and again" if slots is not None else
                 f"has {part}, where a number of at least 1 is expected")
        repeated = int(found[3]) if found[2] == "*" else 1
        own = int(found[3]) if found[2] == ":" else slots
        mentions += [_Mention(host, own) for host in _expanded(found[1], fail)
                     for _ in range(repeated)]
        if len(mentions) > _MOST_HOSTS:
            fail(f"makes more than {_MOST_HOSTS} hosts")
    return mentions


def _expanded(text: str, fail: Fail) -> list[str]:
    """ "n[1-2,08-09]" as n1, n2, n08, n09."""
    parts: list[list[str]] = []
    count = 1
    for part in re.split(r"(\[[^\]]*\])", text):
        values = [part]
        if part.startswith("["):
            values = []
            for one in part[1:-1].split(","):
                ends = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", one)
                first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
                if ends is None or first > last:
                    fail(f"has {part}, which is no range such as [1-4,7]")
                if last - first >= _MOST_HOSTS:
                    fail(f"makes more than {_MOST_HOSTS} hosts")
                values += [str(number).zfill(len(ends[1])) for number in range(first, last + 1)]
        parts.append(values)
        count *= len(values)
        if count > _MOST_HOSTS:
            fail(f"makes more than {_MOST_HOSTS} hosts")
    return ["".join(chosen) for chosen in itertools.product(*parts)]


def _allocation(environment: Mapping[str, str], relative: str, fail: Fail) -> list[str]:
    """The nodes that `relative` counts."""
    nodes = environment.get("SLURM_JOB_NODELIST") or environment.get("SLURM_NODELIST")
    if not nodes:
        fail(f"has {relative}, which counts the nodes of a Slurm allocation, and this is in none")
    return [mention.host for mention in _list(nodes, None, fail)]


def _fewest_slots(hosts: tuple[str, ...], mentions: list[_Mention]) -> Optional[int]:
    slots: Counter[str] = Counter()
    for mention in mentions:
        slots[mention.host] += mention.slots or 1
    alone = Counter(mention.host for mention in mentions)
    bare = {mention.host for mention in mentions
            if mention.slots is None and alone[mention.host] == 1}
    return None if bare.intersection(hosts) else min(slots[host] for host in hosts)
