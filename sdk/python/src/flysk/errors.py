"""Errors. Catch a class, or match on `ApiError.code`: `title` and `detail` are for humans and may change."""

from typing import Any


class FlyskError(Exception):
    """Everything that this package raises, except `ValueError` for arguments that no request can be made of."""


class InvalidPathError(ValueError):
    """A path with a segment `.` or `..`, which HTTP clients resolve, or one outside of amoCRM's API. Nothing was sent."""


class NoAnswerError(FlyskError):
    """No answer arrived. A write may have been executed: repeat it with the same idempotency key."""


class InvalidSignatureError(FlyskError):
    """Flysk did not send this event, or not within the tolerated time. Answer 401 and do not use the body."""


class ApiError(FlyskError):
    """An error that Flysk answered, as `application/problem+json`.

    `code` is stable; codes may be added. It is `unknown` for an answer that is not Flysk's, for example of a proxy.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        title: str = "",
        request_id: str | None = None,
        retry_after_s: float | None = None,
        problem: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(status, code, detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.title = title
        self.request_id = request_id
        """`X-Request-Id` of the answer: quote it to support."""
        self.retry_after_s = retry_after_s
        """Seconds after which a repetition makes sense, if the answer says so."""
        self.problem = problem or {}
        """The whole body, with members that belong to the code, such as `quote_id`."""

    def __str__(self) -> str:
        quoted = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail}{quoted}"


class UnauthorizedError(ApiError):
    """`unauthorized`: the project token, or the token of the page, is missing or not valid."""


class TokenExpiredError(ApiError):
    """`token_expired`: the token of the page has expired. Ask the page for a new one."""


class InsufficientBalanceError(ApiError):
    """`insufficient_balance`: the account has not enough Flycoins. Do not start the work."""


class InstallNotFoundError(ApiError):
    """`install_not_found`: the widget is not installed in this account."""


class InstallNotActiveError(ApiError):
    """`install_not_active`: the widget does not work in this account. Wait for the event `activate`."""


class ReconnectRequiredError(ApiError):
    """`reconnect_required`: an administrator must grant access again. Wait for the event `activate`."""


class VersionConflictError(ApiError):
    """`version_conflict`: the object has changed since it was read. Read it again."""


class HoldEndedError(ApiError):
    """`hold_ended`: the hold is captured, released or expired. Read it to know which."""


class PriceAboveLimitError(ApiError):
    """`price_above_limit`: the lines cost more than `at_most_micro`. Nothing was charged, and the hold is open."""


class MoreThanChargedError(ApiError):
    """`more_than_charged`: the refund exceeds what is left of the charge."""


class IdempotencyKeyReusedError(ApiError):
    """`idempotency_key_reused`: the key belongs to another request. Use a key for one purpose only."""


class TooManyRequestsError(ApiError):
    """`too_many_requests`: the limit is used up. Repeat after `retry_after_s`."""


class UnavailableError(ApiError):
    """`unavailable`, `upstream_unavailable`, `token_renewed` or `internal`: repeat later, a write with the same key."""


CLASSES: dict[str, type[ApiError]] = {
    "hold_ended": HoldEndedError,
    "idempotency_key_reused": IdempotencyKeyReusedError,
    "install_not_active": InstallNotActiveError,
    "install_not_found": InstallNotFoundError,
    "insufficient_balance": InsufficientBalanceError,
    "internal": UnavailableError,
    "more_than_charged": MoreThanChargedError,
    "price_above_limit": PriceAboveLimitError,
    "reconnect_required": ReconnectRequiredError,
    "token_expired": TokenExpiredError,
    "token_renewed": UnavailableError,
    "too_many_requests": TooManyRequestsError,
    "unauthorized": UnauthorizedError,
    "unavailable": UnavailableError,
    "upstream_unavailable": UnavailableError,
    "version_conflict": VersionConflictError,
}
"""The class of each code that a backend acts on."""


class AmocrmError(FlyskError):
    """An error that amoCRM answered to a request through the gateway, unchanged."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        """The parsed JSON, or the text of a page."""

    def __str__(self) -> str:
        title = self.body.get("title", "") if isinstance(self.body, dict) else "not JSON"
        return f"amoCRM answered {self.status}: {title}"
