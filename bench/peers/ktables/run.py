"""ktables on aiokafka, as its README has it used. One job as `name=value` arguments, one line of JSON as the answer."""

import asyncio
import gc
import platform
import time
import zlib
from importlib.metadata import version
from pathlib import Path

from ktables import KafkaConnectionConfig, KafkaTable, KafkaTableWriter
from pydantic import BaseModel
from runner import JOB, answer, memory, quantile

RUNTIME = f"ktables {version('ktables')}, aiokafka {version('aiokafka')}, Python {platform.python_version()}"


class Node(BaseModel):
    id: str
    host: str
    port: int
    version: int
    weight: float
    healthy: bool
    tags: list[str]


def connection():
    options = {}
    if "maxBytes" in JOB:
        options["fetch_max_bytes"] = int(JOB["maxBytes"])
    if "maxPartitionBytes" in JOB:
        options["max_partition_fetch_bytes"] = int(JOB["maxPartitionBytes"])
    return KafkaConnectionConfig(bootstrap_servers=JOB["brokers"], consumer_opts=options)


def make_table(**options):
    if "maxWaitMillis" in JOB:
        options["fetch_max_wait_ms"] = int(JOB["maxWaitMillis"])
    options |= {"connection": connection(), "topic": JOB["topic"], "catchup_timeout": 600.0}
    if JOB["format"] == "typed":
        return KafkaTable.json(model=Node, **options)
    return KafkaTable(value_decoder=bytes, **options)


def make_writer():
    return KafkaTableWriter(connection=connection(), topic=JOB["topic"], value_encoder=bytes, acks="all")


class LoopDelay:
    """How late a timer of 5 ms is. Every millisecond, as Node's own monitor does it in C, would cost Python 2 %."""

    def __init__(self):
        self.delays = [0.0]
        self.task = asyncio.create_task(self.watch())

    async def watch(self):
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.005)
            self.delays.append((time.perf_counter() - start - 0.005) * 1000)

    def stop(self):
        self.task.cancel()
        return {"loopP99": quantile(self.delays, 0.99), "loopMax": max(self.delays)}


async def catch_up():
    gc.collect()
    idle = memory()
    loop = LoopDelay()
    cpu = time.process_time()
    start = time.perf_counter()
    table = make_table()
    await table.start()
    figures = {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}
    ended_at = time.time() * 1000
    if table.status != "caught_up":
        raise RuntimeError(f"the table is {table.status}")
    figures |= loop.stop()
    gc.collect()
    resident = memory()
    if idle is not None:
        figures |= {
            "idleRss": idle["VmRSS"],
            "rss": resident["VmRSS"] - idle["VmRSS"],
            "peakRss": resident["VmHWM"] - idle["VmRSS"],
        }
    checksum = 0
    typed = JOB["format"] == "typed"
    for key, value in table.items():
        checksum += zlib.crc32(value.model_dump_json().encode() if typed else value, zlib.crc32(key.encode()))
    answer(RUNTIME, figures, endedAt=ended_at, content={"keys": len(table), "checksum": checksum % 2**32})


async def follow():
    """Idle for a while, then with 1,000 writes a second."""
    delays = []
    began = ended = None
    over = asyncio.Event()

    def on_set(key, value):
        nonlocal began, ended
        if key == "end":
            ended = (time.process_time(), time.perf_counter())
            over.set()
        elif key.startswith("live-"):
            delays.append(time.time() * 1000 - int(value[:16]) / 1000)
            if began is None:
                began = (time.process_time(), time.perf_counter())

    table = make_table(on_set=on_set)
    await table.start()
    await asyncio.sleep(1)
    cpu, start = time.process_time(), time.perf_counter()
    await asyncio.sleep(float(JOB["seconds"]))
    figures = {"idleCpu": 100 * (time.process_time() - cpu) / (time.perf_counter() - start)}
    Path(JOB["ready"]).touch()
    await asyncio.wait_for(over.wait(), 60)
    figures |= {
        "liveCpu": 100 * (ended[0] - began[0]) / (ended[1] - began[1]),
        "liveP50": quantile(delays, 0.5),
        "liveP99": quantile(delays, 0.99),
    }
    answer(RUNTIME, figures, seen=len(delays) + 1)


async def waits():
    visible = asyncio.Event()
    awaited = None

    def on_set(key, value):
        if key == awaited:
            visible.set()

    table = make_table(on_set=on_set)
    value = b"v" * 1024
    written = 0
    async with make_writer() as writer:
        await table.start()
        set_visible, barrier_after_set, barrier = [], [], []
        for index in range(int(JOB["warmUp"]) + int(JOB["count"])):
            awaited = f"set-{index % 1000}"
            visible.clear()
            start = time.perf_counter()
            await asyncio.gather(writer.set(awaited, value), visible_at(visible, start, set_visible))
            written += 1
        del set_visible[: int(JOB["warmUp"])]
        budget = float(JOB["seconds"])
        deadline = time.perf_counter() + budget
        while time.perf_counter() < deadline and len(barrier_after_set) < int(JOB["count"]):
            await writer.set("own", value)
            written += 1
            start = time.perf_counter()
            if not await table.barrier(timeout=10):
                raise RuntimeError("barrier timed out")
            barrier_after_set.append((time.perf_counter() - start) * 1000)
        await asyncio.sleep(1)
        deadline = time.perf_counter() + budget
        while time.perf_counter() < deadline and len(barrier) < int(JOB["count"]):
            await asyncio.sleep(0.01)
            start = time.perf_counter()
            if not await table.barrier(timeout=10):
                raise RuntimeError("barrier timed out")
            barrier.append((time.perf_counter() - start) * 1000)
    answer(
        RUNTIME,
        {
            "visibleP50": quantile(set_visible, 0.5),
            "visibleP99": quantile(set_visible, 0.99),
            "ownWriteP50": quantile(barrier_after_set, 0.5),
            "ownWriteP99": quantile(barrier_after_set, 0.99),
            "barrierP50": quantile(barrier, 0.5),
            "barrierP99": quantile(barrier, 0.99),
        },
        written=written,
    )


async def visible_at(visible, start, into):
    await visible.wait()
    into.append((time.perf_counter() - start) * 1000)


async def writes():
    value = b"v" * int(JOB["bytes"])
    written = 0
    figures = {}
    async with make_writer() as writer:

        async def run(count, in_flight):
            nonlocal written
            numbers = iter(range(count))

            async def one():
                for number in numbers:
                    await writer.set(f"write-{number % 10000}", value)

            start = time.perf_counter()
            await asyncio.gather(*(one() for _ in range(in_flight)))
            written += count
            return count / (time.perf_counter() - start)

        count = int(JOB["count"])
        await run(count // 10, 64)
        times = []
        for index in range(count // 10):
            start = time.perf_counter()
            await writer.set(f"write-{index}", value)
            times.append((time.perf_counter() - start) * 1000)
        written += len(times)
        del times[: count // 20]  # the first half warms up
        figures["writeP50"] = quantile(times, 0.5)
        figures["writeP99"] = quantile(times, 0.99)
        figures["writes64"] = await run(count, 64)
        figures["writes256"] = await run(count, 256)
    answer(RUNTIME, figures, written=written)


asyncio.run({"catchUp": catch_up, "follow": follow, "waits": waits, "writes": writes}[JOB["task"]]())
