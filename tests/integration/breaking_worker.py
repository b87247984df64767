"""`python breaking_worker.py FOLDER`: a real worker whose consumer breaks once, as kombu's does at times.

When Redis goes away in the wrong moment, an AttributeError comes out of kombu, which Celery does not take for
a lost connection: the worker ends, with exit code 0.
"""

import sys
from pathlib import Path

from celery.worker.consumer import Consumer

from worker.__main__ import main

BROKEN = Path(sys.argv.pop()) / "broken"
loop_forever = Consumer.loop_args


def break_once(consumer):
    """Break as soon as the connection stands, the first time."""
    if not BROKEN.exists():
        BROKEN.touch()
        raise AttributeError("'NoneType' object has no attribute 'fileno'")
    return loop_forever(consumer)


Consumer.loop_args = break_once
sys.argv.append("predict")
main()
