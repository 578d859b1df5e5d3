"""Members of consumer groups by aiokafka, a task each. The lines are those of ForeignMembers.ts."""

import asyncio
import json
import os
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}

closing = set()


def tell(line):
    print(json.dumps(line), flush=True)


async def run(name, topic, config):
    try:
        assignors = tuple(ASSIGNORS[one] for one in config.pop("assignors"))
        consumer = AIOKafkaConsumer(topic, partition_assignment_strategy=assignors, **config)
        await consumer.start()
        told = None
        while name not in closing:
            batches = await consumer.getmany(timeout_ms=50)
            for messages in batches.values():
                for message in messages:
                    tell({"name": name, "value": message.value.decode()})
            owned = sorted(one.partition for one in consumer.assignment())
            if owned != told:
                told = owned
                tell({"name": name, "owned": owned})
        await consumer.stop()
        tell({"name": name, "closed": True})
    except Exception as error:
        tell({"name": name, "error": repr(error)})


async def main():
    running = set()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        request = json.loads(line)
        if request["op"] == "close":
            closing.add(request["name"])
        else:
            running.add(asyncio.create_task(run(request["name"], request["topic"], request["config"])))
    os._exit(0)


asyncio.run(main())
