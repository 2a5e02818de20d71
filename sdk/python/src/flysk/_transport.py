"""Sending requests: credential, timeout, repetitions, and what an answer means."""

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, unquote

import httpx

from . import errors
from ._retry import Attempts, RetryPolicy, parse_retry_after
from ._version import __version__

PROBLEM = "application/problem+json"
# Failures before anything of the request was sent.
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
# Code of an error that is not a problem of Flysk.
UNKNOWN = "unknown"

Query = Mapping[str, str | int | float | bool | None | Sequence[str | int]]


def check_path(path: str) -> None:
    """Refuses a path that does not arrive as it is written: HTTP clients and proxies resolve `.` and `..`, encoded or not.

    Raises:
        InvalidPathError: a segment is `.` or `..`.
    """
    before_query = re.split("[?#]", path, maxsplit=1)[0]
    # Parsers of addresses remove these characters, and take a backslash for a slash.
    plain = unquote(re.sub(r"[\x00-\x20]", "", before_query))
    if not {".", ".."}.isdisjoint(re.split(r"[/\\]", plain)):
        raise errors.InvalidPathError("a path has no segments `.` and `..`: they would lead to another path")


def segment(text: str) -> str:
    """A part of a path.

    Raises:
        InvalidPathError: it is `.` or `..`.
    """
    encoded = quote(str(text), safe="")
    if encoded in (".", ".."):
        check_path(encoded)
    return encoded


@dataclass(frozen=True)
class Answer:
    """An answer of Flysk, or of amoCRM through the gateway."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The parsed body; None without a body.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.content) if self.content else None

    def problem(self) -> dict[str, Any]:
        """The body of an error of Flysk; empty if it is not one."""
        if not self.headers.get("Content-Type", "").startswith(PROBLEM):
            return {}
        try:
            body = self.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}

    @property
    def code(self) -> str:
        """The code of an error of Flysk, `unknown` for other answers."""
        return str(self.problem().get("code", UNKNOWN))

    @property
    def retry_after_s(self) -> float | None:
        """`Retry-After`, seconds."""
        return parse_retry_after(self.headers.get("Retry-After"))


def error_of(answer: Answer) -> errors.ApiError:
    """The error that an answer is."""
    problem, code = answer.problem(), answer.code
    kind = errors.CLASSES.get(code, errors.ApiError)
    return kind(
        answer.status,
        code,
        str(problem.get("detail", "not an answer of Flysk")),
        title=str(problem.get("title", "")),
        request_id=answer.headers.get("X-Request-Id"),
        retry_after_s=answer.retry_after_s,
        problem=problem,
    )


def result_of(answer: Answer) -> Any:
    """The body of a success.

    Raises:
        ApiError: the answer is an error.
    """
    if not answer.is_success:
        raise error_of(answer)
    try:
        return answer.json()
    except ValueError:
        pass
    raise error_of(answer)


class Sender:
    """What the blocking and the asynchronous client share."""

    def __init__(self, base_url: str, project_token: str, timeout_s: float, retries: RetryPolicy) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise ValueError("base_url begins with https:// or http://")
        if not project_token:
            raise ValueError("project_token is empty")
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._retries = retries
        # In a closure, so that no dump of attributes shows it.
        self._project_token = lambda: project_token

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    def _attempts(self, method: str, headers: Mapping[str, str] | None, repeatable: bool | None) -> Attempts:
        has_key = any(name.lower() == "idempotency-key" for name in headers or {})
        return Attempts(self._retries, method.upper() == "GET" or has_key if repeatable is None else repeatable)

    def _build(
        self,
        http: httpx.Client | httpx.AsyncClient,
        method: str,
        path: str,
        query: Query | None,
        headers: Mapping[str, str] | None,
        body: Any,
    ) -> httpx.Request:
        known = {name: value for name, value in (query or {}).items() if value is not None}
        sent = {
            "User-Agent": f"flysk-python/{__version__}",
            "Accept": "application/json",
            "X-Project-Token": self._project_token(),
            **(headers or {}),
        }
        has_body = {} if body is None else {"json": body}
        check_path(path)
        if not path.startswith("/"):
            raise errors.InvalidPathError("a path begins with /: otherwise it would change the host")
        url = f"{self._base_url}{path}"
        return http.build_request(
            method, url, params=known or None, headers=sent, timeout=self._timeout_s, **has_body
        )

    @staticmethod
    def _answer(response: httpx.Response) -> Answer:
        return Answer(response.status_code, response.headers, response.content)

    def _no_answer(self, failure: str) -> errors.NoAnswerError:
        return errors.NoAnswerError(f"no answer from {self._base_url}: {failure}")


class Transport(Sender):
    """A blocking client. It may be shared by threads."""

    def __init__(
        self,
        base_url: str,
        project_token: str,
        *,
        timeout_s: float = 30.0,
        retries: RetryPolicy = RetryPolicy(),
        http: httpx.Client | None = None,
    ) -> None:
        """A client of the Flysk at `base_url` with a widget's project token.

        `timeout_s` is for each attempt and each of connecting, sending and receiving. `http` replaces the HTTP client,
        for proxies or certificates of your own; it is not closed with this client.

        Raises:
            ValueError: an argument is not valid.
        """
        super().__init__(base_url, project_token, timeout_s, retries)
        self._http = httpx.Client() if http is None else http
        self._is_own = http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        if self._is_own:
            self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """A request with the project token, for what has no method here. Returns errors, too.

        `repeatable`: whether it may be executed twice; by default a GET, and a request with an `Idempotency-Key`.

        Raises:
            NoAnswerError: no answer arrived.
            InvalidPathError: a segment of the path is `.` or `..`.
        """
        attempts = self._attempts(method, headers, repeatable)
        failure = ""
        while True:
            try:
                request = self._build(self._http, method, path, query, headers, body)
                answer = self._answer(self._http.send(request, follow_redirects=False))
            except httpx.RequestError as error:
                delay_s = attempts.delay_without_answer(not isinstance(error, UNSENT))
                failure = f"{type(error).__name__} {error}".strip()
            else:
                delay_s = attempts.delay_after_answer(answer.status, answer.code, answer.retry_after_s)
                if delay_s is None:
                    return answer
            # Outside of `except`: the chained error would hold the request with the token.
            if delay_s is None:
                raise self._no_answer(failure)
            time.sleep(delay_s)

    def _call(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        headers = None if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return result_of(
            self.request(method, path, query=query, headers=headers, body=body, repeatable=repeatable)
        )


class AsyncTransport(Sender):
    """An asynchronous client for asyncio."""

    def __init__(
        self,
        base_url: str,
        project_token: str,
        *,
        timeout_s: float = 30.0,
        retries: RetryPolicy = RetryPolicy(),
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """The same as for the blocking client.

        Raises:
            ValueError: an argument is not valid.
        """
        super().__init__(base_url, project_token, timeout_s, retries)
        self._http = httpx.AsyncClient() if http is None else http
        self._is_own = http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        if self._is_own:
            await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """The same as for the blocking client.

        Raises:
            NoAnswerError: no answer arrived.
            InvalidPathError: a segment of the path is `.` or `..`.
        """
        attempts = self._attempts(method, headers, repeatable)
        failure = ""
        while True:
            try:
                request = self._build(self._http, method, path, query, headers, body)
                answer = self._answer(await self._http.send(request, follow_redirects=False))
            except httpx.RequestError as error:
                delay_s = attempts.delay_without_answer(not isinstance(error, UNSENT))
                failure = f"{type(error).__name__} {error}".strip()
            else:
                delay_s = attempts.delay_after_answer(answer.status, answer.code, answer.retry_after_s)
                if delay_s is None:
                    return answer
            # Outside of `except`: the chained error would hold the request with the token.
            if delay_s is None:
                raise self._no_answer(failure)
            await asyncio.sleep(delay_s)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        repeatable: bool,
        body: Any = None,
        query: Query | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        headers = None if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return result_of(
            await self.request(method, path, query=query, headers=headers, body=body, repeatable=repeatable)
        )
