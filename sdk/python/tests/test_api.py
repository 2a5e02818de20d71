"""The clients against Flysk."""

import asyncio

import pytest
from conftest import QUICK, Stand
from front import Cut, Front, Page, Refuse

from flysk import (
    AmocrmError,
    ApiError,
    AsyncFlysk,
    Flysk,
    HoldEndedError,
    IdempotencyKeyReusedError,
    InsufficientBalanceError,
    NoAnswerError,
    RetryPolicy,
    TooManyRequestsError,
    UnauthorizedError,
    VersionConflictError,
)


def test_pauth_tells_the_user_of_a_page_and_the_account(flysk: Flysk, stand: Stand) -> None:
    user = flysk.pauth({"token": stand.page_token})
    assert (user["account_id"], user["user_id"]) == (stand.account_id, stand.user_id)
    background = flysk.pauth({"account_id": stand.account_id})
    assert (background["user_id"], background["access_token"]) == (None, user["access_token"])
    with pytest.raises(UnauthorizedError):
        flysk.pauth({"token": "forged"})


def test_settings_are_written_over_the_version_that_was_read(flysk: Flysk, stand: Stand) -> None:
    read = flysk.get_backend_settings(account_id=stand.account_id)
    written = {"version": read["version"], "settings": {"tone": "тёплый"}}
    assert flysk.put_backend_settings(written, account_id=stand.account_id)["settings"] == {"tone": "тёплый"}
    with pytest.raises(VersionConflictError):
        flysk.put_backend_settings(written, account_id=stand.account_id)


def test_a_charge_is_estimated_made_once_and_refunded(flysk: Flysk, stand: Stand) -> None:
    account = stand.account_id
    before = flysk.get_flycoin_balance(account_id=account)["available_micro"]
    estimate = flysk.estimate_flycoins({"account_id": account, "lines": [stand.line()]})
    assert (estimate["total_micro"], estimate["covered"]) == (stand.price_micro, True)
    charge = {"account_id": account, "lines": [stand.line()], "reference": "разбор"}
    first = flysk.charge_flycoins(charge, idempotency_key="py-charge")
    again = flysk.charge_flycoins(charge, idempotency_key="py-charge")
    assert (first["charged_micro"], again["transaction_id"]) == (stand.price_micro, first["transaction_id"])
    with pytest.raises(IdempotencyKeyReusedError):
        flysk.charge_flycoins({**charge, "reference": "other"}, idempotency_key="py-charge")
    refund = {"account_id": account, "transaction_id": first["transaction_id"], "all": True}
    assert flysk.refund_flycoins(refund, idempotency_key="py-refund")["refunded_micro"] == stand.price_micro
    told = flysk.charge_flycoins(charge, idempotency_key="py-charge")["refunded_micro"]
    assert (first["refunded_micro"], told) == (0, stand.price_micro)
    assert flysk.get_flycoin_balance(account_id=account)["available_micro"] == before
    of_account = flysk.items(flysk.list_widget_transactions, account_id=account, kinds="charge,refund", limit=1)
    assert {item["kind"] for item in of_account} == {"charge", "refund"}


def test_a_hold_is_captured_or_released_once(flysk: Flysk, stand: Stand) -> None:
    account = stand.account_id
    before = flysk.get_flycoin_balance(account_id=account)["available_micro"]
    held = {"account_id": account, "lines": [stand.line(600)], "expires_in_s": 600}
    hold = flysk.hold_flycoins(held, idempotency_key="py-hold")
    captured = flysk.capture_flycoin_hold(hold["hold_id"], {"lines": [stand.line()]}, idempotency_key="py-capture")
    assert captured["charged_micro"] == stand.price_micro
    with pytest.raises(HoldEndedError):
        flysk.release_flycoin_hold(hold["hold_id"], idempotency_key="py-late")
    other = flysk.hold_flycoins(held, idempotency_key="py-hold-2")
    flysk.release_flycoin_hold(other["hold_id"], idempotency_key="py-release")
    assert flysk.get_flycoin_hold(other["hold_id"])["state"] == "released"
    refund = {"account_id": account, "transaction_id": captured["transaction_id"], "all": True}
    flysk.refund_flycoins(refund, idempotency_key="py-refund-2")
    assert flysk.get_flycoin_balance(account_id=account)["available_micro"] == before


def test_a_refusal_has_its_class_code_and_request_id(flysk: Flysk, stand: Stand) -> None:
    charge = {"account_id": stand.account_id, "lines": [stand.line(1_000_000)]}
    with pytest.raises(InsufficientBalanceError) as caught:
        flysk.charge_flycoins(charge, idempotency_key="py-refused")
    assert (caught.value.status, caught.value.code) == (402, "insufficient_balance")
    assert caught.value.request_id
    with pytest.raises(ApiError) as caught_other:
        flysk.get_backend_subscription(account_id=stand.account_id)
    assert caught_other.value.code == "subscriptions_not_used"


def test_a_request_returns_an_error_that_a_method_raises(flysk: Flysk) -> None:
    answer = flysk.request("GET", "/v1/backend/flycoins/balance", query={"account_id": 1})
    assert (answer.is_success, answer.status, answer.code) == (False, 404, "install_not_found")
    with pytest.raises(ApiError) as caught:
        flysk.get_flycoin_balance(account_id=1)
    assert (caught.value.status, caught.value.code) == (answer.status, answer.code)


def test_the_gateway_tells_amocrms_errors_from_flysks(flysk: Flysk, stand: Stand) -> None:
    account = stand.account_id
    assert flysk.amocrm(account, "GET", "account")["id"] == account
    with pytest.raises(AmocrmError) as caught:
        flysk.amocrm(account, "POST", "leads/notes", body=[{"entity_id": 1}])
    assert (caught.value.status, caught.value.body["title"]) == (400, "Bad Request")
    with pytest.raises(ApiError):
        flysk.amocrm(1, "GET", "account")
    assert flysk.amocrm(account, "GET", "leads", query={"query": "nobody has this name"}) is None


def test_the_gateway_follows_amocrms_pages(flysk: Flysk, stand: Stand) -> None:
    account, names = stand.account_id, [f"py-{number}" for number in range(3)]
    flysk.amocrm(account, "POST", "leads", body=[{"name": name} for name in names])
    query = {"filter[name][]": names, "limit": 2, "order[id]": "asc"}
    pages = list(flysk.amocrm_pages(account, "leads", query=query))
    assert [[lead["name"] for lead in page["_embedded"]["leads"]] for page in pages] == [names[:2], names[2:]]


def test_events_are_listed_and_tested(flysk: Flysk, stand: Stand) -> None:
    sent = flysk.send_test_event({"account_id": stand.account_id})
    assert sent["type"] == "test"
    first = next(flysk.items(flysk.list_events, type="test", limit=1))
    assert first["account_id"] == stand.account_id
    assert flysk.get_event(first["id"])["number"] == first["number"]
    installs = list(flysk.items(flysk.list_installs, status="active"))
    assert stand.account_id in [install["account_id"] for install in installs]


def test_a_busy_flysk_is_asked_again_with_the_same_key(behind: Flysk, front: Front, stand: Stand) -> None:
    front.faults += [
        Refuse(429, "too_many_requests", {"Retry-After": "0"}),
        Refuse(503, "unavailable"),
        Page(502),
    ]
    charge = {"account_id": stand.account_id, "lines": [stand.line()]}
    charged = behind.charge_flycoins(charge, idempotency_key="py-busy")
    assert charged["charged_micro"] == stand.price_micro
    assert front.keys == ["py-busy"] * 4


def test_a_lost_answer_charges_once(behind: Flysk, front: Front, stand: Stand) -> None:
    before = behind.get_flycoin_balance(account_id=stand.account_id)["available_micro"]
    front.faults += [Cut(after=True), Cut(after=False)]
    charge = {"account_id": stand.account_id, "lines": [stand.line()]}
    behind.charge_flycoins(charge, idempotency_key="py-lost")
    after = behind.get_flycoin_balance(account_id=stand.account_id)["available_micro"]
    assert before - after == stand.price_micro
    assert front.keys[1:4] == ["py-lost"] * 3


def test_a_write_without_a_key_is_not_repeated_after_an_unknown_outcome(
    behind: Flysk, front: Front, stand: Stand
) -> None:
    front.faults += [Cut(after=False)]
    with pytest.raises(NoAnswerError) as caught:
        behind.amocrm(stand.account_id, "POST", "leads", body=[{"name": "py-once"}])
    assert len(front.seen) == 1
    assert caught.value.__context__ is None, "its request holds the token"
    front.faults += [Refuse(503, "token_renewed")]
    behind.amocrm(stand.account_id, "POST", "leads", body=[{"name": "py-once"}])
    assert len(front.seen) == 3, "nothing was executed, so it was repeated"


def test_no_refusal_but_429_is_repeated(behind: Flysk, front: Front, stand: Stand) -> None:
    front.faults += [Refuse(409, "install_not_active", {"Retry-After": "0"})]
    with pytest.raises(ApiError):
        behind.get_flycoin_balance(account_id=stand.account_id)
    assert len(front.seen) == 1
    front.faults += [Refuse(429, "too_many_requests", {"Retry-After": "3600"})]
    with pytest.raises(TooManyRequestsError) as caught:
        behind.get_flycoin_balance(account_id=stand.account_id)
    assert (len(front.seen), caught.value.retry_after_s) == (2, 3600)


def test_flysk_that_is_away_is_an_error_of_its_own(stand: Stand) -> None:
    with Front(stand.url) as front:
        url = front.url
    client = Flysk(url, stand.project_token, retries=RetryPolicy(attempts=1))
    with client, pytest.raises(NoAnswerError, match="ConnectError"):
        client.get_flycoin_balance(account_id=stand.account_id)


def test_nothing_that_is_printed_shows_the_token(flysk: Flysk, stand: Stand) -> None:
    shown = [repr(flysk), str(flysk), repr(vars(flysk)), repr(vars(flysk._http))]
    assert not any(stand.project_token in text for text in shown)
    assert stand.url in repr(flysk)


def test_the_asynchronous_client_does_the_same(front: Front, stand: Stand) -> None:
    front.faults += [Refuse(429, "too_many_requests", {"Retry-After": "0"}), Cut(after=True)]

    async def use() -> None:
        async with AsyncFlysk(front.url, stand.project_token, retries=QUICK) as flysk:
            charge = {"account_id": stand.account_id, "lines": [stand.line()]}
            charged = await flysk.charge_flycoins(charge, idempotency_key="py-async")
            assert charged["charged_micro"] == stand.price_micro
            installs = [install async for install in flysk.items(flysk.list_installs, limit=1)]
            assert stand.account_id in [install["account_id"] for install in installs]
            account = await flysk.amocrm(stand.account_id, "GET", "account")
            assert account["id"] == stand.account_id
            with pytest.raises(InsufficientBalanceError):
                lines = [stand.line(1_000_000)]
                refused = {"account_id": stand.account_id, "lines": lines}
                await flysk.charge_flycoins(refused, idempotency_key="py-async-2")

    asyncio.run(use())
    assert front.keys[:3] == ["py-async"] * 3
