"""The backend of a paid widget: it counts words, and charges Flycoins for each. It takes events of Flysk."""

import hashlib
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flysk import (
    ApiError,
    Flysk,
    FlyskError,
    InstallNotActiveError,
    InsufficientBalanceError,
    InvalidSignatureError,
    ReconnectRequiredError,
    TokenExpiredError,
    UnauthorizedError,
    verify_event,
)

SERVICE = "word-count.words"
PORT = int(os.environ.get("PORT", "8800"))
# Two while the secret is being replaced, with a comma between them.
EVENT_SECRETS = os.environ["EVENT_SECRETS"].split(",")

flysk = Flysk(os.environ["FLYSK"], os.environ["PROJECT_TOKEN"])
# A real backend keeps both in its database.
taken_events: set[str] = set()
active_accounts: set[int] = set()


def lines_of(work: dict) -> list[dict]:
    return [{"service": SERVICE, "quantity": max(1, len(work["text"].split()))}]


def quote(page_token: str, work: dict) -> tuple[int, dict]:
    """What the work would cost, for the button of the page."""
    account = flysk.pauth({"token": page_token})["account_id"]
    priced = flysk.estimate_flycoins({"account_id": account, "lines": lines_of(work)})
    return 200, {"price_micro": priced["total_micro"], "covered": priced["covered"]}


def key_of(act: str, account: int, work: dict) -> str:
    """Idempotency key of an act of a work. The page chooses the id: another account, or another text, is another work."""
    bound = json.dumps([account, work["id"], work["text"]])
    return f"{act}-{hashlib.sha256(bound.encode()).hexdigest()}"


def count(page_token: str, work: dict) -> tuple[int, dict]:
    """Charges, does the work, and gives the coins back if it fails. Keys of the work: nothing is charged or returned twice."""
    account = flysk.pauth({"token": page_token})["account_id"]
    charge = {"account_id": account, "lines": lines_of(work), "reference": work["id"]}
    paid = flysk.charge_flycoins(charge, idempotency_key=key_of("charge", account, work))
    if paid["refunded_micro"] != 0:
        return 409, {"error": "this work failed and was refunded: ask for it under another id"}
    words = len(work["text"].split())
    if words == 0:
        returned = {"account_id": account, "transaction_id": paid["transaction_id"], "all": True}
        flysk.refund_flycoins(returned, idempotency_key=key_of("refund", account, work))
        return 422, {"error": "the text is empty: nothing was charged"}
    return 200, {"words": words, "charged_micro": paid["charged_micro"]}


def take_event(headers: dict, body: bytes) -> int:
    try:
        event = verify_event(EVENT_SECRETS, headers, body)
    except InvalidSignatureError:
        return 401
    # An event may arrive twice.
    if event["id"] not in taken_events:
        taken_events.add(event["id"])
        if event["type"] == "activate":
            active_accounts.add(event["account_id"])
        elif event["type"] == "deactivate":
            active_accounts.discard(event["account_id"])
    return 204


def answer(path: str, headers: dict, body: bytes) -> tuple[int, dict | None]:
    if path == "/flysk/events":
        return take_event(headers, body), None
    act = {"/quote": quote, "/words": count}.get(path)
    if act is None:
        return 404, {"error": "not found"}
    try:
        return act(headers.get("x-auth-token", ""), json.loads(body))
    except (TokenExpiredError, UnauthorizedError):
        return 401, {"error": "ask with a new X-Auth-Token"}
    except InsufficientBalanceError:
        return 402, {"error": "buy Flycoins"}
    except (InstallNotActiveError, ReconnectRequiredError):
        return 403, {"error": "an administrator has to activate the widget"}
    except ApiError as error:
        return 502, {"error": error.code, "request_id": error.request_id}
    except FlyskError:
        return 503, {"error": "try again"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send(200, {"active_accounts": sorted(active_accounts)})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send(*answer(self.path, headers, body))

    def send(self, status: int, told: dict | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if told is not None:
            self.wfile.write(json.dumps(told).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
