"""What all runners in Python share: the job, the memory, and how the answer is given."""

import json
import sys
from pathlib import Path

JOB = dict(argument.split("=", 1) for argument in sys.argv[1:])


def given(**options):
    """Those whose argument is in the job, as whole numbers: a peer's default is its own otherwise."""
    return {name: int(JOB[argument]) for name, argument in options.items() if argument in JOB}


def memory():
    """Resident bytes and their peak; nothing where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    except OSError:
        return None
    return {name: int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}


def quantile(numbers, q):
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


def answer(runtime, figures, **more):
    print(json.dumps({"runtime": runtime, "figures": figures, **more}), flush=True)
