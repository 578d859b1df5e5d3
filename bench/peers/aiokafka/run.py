"""aiokafka. One job as `name=value` arguments, one line of JSON as the answer."""

import asyncio
import json
import platform
from importlib.metadata import version

from aiokafka import AIOKafkaConsumer
from consuming import run
from runner import JOB, given

RUNTIME = f"aiokafka {version('aiokafka')}, Python {platform.python_version()}"
IN_BULK = int(JOB["concurrency"]) == 0


async def in_bulk(consumer, work, stop):
    while not stop():
        for messages in (await consumer.getmany(timeout_ms=500)).values():
            for message in messages:
                work(message.key, message.value, message.partition, message.offset)


async def one_by_one(consumer, work, stop):
    async def all_of_them():
        async for message in consumer:
            work(message.key, message.value, message.partition, message.offset)

    working = asyncio.create_task(all_of_them())
    while not stop():
        await asyncio.wait([working], timeout=0.25)
        if working.done():
            working.result()
    working.cancel()


async def member(group, work, stop):
    consumer = AIOKafkaConsumer(
        JOB["topic"],
        bootstrap_servers=JOB["brokers"],
        group_id=group,
        auto_offset_reset="earliest",
        key_deserializer=bytes.decode,
        **({"value_deserializer": json.loads} if JOB["format"] == "typed" else {}),
        **given(
            auto_commit_interval_ms="commitMillis",
            session_timeout_ms="sessionMillis",
            heartbeat_interval_ms="heartbeatMillis",
            fetch_max_wait_ms="maxWaitMillis",
            fetch_max_bytes="maxBytes",
            max_partition_fetch_bytes="maxPartitionBytes",
        ),
    )
    await consumer.start()
    await (in_bulk if IN_BULK else one_by_one)(consumer, work, stop)
    await consumer.stop()


run(RUNTIME, lambda group, work, stop: asyncio.run(member(group, work, stop)))
