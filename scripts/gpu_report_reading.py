# SPDX-License-Identifier: Apache-2.0
"""Reads a folder of gpu_report.sh. Any file in it may be cut in the middle, or be something else:
what cannot be used is listed with one line, and costs nothing of the rest.

Needs Python 3.6: the checks of scripts/convscale/ ask for more, and nodes may have no more.
"""
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

Record = Dict[str, Any]
Check = Callable[[Any], bool]


# --- What a value may be


def is_number(value: Any) -> bool:
    """Of at least 0, and such that products of a few are numbers. NaN is none."""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and 0 <= value <= 1e60)


def is_signed(value: Any) -> bool:
    return is_number(value) or (isinstance(value, (int, float)) and not isinstance(value, bool)
                                and is_number(-value))


def is_time(value: Any) -> bool:
    return is_number(value) and 1e-30 <= value <= 1e30


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**63


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_plain(value: Any) -> bool:
    return value is None or is_text(value) or is_signed(value)


class Spec(NamedTuple):
    """Fields of an object: those it cannot do without; others, which are null where they are odd;
    and those that are objects themselves."""

    required: Dict[str, Check]
    optional: Dict[str, Check]
    objects: Dict[str, "Spec"]


def fields(check: Check, names: str) -> Dict[str, Check]:
    return dict.fromkeys(names.split(), check)


SIDE = Spec({"kernel": is_text, "num_workers": is_count},
            fields(is_signed, "fixed_s per_image_s"), {})
RECORD = Spec(
    dict(fields(is_text, "status backend kernel method scope dtype"),
         **fields(is_count, "height width images num_workers")),
    dict(fields(is_time, "median_s"), **dict(
        fields(is_number, "cv bytes_per_s"),
        **dict(fields(is_text, "host_memory reason digest fill path"),
               **fields(is_plain, "filter_size stride seed"), warnings=is_list))),
    {"bound": Spec({}, dict(
        fields(is_number, "read_bytes_per_s peak_flops_per_s up_bytes_per_s down_bytes_per_s "
               "duplex_bytes_per_s copy_bytes_per_s"), limit=is_text, time_s=is_time), {}),
     "phases": Spec({}, {"kernel_s": is_time}, {}),
     "verification": Spec({}, {"status": is_text}, {})})
BREAK_EVEN = Spec(
    dict(fields(is_text, "method dtype"), **fields(is_count, "height width images")),
    dict(fields(is_number, "images_from passes upload_s resident_s cpu_s"),
         **fields(is_text, "images_reason passes_reason")),
    {"cpu": SIDE, "cuda": SIDE})
DEVICE = Spec({}, dict(
    fields(is_number, "memory_bytes l2_bytes multiprocessors sm_clock_hz max_sm_clock_hz "
           "memory_clock_hz power_limit_w"),
    **fields(is_plain, "index name compute_capability driver runtime driver_version")), {})
DOCUMENT = Spec({}, {"started_at": is_text}, {
    "host": Spec({}, fields(is_plain, "name os cpu threads numa_nodes"), {}),
    "program": Spec({}, {"version": is_text}, {})})
PROBE = Spec({"name": is_text, "seconds": is_number},
             dict(fields(is_number, "amount bytes_per_s flops_per_s"), variant=is_plain,
                  unit=is_text), {})


def cleaned(spec: Spec, value: Any, odd: List[str], prefix: str = "") -> Optional[Record]:
    """What `spec` names of it, all of the right kind; None if it cannot do without a field that is
    not. `odd` gets the names of such fields."""
    if not isinstance(value, dict):
        odd.append(prefix.rstrip(".") or "object")
        return None
    found: Record = {}
    for name, check in spec.required.items():
        if not check(value.get(name)):
            odd.append(prefix + name)
            return None
        found[name] = value[name]
    for name, check in spec.optional.items():
        one = value.get(name)
        if one is not None and not check(one):
            odd.append(prefix + name)
            one = None
        found[name] = one
    for name, inner in spec.objects.items():
        one = value.get(name)
        part = cleaned(inner, {} if one is None and not inner.required else one, odd,
                       prefix + name + ".")
        if part is None and inner.required:
            return None
        found[name] = part if part is not None else cleaned(inner, {}, [])
    return found


# --- The folder


class Sample(NamedTuple):
    """A line of clocks.csv."""

    when: str  # local time, as in steps.tsv
    card: str  # its number
    figures: Tuple[float, ...]  # SM and memory clock in MHz, watts, degrees


class Folder:
    """What gpu_report.sh left: steps, records, break-even entries, devices, probes, clocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable: List[str] = []
        self.records: List[Record] = []
        self.break_even: List[Record] = []
        self.devices: Dict[str, Record] = {}
        self.device_names: Dict[str, None] = {}
        self.documents: List[Record] = []
        self.probes: List[Record] = []
        # outcome, seconds, name, remark; begin and end, which may be missing
        self.steps = [(line.split("\t") + [""] * 6)[:6]
                      for line in self.text("steps.tsv").splitlines() if line.strip()]
        for file in sorted((path / "runs").glob("*.json")):
            self._read(file)
        self.samples = [sample for sample in map(sample_of, self.text("clocks.csv").splitlines())
                        if sample]

    def _read(self, file: Path) -> None:
        try:
            if not file.is_file():
                raise ValueError("is no file")
            document = json.loads(file.read_text(encoding="utf-8"))
            if not isinstance(document, dict) or document.get("schema_version") != "1":
                raise ValueError("is no results file of schema_version \"1\"")
        except (OSError, ValueError, RecursionError) as error:
            self.unreadable.append("{}: {}".format(file.name, one_line_of(error)))
            return
        known = self._usable(DOCUMENT, document, file.name)
        if known:
            self.documents.append(known)
        for record in self._each(RECORD, document, "records", file.name):
            record["warnings"] = [w for w in record["warnings"] or [] if is_text(w)]
            record["run"] = file.stem
            self.records.append(record)
        self.break_even += self._each(BREAK_EVEN, document, "break_even", file.name)
        self.probes += self._each(PROBE, document, "probe", file.name)
        for device in self._each(DEVICE, document, "devices", file.name):
            if device["index"] is not None:
                self.devices[str(device["index"])] = device
            elif device["name"] is not None:  # all that other programs know
                self.device_names[str(device["name"])] = None

    def _each(self, spec: Spec, document: Record, name: str, file: str) -> List[Record]:
        """The usable elements of a list in a document, which may lack it."""
        found = document.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            self.unreadable.append("{}: {} is no list".format(file, name))
            return []
        usable = []
        for index, raw in enumerate(found):
            one = self._usable(spec, raw, "{}: {}[{}]".format(file, name, index))
            if one is not None:
                usable.append(one)
        return usable

    def _usable(self, spec: Spec, raw: Any, where: str) -> Optional[Record]:
        odd: List[str] = []
        one = cleaned(spec, raw, odd)
        if one is not None and one.get("status") == "ok" and one.get("median_s") is None:
            odd, one = odd + ["median_s"], None
        if odd:
            self.unreadable.append("{}: has no proper {}{}".format(
                where, ", ".join(sorted(set(odd))), "" if one is not None else "; left out"))
        return one

    def text(self, name: str) -> str:
        try:
            if not (self.path / name).is_file():
                return ""
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def texts(self, pattern: str) -> List[Tuple[str, str]]:
        """Name and text of each such file in runs/."""
        return [(file.stem, self.text("runs/" + file.name))
                for file in sorted((self.path / "runs").glob(pattern))]


def one_line_of(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def sample_of(line: str) -> Optional[Sample]:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 6 or not re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", cells[0]):
        return None
    figures = [re.match(r"\d{1,9}(\.\d{1,9})?", cell) for cell in cells[2:]]
    return Sample(cells[0][:19], cells[1], tuple(float(f.group()) if f else -1.0 for f in figures))
