"""`python slow_worker.py FOLDER`: a real worker whose model takes some minutes, in small steps."""

import sys
import time
from pathlib import Path

from fiberless.contract import JobProgress
from worker import model_cache
from worker.__main__ import main

BEGUN = Path(sys.argv.pop()) / "begun"


def predict_slowly(predictor, requests, watch=None):
    """Take the steps, and tell of each; the warm-up, which nobody watches, takes none."""
    for step in range(3000 if watch else 0):
        watch(range(len(requests)), JobProgress(stage="sampling", done=step, total=3000))
        BEGUN.touch()
        time.sleep(0.1)
    return predictor.predict(requests)


model_cache._predict = predict_slowly
sys.argv.append("predict")
main()
