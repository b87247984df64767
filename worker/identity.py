"""`new_worker_id`: the name of one run of one worker process."""

import os
import secrets
import socket

__all__ = ["new_worker_id"]


def new_worker_id(worker_kind: str) -> str:
    """Name unlike that of any other run, with the host and process for people to find it."""
    return f"{worker_kind}-{os.getpid()}-{secrets.token_hex(4)}@{socket.gethostname()}"[:128]
