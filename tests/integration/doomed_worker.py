"""`python doomed_worker.py FOLDER`: a real worker whose model kills its process on a job labelled so.

The label `poison` kills always, `once` kills the first time. A supervisor starts the worker again, by a fork,
which saves the imports; it leaves a file in the folder for every death.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

import worker.predict  # noqa: F401  before the fork
from worker import model_cache
from worker.__main__ import main


class DoomedPredictor:
    """The real predictor, except for two labels."""

    def __init__(self, predictor, marker):
        self.manifest = predictor.manifest
        self._predictor = predictor
        self._marker = marker

    def predict(self, requests, **options):
        """Die by the kernel's hand, as under the out-of-memory killer, or predict."""
        labels = {request.options.label for request in requests}
        if "poison" in labels or ("once" in labels and not self._marker.exists()):
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._predictor.predict(requests, **options)


FOLDER = Path(sys.argv.pop())
load_real = model_cache.load_predictor


def load_doomed(*arguments, **options):
    """Load the real predictor and doom it."""
    return DoomedPredictor(load_real(*arguments, **options), FOLDER / "killed-once")


def supervise():
    """Start the worker as often as it is killed."""
    for life in itertools.count(1):
        child = os.fork()
        if child == 0:
            main()
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        (FOLDER / f"death-{life}-by-signal-{os.WTERMSIG(status)}").touch()


sys.argv.append("predict")
model_cache.load_predictor = load_doomed
supervise()
