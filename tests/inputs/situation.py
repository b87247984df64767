"""`Situation`: one input as astronomers have it, and what becomes of it, for `docs/reference/inputs.md`.

A module `tests/inputs/<kind>.py` holds `TITLE`, the heading of its part of the page, and `SITUATIONS`. The
page is the modules in the order of their names; modules called `…_files.py` make the bytes.
`test_inputs_page.py` runs every situation and compares the page; with FIBERLESS_WRITE_PAGES=1 it writes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Situation"]


@dataclass(frozen=True)
class Situation:
    """What comes, and what is known beforehand of what must become of it.

    Parameters
    ----------
    given : the input in words, as a cell of the page
    outcome : `read`, or `refused`
    how : what is made of it, or the words of the refusal; a cell of the page, and what `run` must return
    run : reads the input anew; returns `how`, or raises a `FiberlessError`, whose slug and detail (`str`)
        must begin with `how`

    """

    given: str
    outcome: Literal["read", "refused"]
    how: str
    run: Callable[[], str]
