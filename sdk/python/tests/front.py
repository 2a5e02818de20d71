"""A server before Flysk that fails as it is told, and passes everything else on."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Refuse:
    """Answers a problem itself."""

    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """Closes the connection: before the request is passed on, or after, so that only the answer is lost."""

    after: bool


@dataclass(frozen=True)
class Page:
    """Answers a page, as a proxy does."""

    status: int


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]


class Front:
    """The server. Each fault of `faults` meets one request, in this order."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.faults: list[Refuse | Cut | Page] = []
        self.seen: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"front": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def keys(self) -> list[str | None]:
        """Idempotency keys of the requests."""
        return [seen.headers.get("idempotency-key") for seen in self.seen]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.front.seen.append(Seen(self.command, self.path, headers))
        fault = self.front.faults.pop(0) if self.front.faults else None
        match fault:
            case Refuse(status, code, further):
                problem = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": "as told"}
                kind = {"Content-Type": "application/problem+json"}
                self._answer(status, {**kind, **further}, json.dumps(problem).encode())
            case Page(status):
                self._answer(status, {"Content-Type": "text/html"}, b"<html>busy</html>")
            case Cut(after):
                if after:
                    self._pass_on(headers, body)
                self.close_connection = True
                self.connection.close()
            case None:
                self._answer(*self._pass_on(headers, body))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _pass_on(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        target = self.front.target
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=10)
        try:
            sent = {name: value for name, value in headers.items() if name not in ("host", "connection")}
            connection.request(self.command, self.path, body, sent)
            answer = connection.getresponse()
            left = ("transfer-encoding", "content-length")
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in left}
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
