"""Types of request bodies and answers: events.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Any, Literal, NotRequired, TypedDict


AttemptOutcome = Literal[
    "delivered",
    "refused",
    "failed",
    "interrupted",
]
"""Outcome of an attempt. `refused`: the backend answered 410; `interrupted`: the worker stopped, the backend may have
received the event.
"""


class DeliveryAttempt(TypedDict):
    """An attempt to deliver an event."""

    attempt: int
    """Number of the attempt, from 1; begins at 1 again with each replay."""
    started_at: str
    """Start of the attempt."""
    took_ms: int
    """Duration of the attempt; 0 if it was interrupted."""
    outcome: AttemptOutcome
    """Outcome."""
    status: int | None
    """HTTP status of the response; null without a response."""
    error: str | None
    """Reason why there was no response."""
    answer_head: str | None
    """Beginning of the response body."""


class DeliveryAttemptPage(TypedDict):
    """All attempts to deliver an event, oldest first."""

    items: list[DeliveryAttempt]
    """The attempts."""
    next: str | None
    """Always null: there is one page."""


EventKind = Literal[
    "install",
    "activate",
    "deactivate",
    "settings.changed",
    "flycoins.purchased",
    "flycoins.balance_low",
    "flycoins.hold_expired",
    "subscription.trial_ending",
    "subscription.trial_ended",
    "subscription.activated",
    "subscription.renewal_upcoming",
    "subscription.price_changing",
    "subscription.renewed",
    "subscription.payment_failed",
    "subscription.past_due",
    "subscription.changed",
    "subscription.cancelled",
    "subscription.expired",
    "test",
]
"""Type of an event. Types may be added: ignore unknown ones."""


class Delivery(TypedDict):
    """An attempt to deliver an event, with its event."""

    event_id: str
    """Event id."""
    type: EventKind
    """Event type."""
    account_id: int
    """Account id in amoCRM."""
    install_id: str
    """Install id."""
    attempt: int
    """Number of the attempt, from 1; begins at 1 again with each replay."""
    started_at: str
    """Start of the attempt."""
    took_ms: int
    """Duration of the attempt; 0 if it was interrupted."""
    outcome: AttemptOutcome
    """Outcome."""
    status: int | None
    """HTTP status of the response; null without a response."""
    error: str | None
    """Reason why there was no response."""
    answer_head: str | None
    """Beginning of the response body."""


class DeliveryPage(TypedDict):
    """A page of the delivery log, newest first."""

    items: list[Delivery]
    """The attempts."""
    next: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Event(TypedDict):
    """An event about an install, as it is delivered: the same body in every attempt."""

    id: str
    """Event id; the same in every delivery and in `webhook-id`."""
    type: EventKind
    """Event type."""
    account_id: int
    """Account id in amoCRM."""
    subdomain: str
    """First label of the account's host."""
    base_domain: str
    """The account's host."""
    install_id: str
    """Install id."""
    sequence: int
    """Number of the event among the install's events. A gap means that an event was missed."""
    number: int
    """Number of the event among the widget's events, without gaps."""
    time: str
    """Time of the event."""
    data: Any
    """Data of the type: see the example of each webhook."""


EventState = Literal[
    "waiting",
    "delivered",
    "refused",
    "failed",
    "unaddressed",
]
"""State of a delivery. `refused`: the backend answered 410; `failed`: the last attempt failed; `unaddressed`: the
widget had no event URL.
"""


class RecordedEvent(TypedDict):
    """An event of an install and the state of its delivery."""

    id: str
    """Event id; the same in every delivery."""
    type: EventKind
    """Event type."""
    account_id: int
    """Account id in amoCRM."""
    subdomain: str
    """First label of the account's host when the event happened."""
    base_domain: str
    """The account's host when the event happened."""
    install_id: str
    """Install id."""
    sequence: int
    """Number of the event among the install's events, which are delivered in this order."""
    number: int
    """Number of the event among the widget's events, without gaps."""
    time: str
    """Time of the event."""
    data: Any
    """Data of the type, as delivered."""
    state: EventState
    """State of the delivery."""
    attempts: int
    """Number of attempts since the event happened or was last replayed."""


class EventPage(TypedDict):
    """A page of events, oldest first."""

    items: list[RecordedEvent]
    """Events in order of `number`."""
    next: str | None
    """Value of `cursor` for the next page; null if there are no more events now."""


EventReplayRequest = TypedDict(
    "EventReplayRequest",
    {
        # Events at or after this time.
        "from": str,
        # Events before this time; by default all until now.
        "until": NotRequired[str | None],
        # Only events in one of these states; by default those that were not delivered.
        "states": NotRequired[list[EventState] | None],
        # Only events of this type.
        "type": NotRequired[EventKind | None],
        # Only events of this account.
        "account_id": NotRequired[int | None],
    },
)
"""Request to replay events."""


class TestEventRequest(TypedDict):
    """Request to send a test event."""

    account_id: NotRequired[int | None]
    """Account id in amoCRM; by default the account of the newest active install."""
