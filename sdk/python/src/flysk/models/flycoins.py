"""Types of request bodies and answers: flycoins.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from typing import Literal, NotRequired, TypedDict


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
    refunded_micro: int
    """Amount of this charge that has been refunded by now, in micro-Flycoins. More than zero only in a repeated
    response: the work of an earlier request was refunded, so do not do it for this charge.
    """
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
    refunded_micro: int
    """Amount of this charge that has been refunded by now, in micro-Flycoins. More than zero only in a repeated
    response: the work of an earlier request was refunded, so do not do it for this charge.
    """
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
"""Revenue of a widget."""


StatisticsPeriod = Literal[
    "day",
    "week",
    "month",
]
"""Length of a period."""


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
