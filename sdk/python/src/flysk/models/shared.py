"""Types of request bodies and answers: shared.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Literal, TypedDict


AccessLevel = Literal[
    "allowed",
    "grace",
    "restricted",
    "off",
]
"""Level of access. `grace`: the widget works and asks for a payment; `restricted`: it shows its data, but does nothing
that costs.
"""


AccessReason = Literal[
    "trial",
    "paid",
    "granted",
    "renewing",
    "payment_overdue",
    "under_review",
    "not_subscribed",
    "trial_ended",
    "expired",
    "cancelled",
    "no_seat",
    "not_sold",
]
"""Reason of a level of access. Reasons may be added."""


class SubscriptionAccess(TypedDict):
    """Whether the account, or the user who asks, may use the widget."""

    level: AccessLevel
    """Level of access."""
    reason: AccessReason
    """Why."""
    notice: str | None
    """Text for users, in Russian; null if nothing needs to be said."""
    until: str | None
    """Until when, if that is known."""
