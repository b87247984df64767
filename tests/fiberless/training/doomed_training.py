"""`python doomed_training.py DATA CONFIG RUN STAGE:STEP ...`: trains, killed at each of the steps.

Every life is a fork, which saves the imports; it goes on where the one before it was killed.
"""

import os
import signal
import sys
from pathlib import Path

from fiberless.datasets.shards import ShardSet
from fiberless.training import stage
from fiberless.training.config import read_config
from fiberless.training.train import Training

DATA, CONFIG, RUN = (Path(argument) for argument in sys.argv[1:4])


def live_until(name, step):
    """Train, and die as under the out-of-memory killer when a step of a stage begins."""
    draw = stage.step_generator

    def doomed(seed, at_name, at_step):
        if (at_name, at_step) == (name, step):
            os.kill(os.getpid(), signal.SIGKILL)
        return draw(seed, at_name, at_step)

    stage.step_generator = doomed
    Training(ShardSet(DATA), read_config(CONFIG), RUN, progress=lambda *_: None).finish()


for death in sys.argv[4:]:
    stage_name, _, number = death.partition(":")
    child = os.fork()
    if child == 0:
        live_until(stage_name, int(number))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        sys.exit(f"the life until {death} was not killed: status {status}")
