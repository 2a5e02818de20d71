"""The client against `flysk-sandbox`: what Flysk does rarely is made to happen, and events arrive at a receiver of the package."""

from typing import Any

import pytest
from conftest import QUICK, Stand
from sandbox import Receiver, Sandbox

from flysk import (
    ApiError,
    Flysk,
    InstallNotActiveError,
    NoAnswerError,
    PriceAboveLimitError,
    ReconnectRequiredError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)

CHARGES = "/v1/backend/flycoins/charges"
REFUNDS = "/v1/backend/flycoins/refunds"
PAUTH = "/v1/pauth"
# What Flysk, or the way to it, does to a request.
FAILURES: list[dict[str, Any]] = [
    {"status": 429, "retry_after_s": 0},
    {"status": 503},
    {"status": 502, "code": "upstream_unavailable"},
    {"lose": "request"},
    {"lose": "answer"},
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: "-".join(map(str, failure.values())))
def test_work_is_quoted_charged_and_refunded_once_whatever_fails(
    sandbox: Sandbox, flysk: Flysk, stand: Stand, failure: dict[str, Any]
) -> None:
    account, key = stand.account_id, "-".join(map(str, failure.values()))
    before = flysk.get_flycoin_balance(account_id=account)["available_micro"]
    lines = [stand.line()]
    sandbox.fail("/v1/backend/flycoins/estimate", **failure)
    assert flysk.estimate_flycoins({"account_id": account, "lines": lines})["total_micro"] == stand.price_micro
    after = sandbox.ask("GET", "/timeline")["next"]
    sandbox.fail(CHARGES, **failure)
    charged = flysk.charge_flycoins({"account_id": account, "lines": lines}, idempotency_key=f"py-charge-{key}")
    assert charged["charged_micro"] == stand.price_micro
    assert flysk.get_flycoin_balance(account_id=account)["available_micro"] == before - stand.price_micro
    sandbox.fail(REFUNDS, **failure)
    refund = {"account_id": account, "transaction_id": charged["transaction_id"], "all": True}
    assert flysk.refund_flycoins(refund, idempotency_key=f"py-refund-{key}")["refunded_micro"] == stand.price_micro
    assert flysk.get_flycoin_balance(account_id=account)["available_micro"] == before
    assert sandbox.ask("GET", "/api") == {"failing": 0}, "every failure has met a request"
    written = sandbox.ask("GET", f"/timeline?type=flycoins&after={after}")["items"]
    assert [entry["available_micro"] for entry in written] == [-stand.price_micro, stand.price_micro]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", UnauthorizedError),
        (403, "reconnect_required", ReconnectRequiredError),
        (409, "install_not_active", InstallNotActiveError),
        (409, "price_above_limit", PriceAboveLimitError),
        (500, "internal", ApiError),
    ],
)
def test_a_refusal_has_its_class(
    sandbox: Sandbox, flysk: Flysk, stand: Stand, status: int, code: str, kind: type[ApiError]
) -> None:
    # As often as the client asks.
    sandbox.fail(CHARGES, next=QUICK.attempts, status=status, code=code)
    with pytest.raises(kind) as caught:
        charge = {"account_id": stand.account_id, "lines": [stand.line()]}
        flysk.charge_flycoins(charge, idempotency_key=f"py-{code}")
    assert (caught.value.status, caught.value.code) == (status, code)
    sandbox.fail(CHARGES, next=0)


def test_attempts_end(sandbox: Sandbox, flysk: Flysk, stand: Stand) -> None:
    for failure, kind in (
        ({"status": 503}, UnavailableError),
        ({"status": 429, "retry_after_s": 0}, TooManyRequestsError),
        ({"lose": "request"}, NoAnswerError),
    ):
        sandbox.fail(PAUTH, next=QUICK.attempts, **failure)
        with pytest.raises(kind):
            flysk.pauth({"account_id": stand.account_id})
        assert sandbox.ask("GET", "/api") == {"failing": 0}
    assert flysk.pauth({"account_id": stand.account_id})["account_id"] == stand.account_id


def test_events_are_verified_while_their_secret_is_replaced(sandbox: Sandbox, flysk: Flysk, stand: Stand) -> None:
    account = {"account_id": stand.account_id}
    first = sandbox.ask("GET", "/state")["event_secret"]
    with Receiver([first]) as receiver:
        sandbox.ask("PUT", "/event-url", {"url": receiver.event_url})
        sent = flysk.send_test_event(account)
        event = receiver.next()
        assert event is not None and (event["type"], event["id"]) == ("test", sent["id"])
        second = sandbox.ask("POST", "/secrets/rotate", {"secret": "event_secret", "keep": "1d"})["event_secret"]
        for known in ([first], [second], [second, first]):
            receiver.secrets = known
            flysk.send_test_event(account)
            assert receiver.next() is not None
        sandbox.ask("POST", "/clock/advance", {"by": "2d"})
        receiver.secrets = [first]
        flysk.send_test_event(account)
        assert receiver.next() is None, "the former secret has ended"
        receiver.secrets = [second]
        sandbox.ask("POST", "/clock/advance", {"by": "1min"})
        assert receiver.next() is not None, "Flysk sends it again"
        sandbox.ask("PUT", "/event-url", {"url": None})
