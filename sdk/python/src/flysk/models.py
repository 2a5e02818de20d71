"""Types of request bodies and answers: dictionaries, as they travel in JSON.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Any, Literal, NotRequired, TypedDict


ErrorCode = Literal[
    "bad_request",
    "flycoins_not_used",
    "hold_ended",
    "idempotency_key_missing",
    "idempotency_key_reused",
    "install_not_active",
    "install_not_found",
    "insufficient_balance",
    "internal",
    "invalid",
    "invalid_request",
    "more_than_charged",
    "not_found",
    "price_above_limit",
    "reconnect_required",
    "subscriptions_not_used",
    "token_expired",
    "token_renewed",
    "too_large",
    "too_many_requests",
    "unauthorized",
    "unavailable",
    "unknown_charge",
    "unknown_hold",
    "unknown_service",
    "unsupported_media_type",
    "upstream_unavailable",
    "version_conflict",
    "wrong_state",
]
"""Codes of errors. Codes may be added."""


InstallStatus = Literal[
    "installing",
    "active",
    "inactive",
    "reconnect",
    "uninstalled",
]
"""Status of an install. A widget works only while it is `active`."""


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
]
"""Reason of a level of access. Reasons may be added."""


class SubscriptionAccess(TypedDict):
    """Whether the account, or the user who asks, may use the widget."""

    level: AccessLevel
    """Level of access."""
    reason: AccessReason
    """Why."""
    notice: str | None
    """What users should read, in Russian; null if nothing needs to be said."""
    until: str | None
    """Until when, if that is known."""


class AccountAccess(TypedDict):
    """Access of a widget to an account."""

    access_token: str
    """Access token for amoCRM's API. Flysk never returns the refresh token: using it would invalidate the stored token
    pair.
    """
    expires_at: str
    """Expiry of the access token."""
    base_domain: str
    """The account's host, for example `demo.amocrm.ru`."""
    account_id: int
    """Account id in amoCRM."""
    install_id: str
    """Install id."""
    install_status: InstallStatus
    """Always `active`: other statuses return a problem."""
    settings: Any
    """Settings of the install."""
    user_id: int | None
    """User id of the token; null for a request with `account_id`."""
    subscription: SubscriptionAccess | None
    """Whether the account may use the widget, or the user of the `token`, if the widget gives seats to users; null if
    the widget sells no subscriptions.
    """


AttemptOutcome = Literal[
    "delivered",
    "refused",
    "failed",
    "interrupted",
]
"""Outcome of an attempt. `refused`: the backend answered 410; `interrupted`: the worker stopped, the backend may have
received the event.
"""


class PriceLineInput(TypedDict):
    """A service and a quantity."""

    service: str
    """Service name, `<widget code>.<service>`, up to 48 characters."""
    quantity: int
    """Quantity in seconds or pieces, depending on the service's tariff."""


class CaptureRequest(TypedDict):
    """Request to capture a hold."""

    lines: list[PriceLineInput]
    """Services and quantities to charge, 1 to 20 lines."""
    at_most_micro: NotRequired[int | None]
    """Highest price that may be charged, in micro-Flycoins. If the lines cost more, nothing is charged
    (`price_above_limit`). Without it, the lines may cost more than the hold. Set it to the hold's `amount_micro` to
    charge at most the hold.
    """
    reference: NotRequired[str | None]
    """Text that the account's users see with the charge, up to 200 characters."""


TariffKind = Literal[
    "per_minute",
    "per_piece",
]
"""Kind of a tariff."""


class Tariff(TypedDict):
    """The tariff of a service."""

    kind: TariffKind
    """Kind of the tariff."""
    rate_micro: int
    """Rate per minute or piece, in micro-Flycoins."""
    at_least_s: int | None
    """Minimum billed quantity, in seconds; null for `per_piece`."""


PriceUnit = Literal[
    "second",
    "piece",
]
"""Unit of a quantity."""


PriceRounding = Literal[
    "exact",
    "half_up",
]
"""Rounding of a price."""


class PriceLine(TypedDict):
    """The price of one line and its calculation."""

    service: str
    """Service name."""
    version: int
    """Version of the price rule."""
    tariff: Tariff
    """The tariff."""
    unit: PriceUnit
    """Unit of the quantity."""
    quantity: int
    """Requested quantity."""
    billed: int
    """Billed quantity: the requested quantity, or the tariff's minimum."""
    rounding: PriceRounding
    """Rounding of the price."""
    amount_micro: int
    """Price of the line, in micro-Flycoins."""


class Charge(TypedDict):
    """A charge."""

    transaction_id: str
    """Id of the charge, to refund it."""
    charged_micro: int
    """Charged amount, in micro-Flycoins."""
    available_micro: int
    """Available balance after the operation, in micro-Flycoins."""
    held_micro: int
    """Coins in holds after the operation, in micro-Flycoins."""
    receipt: list[PriceLine]
    """Prices, one per requested line."""


class ChargeRequest(TypedDict):
    """Request to charge an account."""

    account_id: int
    """Id of the paying account in amoCRM."""
    lines: list[PriceLineInput]
    """Services and quantities to charge, 1 to 20 lines."""
    reference: NotRequired[str | None]
    """Text that the account's users see with the charge, up to 200 characters."""


class CreatedHold(TypedDict):
    """A new hold."""

    hold_id: str
    """Hold id, to capture or release it."""
    transaction_id: str
    """Id of the transaction that created the hold."""
    amount_micro: int
    """Held amount, in micro-Flycoins."""
    expires_at: str
    """Time when the hold expires."""
    available_micro: int
    """Available balance after the operation, in micro-Flycoins."""
    held_micro: int
    """Coins in holds after the operation, in micro-Flycoins."""
    receipt: list[PriceLine]
    """Prices, one per requested line; empty for a hold of an amount."""


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


class Estimate(TypedDict):
    """An estimate."""

    lines: list[PriceLine]
    """Prices, one per requested line."""
    total_micro: int
    """Sum of the lines, in micro-Flycoins."""
    available_micro: int
    """Available balance, in micro-Flycoins."""
    covered: bool
    """Whether the available balance covers the sum."""


class EstimateRequest(TypedDict):
    """Request to estimate a charge."""

    account_id: int
    """Id of the paying account in amoCRM."""
    lines: list[PriceLineInput]
    """Services and quantities, 1 to 20 lines."""


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


class FlycoinBalance(TypedDict):
    """Balance of an account."""

    account_id: int
    """Account id in amoCRM."""
    available_micro: int
    """Coins that can be spent, in micro-Flycoins."""
    held_micro: int
    """Coins in open holds, in micro-Flycoins."""


HoldState = Literal[
    "open",
    "captured",
    "released",
    "expired",
]
"""State of a hold."""


class Hold(TypedDict):
    """A hold."""

    hold_id: str
    """Hold id."""
    account_id: int
    """Account id in amoCRM."""
    state: HoldState
    """State of the hold."""
    amount_micro: int
    """Held amount, in micro-Flycoins."""
    captured_micro: int
    """Charged amount, in micro-Flycoins; 0 unless captured."""
    expires_at: str
    """Time when the hold expires."""


class HoldCapture(TypedDict):
    """Result of a capture."""

    hold_id: str
    """Hold id."""
    transaction_id: str
    """Id of the charge, to refund it."""
    charged_micro: int
    """Charged amount, in micro-Flycoins."""
    available_micro: int
    """Available balance after the operation, in micro-Flycoins."""
    held_micro: int
    """Coins in holds after the operation, in micro-Flycoins."""
    receipt: list[PriceLine]
    """Prices, one per requested line."""


class HoldRelease(TypedDict):
    """Result of a release."""

    hold_id: str
    """Hold id."""
    transaction_id: str
    """Id of the release transaction."""
    available_micro: int
    """Available balance after the operation, in micro-Flycoins."""
    held_micro: int
    """Coins in holds after the operation, in micro-Flycoins."""


class HoldRequest(TypedDict):
    """Request to hold coins: the price of lines, or an amount."""

    account_id: int
    """Id of the paying account in amoCRM."""
    lines: NotRequired[list[PriceLineInput] | None]
    """Services and quantities that are expected to be charged, 1 to 20 lines. Send either this or `amount_micro`."""
    amount_micro: NotRequired[int | None]
    """Amount to hold, in micro-Flycoins. Send either this or `lines`."""
    expires_in_s: int
    """Seconds until the hold expires: 60 (a minute) to 604800 (a week)."""
    reference: NotRequired[str | None]
    """Text that the account's users see with the hold, up to 200 characters."""


class Install(TypedDict):
    """An install: the widget in an account."""

    id: str
    """Install id; the same after a reinstall."""
    account_id: int
    """Account id in amoCRM."""
    account_name: str | None
    """Name of the account."""
    base_domain: str | None
    """The account's host."""
    status: InstallStatus
    """Status."""
    settings_version: int
    """Version of the settings; 0 before the first change."""
    last_event_sequence: int
    """`sequence` of the install's last event; 0 before the first one."""
    granted_at: str | None
    """When access was last granted."""
    created_at: str
    """When the account began to install the widget for the first time."""
    updated_at: str
    """Time of the last change of the install, its settings included."""


class InstallPage(TypedDict):
    """A page of installs, by account id."""

    items: list[Install]
    """The installs."""
    next: str | None
    """Value of `cursor` for the next page; null on the last page."""


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


class PauthRequest(TypedDict):
    """The account: either a user's token or an account id."""

    token: NotRequired[str | None]
    """The `X-Auth-Token` that the widget sent to the backend."""
    account_id: NotRequired[int | None]
    """Account id in amoCRM, for background work."""
    refused_token_sha256: NotRequired[str | None]
    """SHA-256 of an access token that amoCRM answered with 401, as 64 lower-case hexadecimal digits. If this is still
    the account's token, and it was issued more than ten minutes ago, it is renewed first.
    """


class Problem(TypedDict):
    """An error. Match on `code`: `title` and `detail` are for humans and may change. New codes may be added."""

    type: str
    """URL of the description of the code."""
    title: str
    """Short description of the code, for humans."""
    status: int
    """The HTTP status."""
    detail: str
    """Description of this error, for humans."""
    code: str
    """Stable machine-readable error code."""
    quote_id: NotRequired[str | None]
    """Id of the new quote, with `quote_changed` only."""


class Refund(TypedDict):
    """A refund."""

    transaction_id: str
    """Id of the refund."""
    refunded_micro: int
    """Refunded amount, in micro-Flycoins."""
    available_micro: int
    """Available balance after the operation, in micro-Flycoins."""
    held_micro: int
    """Coins in holds after the operation, in micro-Flycoins."""


class RefundRequest(TypedDict):
    """Request to refund a charge."""

    account_id: int
    """Id of the paying account in amoCRM."""
    transaction_id: str
    """Id of the charge or of the capture."""
    amount_micro: NotRequired[int | None]
    """Amount to refund, in micro-Flycoins. Send either this or `all`."""
    all: NotRequired[bool | None]
    """`true` to refund everything that is left of the charge. Send either this or `amount_micro`."""
    reference: NotRequired[str | None]
    """Text that the account's users see with the refund, up to 200 characters."""


class RevenuePeriod(TypedDict):
    """Money and coins of one period."""

    begins: str
    """First day of the period."""
    received_kopecks: int
    """Money that accounts paid for Flycoins, in kopecks."""
    refunded_kopecks: int
    """Money that was refunded for Flycoins, in kopecks."""
    purchases: int
    """Number of paid purchases."""
    purchased_micro: int
    """Purchased coins without bonus, in micro-Flycoins."""
    charged_micro: int
    """Charged coins, in micro-Flycoins."""
    returned_micro: int
    """Refunded charges, in micro-Flycoins."""
    charges: int
    """Number of charges."""


class ServiceSpending(TypedDict):
    """Spending on one service in one period."""

    begins: str
    """First day of the period."""
    service: str
    """Service name."""
    paid_micro: int
    """Charged amount, in micro-Flycoins."""
    returned_micro: int
    """Refunded amount, in micro-Flycoins."""
    charges: int
    """Number of charges."""


Revenue = TypedDict(
    "Revenue",
    {
        # First day.
        "from": str,
        # The day after the last day.
        "until": str,
        # All accounts together by period; periods without movements are absent.
        "items": list[RevenuePeriod],
        # Charges by period and service.
        "services": list[ServiceSpending],
    },
)
"""What a widget earns."""


class Settings(TypedDict):
    """An install's settings."""

    version: int
    """Version, incremented by every change."""
    settings: Any
    """The settings: a JSON object defined by the widget."""


class SettingsInput(TypedDict):
    """New settings."""

    version: int
    """The version that was read. If it is not the newest, the request fails with `version_conflict`."""
    settings: Any
    """All settings: a JSON object of at most 64 KiB that satisfies the widget's schema."""
    widget_version: NotRequired[str | None]
    """Version of the widget that writes. If this version has its own schema, the settings are validated by it,
    otherwise by the widget's default schema.
    """


StatisticsPeriod = Literal[
    "day",
    "week",
    "month",
]
"""Length of a period."""


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
    """What the plan contains, as the vendor registered it."""


PendingChangeKind = Literal[
    "plan",
    "seats",
    "length",
]
"""Kind of a change that waits for the next period."""


class PendingChange(TypedDict):
    """A change that waits for the next period."""

    kind: PendingChangeKind
    """What changes. Each kind is withdrawn by itself."""
    plan_id: str | None
    """Id of the next version of the plan; null for other kinds."""
    seats: int | None
    """Next number of seats; null for other kinds."""
    months: int | None
    """Next number of months; null for other kinds."""


class SubscriptionPriceChange(TypedDict):
    """A new price of a seat, of which the account was told."""

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
    """What it pays."""
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
    """What users of the account should read about its subscription."""

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
    """Whether a card is charged for the next period."""
    cancels: bool
    """Whether the subscription ends with its period."""
    pending_changes: list[PendingChange]
    """Changes that wait for the next period."""
    price_change: SubscriptionPriceChange | None
    """A new price of which the account was told at least 30 days before; null if the price stays."""
    open_invoice: SubscriptionInvoice | None
    """The invoice to be paid."""
    notices: list[SubscriptionNotice]
    """What users should read now, such as the coming end of a trial."""


class TestEventRequest(TypedDict):
    """Request to send a test event."""

    account_id: NotRequired[int | None]
    """Account id in amoCRM; by default the account of the newest active install."""


class WidgetStatus(TypedDict):
    """Status of the widget in the account."""

    status: InstallStatus
    """Status of the install. A widget that is switched on is `active` only while the account grants access."""


class WidgetSwitchRequest(TypedDict):
    """Request to switch the widget on or off."""

    account_id: int
    """Account id in amoCRM."""
    on: bool
    """Whether the widget may work in the account."""


TransactionKind = Literal[
    "credit",
    "charge",
    "hold",
    "capture",
    "release",
    "refund",
    "withdraw",
    "restore",
    "expire",
]
"""Kind of a transaction. Kinds may be added."""


class WidgetTransaction(TypedDict):
    """A transaction of one of the widget's wallets."""

    account_id: int
    """Account id in amoCRM."""
    install_id: str
    """Install id."""
    id: str
    """Transaction id."""
    time: str
    """Time of the transaction."""
    kind: TransactionKind
    """Kind."""
    label: str
    """Name of the kind in Russian."""
    amount_micro: int
    """Amount to show to users, in micro-Flycoins: positive if coins were added, negative if they were taken. For `hold`
    and `release` the held or released amount, which stays in the wallet.
    """
    available_micro: int
    """Change of the available balance, in micro-Flycoins."""
    held_micro: int
    """Change of the held balance, in micro-Flycoins."""
    reference: str | None
    """Text from the vendor's backend."""
    receipt: list[PriceLine]
    """Prices of the charged lines."""
    hold_id: str | None
    """Hold that the transaction created or ended."""
    refund_of: str | None
    """Charge that the transaction refunded."""


class WidgetTransactionPage(TypedDict):
    """A page of the widget's transactions, newest first."""

    items: list[WidgetTransaction]
    """The transactions."""
    next: str | None
    """Value of `cursor` for the next page; null on the last page."""
