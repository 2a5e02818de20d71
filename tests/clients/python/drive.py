"""Charges, refunds and is refused, with the client that openapi-python-client generates from api/openapi.json."""

import os

from client import AuthenticatedClient
from client.api.flycoins import charge_flycoins, refund_flycoins
from client.models import Charge, ChargeRequest, PriceLineInput, Problem, Refund, RefundRequest

api = AuthenticatedClient(
    base_url=os.environ["FLYSK_URL"],
    token=os.environ["PROJECT_TOKEN"],
    prefix="",
    auth_header_name="X-Project-Token",
)
account_id = int(os.environ["ACCOUNT_ID"])


def charge(seconds: int, key: str) -> Charge | Problem | None:
    line = PriceLineInput(service="flysense.recognition", quantity=seconds)
    body = ChargeRequest(account_id=account_id, lines=[line])
    return charge_flycoins.sync(client=api, body=body, idempotency_key=key)


charged = charge(60, "python-charge")
assert isinstance(charged, Charge), charged
assert charged.receipt[0].tariff.rate_micro == 2_500_000, charged
repeated = charge(60, "python-charge")
assert isinstance(repeated, Charge) and repeated.transaction_id == charged.transaction_id, repeated

body = RefundRequest(account_id=account_id, transaction_id=charged.transaction_id, all_=True)
refunded = refund_flycoins.sync(client=api, body=body, idempotency_key="python-refund")
assert isinstance(refunded, Refund), refunded

refused = charge(1_000_000, "python-refused")
assert isinstance(refused, Problem), refused
print(f"charged {charged.charged_micro}, refunded {refunded.refunded_micro}, refused {refused.status} {refused.code}")
