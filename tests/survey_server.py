"""A local server in the layout of the survey's archive, that can be told to fail."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

__all__ = ["SurveyServer"]


@dataclass
class SurveyServer:
    """Serves a folder.

    `faults` gives answers for the next requests of a path: a status, or 'cut'. `services` answer queries:
    path to a function of the query's parameters that returns a body, or None for 404.
    """

    root: Path
    faults: dict[str, list[int | str]] = field(default_factory=lambda: defaultdict(list))
    services: dict[str, Callable[[dict[str, str]], bytes | None]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    agents: set[str] = field(default_factory=set)
    queries: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)
    most_at_once: int = 0
    hold_at: int | None = None

    def __post_init__(self):
        self._lock = threading.Lock()
        self._at_once = 0
        self.held = threading.Event()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that was killed is no error here."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def n_requests(self):
        return sum(self.requests.values())

    def answer(self, handler):
        parts = urlsplit(handler.path)
        with self._lock:
            self.requests[parts.path.lstrip("/")] += 1
            self.agents.add(handler.headers["User-Agent"])
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            holding = self.hold_at is not None and self.n_requests >= self.hold_at
        try:
            if holding:
                self.held.set()
                self.released.wait(60)
            self._send(handler, parts)
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, handler, parts):
        path = parts.path.lstrip("/")
        fault = self.faults[path].pop(0) if self.faults[path] else None
        if isinstance(fault, int):
            self._plain(handler, fault, b"")
            return
        if path == "sql":
            self.queries.append(parse_qs(parts.query)["cmd"][0])
            self._plain(handler, 200, self.pages.pop(0).encode())
            return
        if path in self.services:
            found = self.services[path]({name: values[0] for name, values in parse_qs(parts.query).items()})
            self._plain(handler, 404 if found is None else 200, found or b"")
            return
        file = self.root / path
        body = file.read_bytes() if file.is_file() else b""
        self._plain(handler, 200 if file.is_file() else 404, body, cut=fault == "cut")

    def _plain(self, handler, status, body, *, cut=False):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            handler.close_connection = True

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
