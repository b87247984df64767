"""Parent-death signal: runs a command that the kernel kills as soon as its parent process is gone.

Usage: `python parent_death.py PARENT_PID COMMAND…`. It asks Linux for SIGKILL at the death of its parent
(`PR_SET_PDEATHSIG`, kept over `execve`) and then becomes the command, with the same process ID. On other
systems it starts the command without that promise.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

__all__ = ["ending_with_parent", "main"]

_PR_SET_PDEATHSIG = 1


def ending_with_parent(command: list[str]) -> list[str]:
    """The command line that runs a command which dies with this process.

    The kernel watches the thread that starts the command: start it from one that stays.
    """
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *command]


def main(arguments: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            raise SystemExit("parent_death: the parent is gone already")
    os.execvp(command[0], command)  # noqa: S606  # becoming the command is the purpose; no shell


if __name__ == "__main__":
    main(sys.argv[1:])
