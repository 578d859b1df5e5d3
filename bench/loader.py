"""Fills topics, and writes to them while they are read: librdkafka, independent of all who are measured.

One job as `name=value` arguments, one line of JSON as the answer.
"""

import json
import os
import random
import sys
import time
import zlib

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

JOB = dict(argument.split("=", 1) for argument in sys.argv[1:])
TOPIC = JOB["topic"]
BROKERS = {"bootstrap.servers": JOB["brokers"]}
BATCH = 5_000


def make_producer(**config):
    return Producer(
        {
            **BROKERS,
            "enable.idempotence": True,
            # Java's way of choosing a partition
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 100_000,
            "queue.buffering.max.kbytes": 262_144,
            **config,
        }
    )


def is_led():
    """A broker may be told to all as a partition's leader before it knows that it is."""
    try:
        return end() == 0
    except KafkaException as error:
        if error.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION:
            return False
        raise


def create():
    admin = AdminClient(BROKERS)
    topic = NewTopic(
        TOPIC,
        num_partitions=int(JOB["partitions"]),
        replication_factor=1,
        # Compacted, as a table's topic is; but not during the run, or the last one would read less than the first.
        config={"cleanup.policy": "compact", "min.compaction.lag.ms": "86400000"},
    )
    admin.create_topics([topic])[TOPIC].result(30)
    deadline = time.monotonic() + 30
    while True:
        found = admin.list_topics(TOPIC, timeout=10).topics[TOPIC]
        if found.error is None and len(found.partitions) == int(JOB["partitions"]):
            if all(partition.leader >= 0 for partition in found.partitions.values()) and is_led():
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{TOPIC} has no leaders")
        time.sleep(0.02)


def ends_by(consumer):
    """Each partition, and where its log ends."""
    partitions = [TopicPartition(TOPIC, p) for p in consumer.list_topics(TOPIC, timeout=20).topics[TOPIC].partitions]
    return partitions, [consumer.get_watermark_offsets(partition, timeout=20)[1] for partition in partitions]


def end():
    """Records in the log; there are no transactions here, and nothing is removed."""
    consumer = Consumer({**BROKERS, "group.id": "unused"})
    try:
        return sum(ends_by(consumer)[1])
    finally:
        consumer.close()


def committed():
    """What a group has committed of each partition, 0 where it has nothing, and where the partitions end."""
    consumer = Consumer({**BROKERS, "group.id": JOB["group"]})
    try:
        partitions, ends = ends_by(consumer)
        found = [max(0, partition.offset) for partition in consumer.committed(partitions, timeout=20)]
        return {"committed": found, "ends": ends}
    finally:
        consumer.close()


def key_of(number):
    return b"key-%09d" % number


def values(kind):
    """A function from a record's number and its key's number to a value: always as many bytes, never twice the same."""
    if kind == "small":
        return lambda record, key: b"%020d" % record
    if kind == "large":
        letters = random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=16_384 - 20)
        body = bytes(letters)
        return lambda record, key: b"%020d" % record + body
    # 7 fields in 236 bytes, written as JSON.stringify and pydantic write them: who decodes and encodes again gets the
    # same bytes, and can be checked.
    form = (
        b'{"id":"key-%09d","host":"node-%09d.cell-07.eu-west-1.compute.internal","port":%05d,"version":1%08d,'
        b'"weight":%s,"healthy":%s,"tags":["blue","canary","%s"]}'
    )
    weights = [b"0.25", b"1.75", b"2.25", b"0.75"]
    healthy = [
        (b"true", b"rack-b-row-17-slot-04,power-a-112,switch-edge-0043,installed-2019"),
        (b"false", b"rack-a-row-17-slot-04,power-b-07,switch-edge-0012,installed-2019"),
    ]

    def value(record, key):
        state, place = healthy[record & 1]
        return form % (key, key, 20_000 + key % 20_000, record, weights[record & 3], state, place)

    assert len(value(0, 0)) == len(value(123_457, 9_999_999)) == 236
    return value


def load():
    """Answers with what a right table holds, and what is in the log, as sums of CRC-32 over key and value."""
    create()
    records, keys = int(JOB["records"]), int(JOB["keys"])
    value_of = values(JOB["value"])
    producer = make_producer(**{"compression.type": JOB["compression"], "linger.ms": 50})
    draw = random.Random(7).randrange
    crc32 = zlib.crc32
    newest = {}
    log_sum = table_sum = 0
    once = keys == records
    for start in range(0, records, BATCH):
        batch = []
        for record in range(start, min(start + BATCH, records)):
            number = record if once else draw(keys)
            key = key_of(number)
            value = value_of(record, number)
            crc = crc32(value, crc32(key))
            log_sum += crc
            if not once:
                table_sum += crc - newest.get(number, 0)
                newest[number] = crc
            batch.append({"key": key, "value": value})
        while batch:
            producer.produce_batch(TOPIC, batch)
            producer.poll(0)
            batch = [message for message in batch if message.pop("_error", None) is not None]
            if batch:
                producer.poll(0.01)
    left = producer.flush(120)
    if left > 0 or end() != records:
        raise RuntimeError(f"{TOPIC} holds {end()} of {records} records, {left} were not delivered")
    return {
        "records": records,
        "logChecksum": log_sum % 2**32,
        "keys": records if once else len(newest),
        "checksum": (log_sum if once else table_sum) % 2**32,
    }


def live():
    """
    Writes records of 1 KB at a steady rate, each with its time in microseconds since the epoch, and then one with the
    key `end`. Begins when the reader has put a file there that says that it is ready. The first half, with keys that no
    reader counts, warms up readers, broker and this producer alike.
    """
    deadline = time.monotonic() + 60
    while not os.path.exists(JOB["ready"]):
        if time.monotonic() > deadline:
            raise RuntimeError("the reader was not ready within 60 s")
        time.sleep(0.01)
    rate, count = int(JOB["rate"]), int(float(JOB["rate"]) * float(JOB["seconds"]))
    # Before an idempotent one may write, it has to get an id, which can take half a second.
    producer = make_producer(**{"linger.ms": 0, "enable.idempotence": False})
    producer.list_topics(TOPIC, timeout=10)
    start = time.monotonic()
    for record in range(2 * count):
        wait = start + record / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        kind = b"warm" if record < count else b"live"
        value = b"%016d" % (time.time_ns() // 1000)
        producer.produce(TOPIC, key=b"%s-%03d" % (kind, record % 1000), value=value.ljust(1024, b"."))
        producer.poll(0)
    producer.flush(10)
    producer.produce(TOPIC, key=b"end", value=b"end")
    if producer.flush(10) > 0:
        raise RuntimeError("live records were not delivered")
    return {"written": 2 * count + 1, "counted": count + 1}


def steady():
    """One record to each partition every so many milliseconds, each with its time, until the bench puts a file there."""
    interval = float(JOB["everyMillis"]) / 1000
    producer = make_producer(**{"linger.ms": 0, "enable.idempotence": False})
    partitions = producer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    start = time.monotonic()
    rounds = 0
    while not os.path.exists(JOB["stop"]):
        value = b"%016d" % (time.time_ns() // 1000)
        for partition in partitions:
            producer.produce(TOPIC, partition=partition, key=key_of(rounds), value=value.ljust(236, b"."))
        producer.poll(0)
        rounds += 1
        time.sleep(max(0, start + rounds * interval - time.monotonic()))
    if producer.flush(10) > 0:
        raise RuntimeError("records were not delivered")
    return {"written": rounds * len(partitions)}


OPERATIONS = {
    "load": load,
    "end": lambda: {"records": end()},
    "committed": committed,
    "live": live,
    "steady": steady,
}
print(json.dumps(OPERATIONS[JOB["op"]]()))
