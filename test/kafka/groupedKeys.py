"""ktables' codec of grouped keys for tests: lines of JSON on stdin, a line for each on stdout. Keys are base64.

A line is a pair of a group and a member, to be encoded, or the text of a key, to be decoded. What ktables refuses is null.
"""

import base64
import json
import sys

from ktables.grouped_table import DEFAULT_KEY_CODEC


def encode(group, member):
    try:
        # as its writer does
        return base64.b64encode(DEFAULT_KEY_CODEC.encode(group, member).encode("utf-8")).decode()
    except UnicodeEncodeError:
        return None


def decode(key):
    try:
        # as its table does, which counts a key that its codec throws at as a foreign one
        return DEFAULT_KEY_CODEC.decode(base64.b64decode(key).decode("utf-8"))
    except ValueError:
        return None


for line in sys.stdin:
    given = json.loads(line)
    print(json.dumps(decode(given) if isinstance(given, str) else encode(*given)))
