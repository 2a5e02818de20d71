"""The signatures of events."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Stand

from flysk import InvalidSignatureError, verify_event

CASES = json.loads((Path(__file__).parents[2] / "signature-cases.json").read_text(encoding="utf-8"))


def verdict(case: dict[str, Any], body: bytes | str) -> bool:
    try:
        event = verify_event(case["secrets"], case["headers"], body, now_s=case["now_s"])
    except InvalidSignatureError:
        return False
    assert event == json.loads(case["body"])
    return True


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_a_signature_is_judged_as_standard_webhooks_says(case: dict[str, Any]) -> None:
    assert verdict(case, case["body"].encode()) == case["is_valid"]
    assert verdict(case, case["body"]) == case["is_valid"]


@pytest.mark.parametrize("name", ["webhook-id", "webhook-signature"])
def test_headers_that_are_not_utf_8_are_no_signature(name: str) -> None:
    case = CASES["cases"][0]
    # As aiohttp hands over the byte 0xff.
    headers = {**case["headers"], name: b"v1,\xff".decode("utf-8", "surrogateescape")}
    with pytest.raises(InvalidSignatureError):
        verify_event(case["secrets"], headers, case["body"], now_s=case["now_s"])


@pytest.mark.parametrize("secret", CASES["invalid_secrets"])
def test_what_is_no_event_secret_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64") as caught:
        verify_event(secret, CASES["cases"][0]["headers"], "{}")
    assert caught.value.__context__ is None


def test_an_event_of_flysk_is_verified_with_the_former_secret_and_the_new_one(stand: Stand) -> None:
    delivered = stand.delivered
    former, new = delivered["secrets"]
    for secrets in (former, new, [former, new]):
        event = verify_event(secrets, delivered["headers"], delivered["body"])
        assert (event["type"], event["account_id"]) == ("test", stand.account_id)
        assert event["id"] == delivered["headers"]["webhook-id"]
    forged = delivered["body"].replace("test", "tent")
    with pytest.raises(InvalidSignatureError):
        verify_event([former, new], delivered["headers"], forged)
