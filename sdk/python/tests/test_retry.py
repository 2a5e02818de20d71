"""Which requests are sent again, and when."""

from datetime import UTC, datetime

import pytest

from flysk import RetryPolicy
from flysk._retry import Attempts, parse_retry_after

POLICY = RetryPolicy(attempts=3, base_delay_s=1, max_delay_s=1.5, max_retry_after_s=10)


def longest(_: float, high: float) -> float:
    return high


def attempts(is_repeatable: bool) -> Attempts:
    return Attempts(POLICY, is_repeatable, longest)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 415, 422, 425])
def test_no_refusal_is_repeated(status: int) -> None:
    assert attempts(True).delay_after_answer(status, "some_code", 1) is None


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_unknown_outcome_is_repeated_only_if_a_second_execution_is_harmless(status: int) -> None:
    assert attempts(True).delay_after_answer(status, "unknown", None) == 1
    assert attempts(False).delay_after_answer(status, "unknown", None) is None
    assert attempts(True).delay_without_answer(was_sent=True) == 1
    assert attempts(False).delay_without_answer(was_sent=True) is None


def test_what_was_not_executed_is_repeated_always() -> None:
    assert attempts(False).delay_after_answer(429, "too_many_requests", 2) == 2
    assert attempts(False).delay_after_answer(503, "token_renewed", None) == 0
    assert attempts(False).delay_without_answer(was_sent=False) == 1


def test_delays_double_up_to_the_longest_and_attempts_end() -> None:
    some = attempts(True)
    assert [some.delay_without_answer(True) for _ in range(3)] == [1, 1.5, None]
    some = attempts(True)
    assert [some.delay_after_answer(503, "unavailable", None) for _ in range(3)] == [1, 1.5, None]


def test_delays_have_jitter() -> None:
    delays = {Attempts(POLICY, True).delay_without_answer(True) for _ in range(20)}
    assert len(delays) > 1
    assert all(delay is not None and 0.5 <= delay <= 1 for delay in delays)


def test_a_long_retry_after_is_not_waited_for() -> None:
    assert attempts(True).delay_after_answer(503, "unavailable", 10) == 10
    assert attempts(True).delay_after_answer(503, "unavailable", 11) is None


def test_retry_after_is_a_number_or_a_date() -> None:
    now = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
    assert parse_retry_after("7") == 7
    assert parse_retry_after("Mon, 30 Nov 2026 10:00:30 GMT", now) == 30
    assert parse_retry_after("Mon, 30 Nov 2026 09:00:00 GMT", now) == 0
    for text in (None, "", "-1", "1.5", "soon", "٣"):
        assert parse_retry_after(text, now) is None
