"""The gateway to the API of amoCRM: paths, and whose answer it is."""

from typing import Any
from urllib.parse import urlsplit

from ._transport import Answer, check_path, error_of
from .errors import AmocrmError, InvalidPathError

API = "/api/v4/"


def gateway_path(path: str) -> str:
    """Path of the gateway for one of amoCRM: `leads/1`, `/api/v4/leads/1`, or an address of `_links`.

    Raises:
        InvalidPathError: the address is not one of amoCRM's API, or a segment is `.` or `..`.
    """
    check_path(path)
    found = urlsplit(path)
    rest = found.path.lstrip("/") if not found.netloc and not found.path.startswith(API) else None
    if rest is None:
        if not found.path.startswith(API):
            raise InvalidPathError("an address of amoCRM's API has a path that begins with /api/v4/")
        rest = found.path.removeprefix(API)
    return f"/v1/amocrm{API}{rest}" + (f"?{found.query}" if found.query else "")


def gateway_headers(account_id: int, user_id: int | None) -> dict[str, str]:
    """The headers that name the account, and the user whose rights the request has."""
    context = {} if user_id is None else {"X-Context-User-ID": str(user_id)}
    return {"X-Account-Id": str(account_id), **context}


def gateway_result(answer: Answer) -> Any:
    """The parsed body; None for 204.

    Raises:
        AmocrmError: amoCRM answered an error.
        ApiError: Flysk did.
    """
    if answer.headers.get("X-Flysk-Answer") != "amocrm":
        raise error_of(answer)
    try:
        body = answer.json()
    except ValueError:
        body = answer.content.decode("utf-8", "replace")
        # A page instead of JSON: a redirect to a login, or a block.
        raise AmocrmError(answer.status, body) from None
    if not answer.is_success:
        raise AmocrmError(answer.status, body)
    return body


def next_path(page: Any) -> str | None:
    """Address of the page after this one; None after the last."""
    links = page.get("_links", {}) if isinstance(page, dict) else {}
    return links.get("next", {}).get("href")
