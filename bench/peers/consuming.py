"""What members of groups in Python share.

`read(group, work, stop)` is a member of a group from its beginning to its end: it begins where the group is, or at the beginning
of the topic; calls `work` for each record (key as text, value, partition, offset) and commits what it was called for, every so
often; and commits, leaves and returns when `stop()`, which it asks at least twice a second, says so.
"""

import gc
import json
import os
import time
import zlib
from pathlib import Path

from runner import JOB, answer, memory, quantile


def json_bytes(value):
    return json.dumps(value, separators=(",", ":")).encode()


def consume(runtime, read):
    """A topic from its beginning to its end; a second time, not measured, to see that it was all of it."""
    total = int(JOB["records"])
    seen = checksum = again = 0
    figures = {}
    ended_at = None

    def count(key, value, partition, offset):
        nonlocal ended_at, seen
        seen += 1
        if seen == total:
            figures.update(seconds=time.perf_counter() - start, cpuSeconds=time.process_time() - cpu)
            ended_at = time.time() * 1000

    gc.collect()
    idle = memory()
    cpu, start = time.process_time(), time.perf_counter()
    read(JOB["group"], count, lambda: seen >= total)
    if idle is not None:
        figures |= {"idleRss": idle["VmRSS"], "peakRss": memory()["VmHWM"] - idle["VmRSS"]}

    bytes_of = json_bytes if JOB["format"] == "typed" else bytes

    def add(key, value, partition, offset):
        nonlocal again, checksum
        again += 1
        checksum += zlib.crc32(bytes_of(value), zlib.crc32(key.encode()))

    read(f"{JOB['group']}-again", add, lambda: again >= total)
    answer(runtime, figures, endedAt=ended_at, consumed=seen, log={"records": again, "checksum": checksum % 2**32})


def follow(runtime, read):
    """Idle for a while, then with so many writes a second."""
    delays = []
    figures = {}
    moments = {}

    def now():
        return {"cpu": time.process_time(), "time": time.perf_counter()}

    def percent(since, until):
        return 100 * (until["cpu"] - since["cpu"]) / (until["time"] - since["time"])

    def work(key, value, partition, offset):
        if key == "end":
            moments["ended"] = now()
        elif key.startswith("live-"):
            delays.append(time.time() * 1000 - int(value[:16]) / 1000)
            if "began" not in moments:
                moments["began"] = now()

    def stop():
        """It has three seconds to become a member, and is idle then."""
        at = now()
        first = moments.setdefault("first", at)
        if at["time"] - first["time"] >= 3:
            idle = moments.setdefault("idle", at)
            if "idleCpu" not in figures and at["time"] - idle["time"] >= float(JOB["seconds"]):
                figures["idleCpu"] = percent(idle, at)
                Path(JOB["ready"]).touch()
        return "ended" in moments

    read(JOB["group"], work, stop)
    figures |= {
        "liveCpu": percent(moments["began"], moments["ended"]),
        "liveP50": quantile(delays, 0.5),
        "liveP99": quantile(delays, 0.99),
    }
    answer(runtime, figures, seen=len(delays) + 1)


def rebalance(runtime, read):
    """One of several members, which tells of each record at once, as it may be killed. See consuming.mjs."""
    journal = os.open(JOB["journal"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while not os.path.exists(JOB["begin"]):
        time.sleep(0.02)

    def work(key, value, partition, offset):
        os.write(journal, f"{partition} {offset} {time.time() * 1000:.3f} {value[:16].decode()}\n".encode())

    read(JOB["group"], work, lambda: os.path.exists(JOB["stop"]))
    answer(runtime, {})


def run(runtime, read):
    {"consume": consume, "consumeFollow": follow, "rebalance": rebalance}[JOB["task"]](runtime, read)
