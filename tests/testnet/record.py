"""The logs of the test internet: one JSON object a line, whole or not at all."""

import json
import os
import time


def open_log(path):
    """A log that several threads can append to."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                   0o600)


def log(fd, **fields):
    # One write(2) with O_APPEND: lines of several threads never mix.
    os.write(fd, json.dumps({"time": round(time.time(), 6),
                             **fields}).encode() + b"\n")
