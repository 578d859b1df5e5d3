"""ktables' grouped tables for tests: one job as JSON on stdin, its result as JSON on stdout.

`write` writes pairs of a group and a member with their values, or deletes them (null), in their order; `read` gives all
groups, and how many foreign keys there were.
"""

import asyncio
import json
import sys

from ktables import GroupedKafkaTable, GroupedKafkaTableWriter, KafkaConnectionConfig


async def write(job):
    writer = GroupedKafkaTableWriter(
        connection=KafkaConnectionConfig(bootstrap_servers=job["brokers"]),
        topic=job["topic"],
        value_encoder=str.encode,
        acks="all",
    )
    async with writer:
        for group, member, value in job["members"]:
            if value is None:
                await writer.delete(group, member)
            else:
                await writer.set(group, member, value)


async def read(job):
    table = GroupedKafkaTable(
        connection=KafkaConnectionConfig(bootstrap_servers=job["brokers"]),
        topic=job["topic"],
        value_decoder=bytes.decode,
    )
    async with table:
        if not await table.barrier(timeout=120):
            raise RuntimeError("the barrier was not reached")
        groups = [[group, sorted(members.items())] for group, members in sorted(table.snapshot().items())]
        return {"groups": groups, "foreign": table.foreign_key_count}


given = json.load(sys.stdin)
print(json.dumps(asyncio.run({"write": write, "read": read}[given["do"]](given))))
