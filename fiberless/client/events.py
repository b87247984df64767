"""Server-sent events (WHATWG HTML §9.2) of a job: read line by line, taken up again where they broke off."""

from collections.abc import Iterable, Iterator
from typing import Final

import httpx

from fiberless.client.conversation import problem_of
from fiberless.contract import LinkedJob
from fiberless.errors import ServiceUnreachable

__all__ = ["EventReader"]

_TRIES: Final = 5
_NO_CONTENT: Final = 204
_PASSING: Final = (429, 502, 503, 504)


class EventReader:
    """Where one follower of a job stands: what it saw last, and how often in a row it was cut off."""

    def __init__(self) -> None:
        self.is_over = False
        self._last_id: str | None = None
        self._next_id: str | None = None
        self._data: list[str] = []
        self._failures = 0

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the next request: the service sends what came after the last event seen."""
        last = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        return {"Accept": "text/event-stream"} | last

    def jobs(self, lines: Iterable[str]) -> Iterator[LinkedJob]:
        """Jobs that the lines of an answer tell of, up to that which has ended."""
        for line in lines:
            if (job := self.line(line)) is not None:
                yield job
            if self.is_over:
                return

    def line(self, line: str) -> LinkedJob | None:
        """Job that an event tells of, once its last line is read; None before."""
        field, _, value = line.partition(":")
        match field, value.removeprefix(" "):
            case "id", text:
                self._next_id = text
            case "data", text:
                self._data.append(text)
            case "", "" if not line and self._data:
                return self._told()
        return None

    def refused(self, answer: httpx.Response) -> bool:
        """Whether an answer brings no events: the story is over, or the service is busy.

        Raises
        ------
        FiberlessError
            What its problem document says, where asking again would not help.

        """
        if answer.is_success:
            self.is_over = answer.status_code == _NO_CONTENT
            return self.is_over
        if answer.status_code not in _PASSING:
            raise problem_of(answer)
        return True

    def broke_off(self, error: httpx.TransportError | None = None) -> float:
        """Seconds to wait before asking again; ServiceUnreachable after some in a row."""
        self._data.clear()
        self._failures += 1
        if self._failures >= _TRIES:
            raise ServiceUnreachable("the service does not tell of the job") from error
        return 0.25 * 2**self._failures

    def _told(self) -> LinkedJob:
        job = LinkedJob.model_validate_json("\n".join(self._data))
        self._data.clear()
        self._last_id, self._failures = self._next_id, 0
        self.is_over = job.phase.is_final
        return job
