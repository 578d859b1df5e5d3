"""Members of consumer groups by librdkafka, a thread each. The lines are those of ForeignMembers.ts."""

import json
import os
import sys
import threading

from confluent_kafka import Consumer

closing = set()
lock = threading.Lock()


def tell(line):
    with lock:
        print(json.dumps(line), flush=True)


def run(name, topic, config):
    try:
        consumer = Consumer(config)
        consumer.subscribe([topic])
        told = None
        while name not in closing:
            for message in consumer.consume(100, timeout=0.05):
                if message.error() is not None:
                    raise RuntimeError(str(message.error()))
                tell({"name": name, "value": message.value().decode()})
            owned = sorted(one.partition for one in consumer.assignment())
            if owned != told:
                told = owned
                tell({"name": name, "owned": owned})
        consumer.close()
        tell({"name": name, "closed": True})
    except Exception as error:
        tell({"name": name, "error": repr(error)})


for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "close":
        closing.add(request["name"])
    else:
        arguments = (request["name"], request["topic"], request["config"])
        threading.Thread(target=run, args=arguments, daemon=True).start()
os._exit(0)
