"""When a request is sent again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

TOO_MANY_REQUESTS = 429
# The server or something before it failed: a write may have been executed.
UNKNOWN_OUTCOMES = frozenset({500, 502, 503, 504})
# The gateway renewed amoCRM's token instead of forwarding the request, which can be repeated at once.
TOKEN_RENEWED = "token_renewed"


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which delays a request is sent again.

    Repeated are: requests that were not executed (429, `token_renewed`, no connection), and after an unknown outcome
    (500, 502, 503, 504, no answer) those that may be executed twice, because they only read, or carry an idempotency
    key. No other 4xx is repeated.
    """

    attempts: int = 4
    """Number of attempts, the first included; 1: no repetition."""
    base_delay_s: float = 0.5
    """Delay before the second attempt, seconds. It doubles with each attempt, and each is shortened by up to a half."""
    max_delay_s: float = 8.0
    """Longest delay of that kind, seconds."""
    max_retry_after_s: float = 60.0
    """Longest `Retry-After` that is waited for, seconds; after a longer one the error is raised at once."""


class Attempts:
    """The attempts of one request."""

    def __init__(
        self, policy: RetryPolicy, is_repeatable: bool, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._policy = policy
        self._is_repeatable = is_repeatable
        self._uniform = uniform
        self._made = 0

    def delay_after_answer(self, status: int, code: str, retry_after_s: float | None) -> float | None:
        """Seconds until the next attempt after an answer; None: it is the result."""
        self._made += 1
        was_refused = status == TOO_MANY_REQUESTS or code == TOKEN_RENEWED
        if not was_refused and not (self._is_repeatable and status in UNKNOWN_OUTCOMES):
            return None
        if self._made >= self._policy.attempts:
            return None
        if code == TOKEN_RENEWED:
            return 0.0
        if retry_after_s is None:
            return self._backoff()
        return retry_after_s if retry_after_s <= self._policy.max_retry_after_s else None

    def delay_without_answer(self, was_sent: bool) -> float | None:
        """Seconds until the next attempt after one without an answer; None: there is no further one."""
        self._made += 1
        if (was_sent and not self._is_repeatable) or self._made >= self._policy.attempts:
            return None
        return self._backoff()

    def _backoff(self) -> float:
        delay_s = min(self._policy.max_delay_s, self._policy.base_delay_s * 2.0 ** (self._made - 1))
        return self._uniform(delay_s / 2, delay_s)


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After`: a number, or a date (RFC 9110, 10.2.3). None if there is none or it is not valid."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
