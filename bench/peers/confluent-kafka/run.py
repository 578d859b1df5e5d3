"""librdkafka, as Python has it: confluent-kafka. One job as `name=value` arguments, one line of JSON as the answer."""

import json
import platform

import confluent_kafka
from consuming import run
from runner import JOB, given

RUNTIME = (
    f"confluent-kafka {confluent_kafka.version()[0]}, librdkafka {confluent_kafka.libversion()[0]}, "
    f"Python {platform.python_version()}"
)
IN_BULK = int(JOB["concurrency"]) == 0
DECODE = json.loads if JOB["format"] == "typed" else bytes


def read(group, work, stop):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": JOB["brokers"],
            "group.id": group,
            "auto.offset.reset": "earliest",
            # the one with which members keep what they have, as ours does
            "partition.assignment.strategy": "cooperative-sticky",
            **given(
                **{
                    "auto.commit.interval.ms": "commitMillis",
                    "session.timeout.ms": "sessionMillis",
                    "heartbeat.interval.ms": "heartbeatMillis",
                    "fetch.wait.max.ms": "maxWaitMillis",
                    "fetch.max.bytes": "maxBytes",
                    "fetch.message.max.bytes": "maxPartitionBytes",
                }
            ),
        }
    )
    consumer.subscribe([JOB["topic"]])
    while not stop():
        if IN_BULK:
            # it waits for as many as are asked for, or for the time
            messages = consumer.consume(1000, 0.05)
        else:
            message = consumer.poll(0.5)
            messages = () if message is None else (message,)
        for message in messages:
            if message.error() is not None:
                raise RuntimeError(str(message.error()))
            work(message.key().decode(), DECODE(message.value()), message.partition(), message.offset())
    consumer.close()


run(RUNTIME, read)
