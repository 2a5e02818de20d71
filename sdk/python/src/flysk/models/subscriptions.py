"""Types of request bodies and answers: subscriptions.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Any, Literal, TypedDict

from .shared import SubscriptionAccess


class OccupiedSeat(TypedDict):
    """A seat that a user occupies."""

    user_id: int
    """User id in amoCRM."""
    user_name: str | None
    """Name of the user in amoCRM; null in the first minutes, and if the account's grant may not read users."""
    taken_at: str
    """When the user took the seat."""
    seen_at: str
    """The user's latest handshake, at most an hour late."""
    lost_on: str | None
    """Day from which the user has no seat, Moscow time, because the subscription will have fewer; null if the seat
    stays.
    """


class OccupiedSeatPage(TypedDict):
    """All seats that users occupy, first comers first."""

    items: list[OccupiedSeat]
    """The seats; empty if the widget gives no seats to users."""
    next: str | None
    """Always null: the list has one page."""


SubscriptionState = Literal[
    "trialing",
    "trial_ended",
    "active",
    "renewing",
    "past_due",
    "expired",
    "cancelled",
]
"""State of a subscription. States may be added: decide by the access."""


class SeatPrice(TypedDict):
    """Price of a seat for one length of the period."""

    months: int
    """Months that are paid at once: 1, 3, 6 or 12."""
    seat_price_kopecks: int
    """Price of a seat for all these months, in kopecks."""


class SubscriptionPlan(TypedDict):
    """A plan on offer."""

    id: str
    """Id of this version of the plan, to ask for a quote."""
    code: str
    """Code of the plan, the same in all versions."""
    version: int
    """Version of the plan."""
    title: str
    """Title in Russian."""
    prices: list[SeatPrice]
    """Prices by length of the period, shortest first."""
    min_seats: int
    """Minimum number of seats."""
    max_seats: int | None
    """Maximum number of seats; null if there is none."""
    currency: str
    """Currency of the prices, always `RUB`."""
    features: Any
    """Features of the plan, as the vendor registered them."""


PendingChangeKind = Literal[
    "plan",
    "seats",
    "length",
]
"""Kind of a change that waits for the next period."""


class PendingChange(TypedDict):
    """A change that waits for the next period."""

    kind: PendingChangeKind
    """Kind of the change. Each kind is withdrawn by itself."""
    plan_id: str | None
    """Id of the next version of the plan; null for other kinds."""
    seats: int | None
    """Next number of seats; null for other kinds."""
    months: int | None
    """Next number of months; null for other kinds."""


class SubscriptionPriceChange(TypedDict):
    """A new price of a seat, of which the account was notified."""

    on: str
    """First day of the first period that has the new price, Moscow time."""
    seat_price_kopecks: int
    """Price of a seat for a period until then, in kopecks."""
    next_seat_price_kopecks: int
    """Price of a seat for a period from then on, in kopecks."""


InvoiceKind = Literal[
    "start",
    "change",
    "renewal",
]
"""What an invoice pays: a first period, a change within a period, or the next period."""


InvoiceState = Literal[
    "open",
    "paid",
    "void",
]
"""State of an invoice. `void`: withdrawn, not to be paid."""


InvoiceLineKind = Literal[
    "period",
    "difference",
    "waiver",
]
"""Subject of a line. `difference`: the rest of the period on other terms; `waiver`: not charged, below the bank's
minimum.
"""


Rounding = Literal[
    "exact",
    "half_up",
]
"""Rounding of an amount. `half_up`: a share by days, rounded once to the nearest kopeck."""


InvoiceLine = TypedDict(
    "InvoiceLine",
    {
        # Subject of the line.
        "kind": InvoiceLineKind,
        # Text in Russian.
        "title": str,
        # First day that the line covers, Moscow time.
        "from": str,
        # Day after the last one that the line covers, Moscow time.
        "until": str,
        # Number of seats after the change.
        "seats": int,
        # Amount, in kopecks; negative for a waiver.
        "amount_kopecks": int,
        # Rounding of the amount.
        "rounding": Rounding,
    },
)
"""A line of a quote or an invoice. The lines sum to the total."""


class SubscriptionInvoice(TypedDict):
    """An invoice."""

    id: str
    """Invoice id, `inv_…`."""
    kind: InvoiceKind
    """Subject that the invoice pays."""
    state: InvoiceState
    """State."""
    title: str
    """Title in Russian."""
    lines: list[InvoiceLine]
    """Lines, which sum to the total."""
    total_kopecks: int
    """Amount, in kopecks."""
    refunded_kopecks: int
    """Refunded amount, including refunds in progress, in kopecks."""
    period_from: str
    """First day that it pays, Moscow time."""
    period_until: str
    """Day after the last one that it pays, Moscow time."""
    due_at: str | None
    """Until when it can be paid; null if the subscription waits for it."""
    charge_at: str | None
    """When the card is charged next; null if it is not."""
    failure: str | None
    """Why the last payment failed, in Russian."""
    paid_at: str | None
    """Time of the payment."""
    created_at: str
    """Time when it was written."""


SubscriptionNoticeKind = Literal[
    "trial_ending",
    "charge_upcoming",
    "payment_needed",
    "ends_with_period",
    "price_changing",
    "access",
]
"""Subject of a notice. Subjects may be added."""


class SubscriptionNotice(TypedDict):
    """Notice to the users of the account about its subscription."""

    kind: SubscriptionNoticeKind
    """Subject."""
    text: str
    """Sentence in Russian."""
    on: str | None
    """The day that it is about, Moscow time; null for a notice about access."""


class Subscription(TypedDict):
    """Subscription of an account."""

    id: str
    """Subscription id, `sub_…`."""
    state: SubscriptionState
    """State. Decide by `access`, not by the state."""
    label: str
    """Name of the state in Russian."""
    access: SubscriptionAccess
    """Whether the account may use the widget."""
    plan: SubscriptionPlan | None
    """Version of the plan; null before the first purchase. Its price may differ from the plan on offer."""
    seats: int | None
    """Number of seats; null before the first purchase."""
    seats_taken: int | None
    """Number of seats that users occupy; null if the widget gives no seats to users, and before the first purchase."""
    has_seat: bool | None
    """Whether the user who asks has a seat, in the answers of the handshake and of `getSubscription`: if all are in
    use, `access` is that user's. Null elsewhere, if the widget gives no seats to users, and before the first
    purchase.
    """
    months: int | None
    """Months that are paid at once; null before the first purchase."""
    seat_price_kopecks: int | None
    """Price of a seat for these months, in kopecks; null before the first purchase."""
    period_from: str | None
    """First day of the current or last period, Moscow time."""
    period_until: str | None
    """Day after the last one of the current or last period, Moscow time."""
    paid_until: str | None
    """Day after the last one that is paid, Moscow time; later than `period_until` if the next period is paid ahead."""
    trial_until: str | None
    """Day after the last one of the trial, Moscow time; null if there was none."""
    renews: bool
    """Whether a card is charged for the next period. Not one that was saved at another terminal than the seller's."""
    cancels: bool
    """Whether the subscription ends with its period."""
    pending_changes: list[PendingChange]
    """Changes that wait for the next period."""
    price_change: SubscriptionPriceChange | None
    """A new price of which the account was notified at least 30 days before; null if the price stays."""
    open_invoice: SubscriptionInvoice | None
    """The invoice to be paid."""
    notices: list[SubscriptionNotice]
    """Notices for users now, such as the coming end of a trial."""
