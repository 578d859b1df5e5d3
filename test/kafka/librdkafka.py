"""librdkafka for tests: one job as JSON on stdin, its result as JSON on stdout. Bytes are base64."""

import base64
import json
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition


def encode(value):
    return None if value is None else base64.b64encode(value).decode()


def decode(text):
    return None if text is None else base64.b64decode(text)


def produce(job):
    producer = Producer(
        {
            "linger.ms": 50,
            # Java's way of choosing a partition; librdkafka's own default is another one.
            "partitioner": "murmur2_random",
            "message.timeout.ms": 120000,
            **job["config"],
        }
    )
    positions = [None] * len(job["records"])

    def acknowledged(index):
        def report(error, message):
            positions[index] = (
                {"error": str(error)}
                if error is not None
                else {"partition": message.partition(), "offset": message.offset()}
            )

        return report

    for index, record in enumerate(job["records"]):
        options = {}
        if record.get("partition") is not None:
            options["partition"] = record["partition"]
        if record.get("timestamp") is not None:
            options["timestamp"] = record["timestamp"]
        producer.produce(
            job["topic"],
            key=decode(record["key"]),
            value=decode(record["value"]),
            headers=[(header["key"], decode(header["value"])) for header in record["headers"]],
            on_delivery=acknowledged(index),
            **options,
        )
        producer.poll(0)
    producer.flush()
    for position in positions:
        if position is None or "error" in position:
            raise RuntimeError(f"not produced: {position}")
    return positions


def consume(job):
    """All records from the beginning up to the end as it is now."""
    topic = job["topic"]
    committed = job["committed"]
    consumer = Consumer(
        {
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "fetch.wait.max.ms": 100,
            **job["config"],
        }
    )
    records = []
    try:
        found = consumer.list_topics(topic, timeout=120).topics[topic]
        if found.error is not None:
            raise RuntimeError(str(found.error))
        consumer.assign([TopicPartition(topic, p, 0) for p in found.partitions])
        left = set(found.partitions)
        deadline = time.monotonic() + job["timeoutSeconds"]
        while left:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not at the end of partitions {sorted(left)} in time")
            for message in consumer.consume(10000, timeout=0.2):
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise RuntimeError(str(error))
                    left.discard(message.partition())
                    continue
                records.append(
                    {
                        "partition": message.partition(),
                        "offset": message.offset(),
                        "timestamp": message.timestamp()[1],
                        "key": encode(message.key()),
                        "value": encode(message.value()),
                        "headers": [
                            {"key": key, "value": encode(value)} for key, value in message.headers() or []
                        ],
                    }
                )
    finally:
        consumer.close()
    return records


def member(job):
    """A member of a group, for as long as this process runs."""
    consumer = Consumer(job["config"])
    consumer.subscribe([job["topic"]])
    while True:
        message = consumer.poll(0.5)
        if message is not None and message.error() is not None:
            raise RuntimeError(str(message.error()))


job = json.load(sys.stdin)
json.dump({"produce": produce, "consume": consume, "member": member}[job["op"]](job), sys.stdout)
