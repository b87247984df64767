"""A job's changes as server-sent events (WHATWG HTML §9.2): what was missed, then as it happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Header
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.http.links import Links
from app.service import Service
from fiberless.errors import TransientError, UsageError
from fiberless.service.storage import JobEvent

__all__ = ["Following", "LastRevision", "event_stream", "follow"]

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 0.5
_HEARTBEAT_SECONDS: Final = 15.0
_RETRY_MILLISECONDS: Final = 1000
_FROM_THE_START: Final = -1


def _last_revision(
    last_event_id: Annotated[
        str | None, Header(description="Id of the last event that was received; those after it are sent")
    ] = None,
) -> int:
    """Revision that a caller saw last; one that cannot be read counts as none, so that nothing is missed."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else _FROM_THE_START


LastRevision = Annotated[int, Depends(_last_revision)]


@dataclass(frozen=True)
class Following:
    """Where a caller stands in the history of a job.

    Parameters
    ----------
    job_id : str
    missed : tuple of JobEvent
        What happened since the caller's last event, in order.
    last_revision : int
        The newest revision, the missed ones included.
    is_over : bool
        Whether nothing will ever follow what was missed.

    """

    job_id: str
    missed: tuple[JobEvent, ...]
    last_revision: int
    is_over: bool

    @property
    def has_nothing_left(self) -> bool:
        """Whether the caller has seen all that there will ever be."""
        return self.is_over and not self.missed


def follow(service: Service, job_id: str, *, after: int) -> Following:
    """Look up what a caller missed of a job. Blocks.

    A revision that the job has not reached is another job's: the whole history is told then.

    Raises
    ------
    UsageError
        `not-found`.

    """
    history = service.store.jobs.events(job_id)
    last = history[-1]
    known = after if after <= last.revision else _FROM_THE_START
    missed = tuple(event for event in history if event.revision > known)
    return Following(job_id, missed, last.revision, is_over=last.job.phase.is_final)


async def event_stream(service: Service, following: Following, links: Links) -> AsyncIterator[bytes]:
    """Bytes of the events that were missed, then of each as it happens; ends after that of the final phase.

    Comments in between keep proxies from closing a silent connection. While the storage is away nothing is
    sent but comments, and nothing is lost.
    """
    yield format_sse_event(retry=_RETRY_MILLISECONDS)
    for event in following.missed:
        yield _encoded(event, links)
    revision, is_over = following.last_revision, following.is_over
    pause, spoke = _FIRST_PAUSE_SECONDS, time.monotonic()
    while not is_over and not service.closing.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(service.closing.wait(), pause)
        try:
            events = await _news(service, following.job_id, revision)
        except UsageError:
            return  # the job has been purged
        for event in events:
            yield _encoded(event, links)
            revision, is_over = event.revision, event.job.phase.is_final
        if events:
            pause, spoke = _FIRST_PAUSE_SECONDS, time.monotonic()
        elif time.monotonic() - spoke >= _HEARTBEAT_SECONDS:
            yield KEEPALIVE_COMMENT
            spoke = time.monotonic()
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


async def _news(service: Service, job_id: str, after: int) -> list[JobEvent]:
    with suppress(TransientError):
        return await service.call(partial(service.store.jobs.events, job_id, after=after))
    return []


def _encoded(event: JobEvent, links: Links) -> bytes:
    name = "end" if event.job.phase.is_final else "progress"
    return format_sse_event(
        event=name, id=str(event.revision), data_str=links.job(event.job).model_dump_json()
    )
