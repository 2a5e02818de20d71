"""A server before Flysk that fails as it is told, and passes everything else on."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from local_server import LocalServer, QuietHandler


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


class Front(LocalServer):
    """The server. Each fault of `faults` meets one request, in this order."""

    def __init__(self, target: str) -> None:
        super().__init__(_Handler, front=self)
        self.target = urlsplit(target)
        self.faults: list[Refuse | Cut | Page] = []
        self.seen: list[Seen] = []

    @property
    def keys(self) -> list[str | None]:
        """Idempotency keys of the requests."""
        return [seen.headers.get("idempotency-key") for seen in self.seen]


class _Handler(QuietHandler):
    front: Front

    def _serve(self) -> None:
        body = self.body()
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
