"""A method for each operation: flycoins.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from .._transport import AsyncTransport, Transport, segment
from ..models import (
    CaptureRequest,
    Charge,
    ChargeRequest,
    CreatedHold,
    Estimate,
    EstimateRequest,
    FlycoinBalance,
    Hold,
    HoldCapture,
    HoldRelease,
    HoldRequest,
    Refund,
    RefundRequest,
    Revenue,
    StatisticsPeriod,
    WidgetTransactionPage,
)


class FlycoinsOperations(Transport):
    """The operations of a blocking client: flycoins."""

    def estimate_flycoins(self, body: EstimateRequest) -> Estimate:
        """Estimate the price of a charge, and whether the balance covers it. No coins are moved."""
        return self._call("POST", "/v1/backend/flycoins/estimate", repeatable=True, body=body)

    def charge_flycoins(self, body: ChargeRequest, *, idempotency_key: str) -> Charge:
        """Charge an account immediately.

        Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key:
        it is executed once, and every repetition returns the first response; only `refunded_micro` is that of now.

        Derive the key from the account, the work and its input. With a key of an id alone that the widget's page
        chose, a user gets another work for the same charge.
        """
        return self._call(
            "POST",
            "/v1/backend/flycoins/charges",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    def hold_flycoins(self, body: HoldRequest, *, idempotency_key: str) -> CreatedHold:
        """Hold coins before work whose price is not known yet.

        Held coins are not available for other charges. A hold ends when it is captured, released or expires.
        """
        return self._call(
            "POST",
            "/v1/backend/flycoins/holds",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    def get_flycoin_hold(self, hold_id: str) -> Hold:
        """Get a hold."""
        return self._call("GET", f"/v1/backend/flycoins/holds/{segment(hold_id)}", repeatable=True)

    def capture_flycoin_hold(self, hold_id: str, body: CaptureRequest, *, idempotency_key: str) -> HoldCapture:
        """Capture a hold: charge the actual cost, which may exceed the hold.

        If the lines cost less than the hold, the rest is released. If they cost more, the difference is taken from
        the available balance; if it is not sufficient, the request fails and the hold stays open. `at_most_micro`
        limits the price: above it nothing is charged and the hold stays open. A hold can be captured once. Also
        works for an inactive install.
        """
        return self._call(
            "POST",
            f"/v1/backend/flycoins/holds/{segment(hold_id)}/capture",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    def release_flycoin_hold(self, hold_id: str, *, idempotency_key: str) -> HoldRelease:
        """Release the whole hold. Also works for an inactive install.

        Send no body or an empty object. To charge a part, capture the hold.
        """
        return self._call(
            "POST",
            f"/v1/backend/flycoins/holds/{segment(hold_id)}/release",
            repeatable=True,
            idempotency_key=idempotency_key,
        )

    def refund_flycoins(self, body: RefundRequest, *, idempotency_key: str) -> Refund:
        """Refund a charge, in whole or in part.

        Coins return to the lots that they came from. The sum of all refunds never exceeds the charge. Coins that
        have expired in the meantime can be spent for one more week. Also works for an inactive install.
        """
        return self._call(
            "POST",
            "/v1/backend/flycoins/refunds",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    def get_flycoin_balance(self, *, account_id: int) -> FlycoinBalance:
        """Get the balance of an account.

        `account_id`: Account id in amoCRM.
        """
        return self._call(
            "GET",
            "/v1/backend/flycoins/balance",
            repeatable=True,
            query={"account_id": account_id},
        )

    def list_widget_transactions(
        self,
        *,
        account_id: int | None = None,
        kinds: str | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> WidgetTransactionPage:
        """List the transactions of all wallets of the widget, newest first.

        `account_id`: Only transactions of this account.
        `kinds`: Only transactions of these kinds, separated by commas: `charge,capture,refund`.
        `from_`: Only transactions at or after this time; by default 31 days before `until`.
        `until`: Only transactions before this time; by default now. A request may cover at most 92 days.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of transactions.
        """
        return self._call(
            "GET",
            "/v1/backend/flycoins/transactions",
            repeatable=True,
            query={
                "account_id": account_id,
                "kinds": kinds,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    def get_revenue(
        self,
        *,
        from_: str | None = None,
        until: str | None = None,
        period: StatisticsPeriod | None = None,
        utc_offset_min: int | None = None,
    ) -> Revenue:
        """Get the widget's revenue by period: money received for Flycoins, and charges by service.

        A purchase counts on the day on which its coins were credited, a refund on the day on which it was made.

        `from_`: First day; by default the last 31 days.
        `until`: The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per
        request.
        `period`: Length of periods; `day` by default. The first and the last period may be incomplete.
        `utc_offset_min`: Offset of the days' time zone from UTC, in minutes; 180 (Moscow) by default.
        """
        return self._call(
            "GET",
            "/v1/backend/revenue",
            repeatable=True,
            query={"from": from_, "until": until, "period": period, "utc_offset_min": utc_offset_min},
        )


class AsyncFlycoinsOperations(AsyncTransport):
    """The operations of an asynchronous client: flycoins."""

    async def estimate_flycoins(self, body: EstimateRequest) -> Estimate:
        """Estimate the price of a charge, and whether the balance covers it. No coins are moved."""
        return await self._call("POST", "/v1/backend/flycoins/estimate", repeatable=True, body=body)

    async def charge_flycoins(self, body: ChargeRequest, *, idempotency_key: str) -> Charge:
        """Charge an account immediately.

        Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key:
        it is executed once, and every repetition returns the first response; only `refunded_micro` is that of now.

        Derive the key from the account, the work and its input. With a key of an id alone that the widget's page
        chose, a user gets another work for the same charge.
        """
        return await self._call(
            "POST",
            "/v1/backend/flycoins/charges",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    async def hold_flycoins(self, body: HoldRequest, *, idempotency_key: str) -> CreatedHold:
        """Hold coins before work whose price is not known yet.

        Held coins are not available for other charges. A hold ends when it is captured, released or expires.
        """
        return await self._call(
            "POST",
            "/v1/backend/flycoins/holds",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    async def get_flycoin_hold(self, hold_id: str) -> Hold:
        """Get a hold."""
        return await self._call("GET", f"/v1/backend/flycoins/holds/{segment(hold_id)}", repeatable=True)

    async def capture_flycoin_hold(self, hold_id: str, body: CaptureRequest, *, idempotency_key: str) -> HoldCapture:
        """Capture a hold: charge the actual cost, which may exceed the hold.

        If the lines cost less than the hold, the rest is released. If they cost more, the difference is taken from
        the available balance; if it is not sufficient, the request fails and the hold stays open. `at_most_micro`
        limits the price: above it nothing is charged and the hold stays open. A hold can be captured once. Also
        works for an inactive install.
        """
        return await self._call(
            "POST",
            f"/v1/backend/flycoins/holds/{segment(hold_id)}/capture",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    async def release_flycoin_hold(self, hold_id: str, *, idempotency_key: str) -> HoldRelease:
        """Release the whole hold. Also works for an inactive install.

        Send no body or an empty object. To charge a part, capture the hold.
        """
        return await self._call(
            "POST",
            f"/v1/backend/flycoins/holds/{segment(hold_id)}/release",
            repeatable=True,
            idempotency_key=idempotency_key,
        )

    async def refund_flycoins(self, body: RefundRequest, *, idempotency_key: str) -> Refund:
        """Refund a charge, in whole or in part.

        Coins return to the lots that they came from. The sum of all refunds never exceeds the charge. Coins that
        have expired in the meantime can be spent for one more week. Also works for an inactive install.
        """
        return await self._call(
            "POST",
            "/v1/backend/flycoins/refunds",
            repeatable=True,
            body=body,
            idempotency_key=idempotency_key,
        )

    async def get_flycoin_balance(self, *, account_id: int) -> FlycoinBalance:
        """Get the balance of an account.

        `account_id`: Account id in amoCRM.
        """
        return await self._call(
            "GET",
            "/v1/backend/flycoins/balance",
            repeatable=True,
            query={"account_id": account_id},
        )

    async def list_widget_transactions(
        self,
        *,
        account_id: int | None = None,
        kinds: str | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> WidgetTransactionPage:
        """List the transactions of all wallets of the widget, newest first.

        `account_id`: Only transactions of this account.
        `kinds`: Only transactions of these kinds, separated by commas: `charge,capture,refund`.
        `from_`: Only transactions at or after this time; by default 31 days before `until`.
        `until`: Only transactions before this time; by default now. A request may cover at most 92 days.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of transactions.
        """
        return await self._call(
            "GET",
            "/v1/backend/flycoins/transactions",
            repeatable=True,
            query={
                "account_id": account_id,
                "kinds": kinds,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    async def get_revenue(
        self,
        *,
        from_: str | None = None,
        until: str | None = None,
        period: StatisticsPeriod | None = None,
        utc_offset_min: int | None = None,
    ) -> Revenue:
        """Get the widget's revenue by period: money received for Flycoins, and charges by service.

        A purchase counts on the day on which its coins were credited, a refund on the day on which it was made.

        `from_`: First day; by default the last 31 days.
        `until`: The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per
        request.
        `period`: Length of periods; `day` by default. The first and the last period may be incomplete.
        `utc_offset_min`: Offset of the days' time zone from UTC, in minutes; 180 (Moscow) by default.
        """
        return await self._call(
            "GET",
            "/v1/backend/revenue",
            repeatable=True,
            query={"from": from_, "until": until, "period": period, "utc_offset_min": utc_offset_min},
        )
