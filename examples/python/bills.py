"""Reads the bills of examples/orders.ts in Python, with pydantic, and publishes an order of version 1.

    pip install confluent-kafka pydantic
    python examples/python/bills.py localhost:9092 --count 100

It prints a line of JSON for each bill, and ends after so many.
"""

import argparse
import json

from confluent_kafka import Consumer, Producer
from pydantic import BaseModel


class OrderBilled(BaseModel):
    order: str
    text: str
    by: str


class OrderCreated(BaseModel):
    id: str
    cents: int


class BilledMessage(BaseModel):
    """The value of a record: the name and version of the event, and its data."""

    schema_: str
    data: OrderBilled

    model_config = {"alias_generator": lambda name: name.rstrip("_")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("brokers")
    parser.add_argument("--prefix", default="examples.")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--order", help="the id of an order to publish first")
    args = parser.parse_args()

    if args.order is not None:
        producer = Producer({"bootstrap.servers": args.brokers})
        value = json.dumps({"schema": "OrderCreated:1", "data": OrderCreated(id=args.order, cents=4200).model_dump()})
        producer.produce(f"{args.prefix}orders", key=args.order, value=value)
        producer.flush()

    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": f"{args.prefix}python",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([f"{args.prefix}bills"])
    seen = 0
    while seen < args.count:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error() is not None:
            raise SystemExit(str(message.error()))
        bill = BilledMessage.model_validate_json(message.value())
        print(json.dumps({"schema": bill.schema_, **bill.data.model_dump()}), flush=True)
        seen += 1
    consumer.close()


main()
