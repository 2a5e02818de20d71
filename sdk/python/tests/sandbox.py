"""The control API of `flysk-sandbox`, and a backend that receives its events."""

import queue
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx
from local_server import LocalServer, QuietHandler

from flysk import InvalidSignatureError, verify_event
from flysk.models import Event


class Sandbox:
    """The control API."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request, which must succeed."""
        answer = self._http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fail(self, path: str, **failure: Any) -> None:
        """Lets the next request of Flysk's API to this path fail."""
        self.ask("POST", "/api/fail", {"path": path, **failure})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()


class Receiver(LocalServer):
    """A backend that verifies events with `secrets` and answers 204, or 401."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__(_Handler, receiver=self)
        self.secrets = secrets
        self._verdicts: queue.Queue[Event | None] = queue.Queue()

    @property
    def event_url(self) -> str:
        """Where it takes events."""
        return f"{self.url}/flysk/events"

    def next(self) -> Event | None:
        """The next event; `None` if its signature was wrong."""
        return self._verdicts.get(timeout=30)

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer to an event."""
        try:
            event = verify_event(self.secrets, headers, body)
        except InvalidSignatureError:
            self._verdicts.put(None)
            return 401
        self._verdicts.put(event)
        return 204


class _Handler(QuietHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        self.send_response(self.receiver.take(dict(self.headers.items()), self.body()))
        self.end_headers()
