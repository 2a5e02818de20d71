"""A method for each operation of the API that a vendor's backend may call.

Generated from api/openapi.json by sdk/generator: changes here are lost.
"""

from ._transport import AsyncTransport, Transport, segment
from .models import (
    AccountAccess,
    AttemptOutcome,
    CaptureRequest,
    Charge,
    ChargeRequest,
    CreatedHold,
    DeliveryAttemptPage,
    DeliveryPage,
    Estimate,
    EstimateRequest,
    EventKind,
    EventPage,
    EventReplayRequest,
    EventState,
    FlycoinBalance,
    Hold,
    HoldCapture,
    HoldRelease,
    HoldRequest,
    Install,
    InstallPage,
    InstallStatus,
    OccupiedSeatPage,
    PauthRequest,
    RecordedEvent,
    Refund,
    RefundRequest,
    Revenue,
    Settings,
    SettingsInput,
    StatisticsPeriod,
    Subscription,
    TestEventRequest,
    WidgetStatus,
    WidgetSwitchRequest,
    WidgetTransactionPage,
)


class Operations(Transport):
    """The operations of a blocking client."""

    def pauth(self, body: PauthRequest) -> AccountAccess:
        """Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access
        token for amoCRM.

        PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM,
        which is verified, or an `account_id` for background work. Answers 403 unless the widget is active in the
        account. An access token that expires within five minutes is renewed first. Whether amoCRM still accepts a
        token is not checked: if amoCRM answers 401 to it, ask again with `refused_token_sha256`. The gateway does
        this by itself.
        """
        return self._call("POST", "/v1/pauth", repeatable=True, body=body)

    def get_backend_settings(self, *, account_id: int) -> Settings:
        """Get the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return self._call("GET", "/v1/backend/settings", repeatable=True, query={"account_id": account_id})

    def put_backend_settings(self, body: SettingsInput, *, account_id: int) -> Settings:
        """Replace the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return self._call(
            "PUT",
            "/v1/backend/settings",
            repeatable=False,
            body=body,
            query={"account_id": account_id},
        )

    def switch_widget(self, body: WidgetSwitchRequest) -> WidgetStatus:
        """Switch the widget on or off in an account.

        While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases,
        refunds and the gateway go on working, so that the backend can tidy up. A change of the status sends an
        `activate` or `deactivate` event. The switch survives uninstalling and reinstalling.
        """
        return self._call("PUT", "/v1/backend/switch", repeatable=True, body=body)

    def list_installs(
        self,
        *,
        status: InstallStatus | None = None,
        account_id: int | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> InstallPage:
        """List the widget's installs by account id, uninstalled ones included.

        `status`: Only installs with this status.
        `account_id`: Only the install in this account.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of installs.
        """
        return self._call(
            "GET",
            "/v1/backend/installs",
            repeatable=True,
            query={"status": status, "account_id": account_id, "cursor": cursor, "limit": limit},
        )

    def get_install(self, install_id: str) -> Install:
        """Get an install of the widget."""
        return self._call("GET", f"/v1/backend/installs/{segment(install_id)}", repeatable=True)

    def list_events(
        self,
        *,
        after_number: int | None = None,
        type: EventKind | None = None,
        state: EventState | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> EventPage:
        """List events of the widget's installs, oldest first.

        `after_number`: Only events with a higher `number`, such as that of the last event that your backend has
        processed.
        `type`: Only events of this type.
        `state`: Only events in this state.
        `account_id`: Only events of this account.
        `from_`: Only events at or after this time.
        `until`: Only events before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of events.
        """
        return self._call(
            "GET",
            "/v1/backend/events",
            repeatable=True,
            query={
                "after_number": after_number,
                "type": type,
                "state": state,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    def get_event(self, event_id: str) -> RecordedEvent:
        """Get an event."""
        return self._call("GET", f"/v1/backend/events/{segment(event_id)}", repeatable=True)

    def list_event_attempts(self, event_id: str) -> DeliveryAttemptPage:
        """List all attempts to deliver an event, oldest first."""
        return self._call("GET", f"/v1/backend/events/{segment(event_id)}/attempts", repeatable=True)

    def send_test_event(self, body: TestEventRequest) -> RecordedEvent:
        """Send a test event, to check the event URL and the verification of signatures.

        It is an event of type `test` about an install, delivered and logged as every other event.
        """
        return self._call("POST", "/v1/backend/events/test", repeatable=False, body=body)

    def replay_event(self, event_id: str) -> None:
        """Deliver an event again, whatever its state. A waiting event is tried now.

        If earlier events of the install wait, the first of them is tried now, because events of an install are
        delivered in order.
        """
        self._call("POST", f"/v1/backend/events/{segment(event_id)}/replay", repeatable=False)

    def replay_events(self, body: EventReplayRequest) -> None:
        """Deliver all events of a period again that were not delivered, or those in other states."""
        self._call("POST", "/v1/backend/events/replay", repeatable=False, body=body)

    def list_deliveries(
        self,
        *,
        outcome: AttemptOutcome | None = None,
        type: EventKind | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> DeliveryPage:
        """List all attempts to deliver events of the widget, newest first.

        `outcome`: Only attempts with this outcome.
        `type`: Only attempts for events of this type.
        `account_id`: Only attempts for events of this account.
        `from_`: Only attempts that started at or after this time.
        `until`: Only attempts that started before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of attempts.
        """
        return self._call(
            "GET",
            "/v1/backend/deliveries",
            repeatable=True,
            query={
                "outcome": outcome,
                "type": type,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    def estimate_flycoins(self, body: EstimateRequest) -> Estimate:
        """Estimate the price of a charge, and whether the balance covers it. No coins are moved."""
        return self._call("POST", "/v1/backend/flycoins/estimate", repeatable=True, body=body)

    def charge_flycoins(self, body: ChargeRequest, *, idempotency_key: str) -> Charge:
        """Charge an account immediately.

        Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key:
        it is executed once, and every repetition returns the first response.
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

    def get_backend_subscription(self, *, account_id: int) -> Subscription:
        """Get the subscription of an account, to decide by its `access`.

        `account_id`: Account id in amoCRM.
        """
        return self._call("GET", "/v1/backend/subscription", repeatable=True, query={"account_id": account_id})

    def list_backend_seats(self, *, account_id: int) -> OccupiedSeatPage:
        """List the users of an account who occupy seats, first comers first. The list has one page.

        `account_id`: Account id in amoCRM.
        """
        return self._call(
            "GET",
            "/v1/backend/subscription/seats",
            repeatable=True,
            query={"account_id": account_id},
        )


class AsyncOperations(AsyncTransport):
    """The operations of a asynchronous client."""

    async def pauth(self, body: PauthRequest) -> AccountAccess:
        """Exchange a user's one-time token, or an account id, for the caller's identity, the settings and an access
        token for amoCRM.

        PAuth is the authentication of your project: send either the `token` that the widget received from amoCRM,
        which is verified, or an `account_id` for background work. Answers 403 unless the widget is active in the
        account. An access token that expires within five minutes is renewed first. Whether amoCRM still accepts a
        token is not checked: if amoCRM answers 401 to it, ask again with `refused_token_sha256`. The gateway does
        this by itself.
        """
        return await self._call("POST", "/v1/pauth", repeatable=True, body=body)

    async def get_backend_settings(self, *, account_id: int) -> Settings:
        """Get the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return await self._call("GET", "/v1/backend/settings", repeatable=True, query={"account_id": account_id})

    async def put_backend_settings(self, body: SettingsInput, *, account_id: int) -> Settings:
        """Replace the settings of an account.

        `account_id`: Account id in amoCRM.
        """
        return await self._call(
            "PUT",
            "/v1/backend/settings",
            repeatable=False,
            body=body,
            query={"account_id": account_id},
        )

    async def switch_widget(self, body: WidgetSwitchRequest) -> WidgetStatus:
        """Switch the widget on or off in an account.

        While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases,
        refunds and the gateway go on working, so that the backend can tidy up. A change of the status sends an
        `activate` or `deactivate` event. The switch survives uninstalling and reinstalling.
        """
        return await self._call("PUT", "/v1/backend/switch", repeatable=True, body=body)

    async def list_installs(
        self,
        *,
        status: InstallStatus | None = None,
        account_id: int | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> InstallPage:
        """List the widget's installs by account id, uninstalled ones included.

        `status`: Only installs with this status.
        `account_id`: Only the install in this account.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of installs.
        """
        return await self._call(
            "GET",
            "/v1/backend/installs",
            repeatable=True,
            query={"status": status, "account_id": account_id, "cursor": cursor, "limit": limit},
        )

    async def get_install(self, install_id: str) -> Install:
        """Get an install of the widget."""
        return await self._call("GET", f"/v1/backend/installs/{segment(install_id)}", repeatable=True)

    async def list_events(
        self,
        *,
        after_number: int | None = None,
        type: EventKind | None = None,
        state: EventState | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> EventPage:
        """List events of the widget's installs, oldest first.

        `after_number`: Only events with a higher `number`, such as that of the last event that your backend has
        processed.
        `type`: Only events of this type.
        `state`: Only events in this state.
        `account_id`: Only events of this account.
        `from_`: Only events at or after this time.
        `until`: Only events before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of events.
        """
        return await self._call(
            "GET",
            "/v1/backend/events",
            repeatable=True,
            query={
                "after_number": after_number,
                "type": type,
                "state": state,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    async def get_event(self, event_id: str) -> RecordedEvent:
        """Get an event."""
        return await self._call("GET", f"/v1/backend/events/{segment(event_id)}", repeatable=True)

    async def list_event_attempts(self, event_id: str) -> DeliveryAttemptPage:
        """List all attempts to deliver an event, oldest first."""
        return await self._call("GET", f"/v1/backend/events/{segment(event_id)}/attempts", repeatable=True)

    async def send_test_event(self, body: TestEventRequest) -> RecordedEvent:
        """Send a test event, to check the event URL and the verification of signatures.

        It is an event of type `test` about an install, delivered and logged as every other event.
        """
        return await self._call("POST", "/v1/backend/events/test", repeatable=False, body=body)

    async def replay_event(self, event_id: str) -> None:
        """Deliver an event again, whatever its state. A waiting event is tried now.

        If earlier events of the install wait, the first of them is tried now, because events of an install are
        delivered in order.
        """
        await self._call("POST", f"/v1/backend/events/{segment(event_id)}/replay", repeatable=False)

    async def replay_events(self, body: EventReplayRequest) -> None:
        """Deliver all events of a period again that were not delivered, or those in other states."""
        await self._call("POST", "/v1/backend/events/replay", repeatable=False, body=body)

    async def list_deliveries(
        self,
        *,
        outcome: AttemptOutcome | None = None,
        type: EventKind | None = None,
        account_id: int | None = None,
        from_: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> DeliveryPage:
        """List all attempts to deliver events of the widget, newest first.

        `outcome`: Only attempts with this outcome.
        `type`: Only attempts for events of this type.
        `account_id`: Only attempts for events of this account.
        `from_`: Only attempts that started at or after this time.
        `until`: Only attempts that started before this time.
        `cursor`: `next` of the previous page.
        `limit`: Maximum number of attempts.
        """
        return await self._call(
            "GET",
            "/v1/backend/deliveries",
            repeatable=True,
            query={
                "outcome": outcome,
                "type": type,
                "account_id": account_id,
                "from": from_,
                "until": until,
                "cursor": cursor,
                "limit": limit,
            },
        )

    async def estimate_flycoins(self, body: EstimateRequest) -> Estimate:
        """Estimate the price of a charge, and whether the balance covers it. No coins are moved."""
        return await self._call("POST", "/v1/backend/flycoins/estimate", repeatable=True, body=body)

    async def charge_flycoins(self, body: ChargeRequest, *, idempotency_key: str) -> Charge:
        """Charge an account immediately.

        Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key:
        it is executed once, and every repetition returns the first response.
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

    async def get_backend_subscription(self, *, account_id: int) -> Subscription:
        """Get the subscription of an account, to decide by its `access`.

        `account_id`: Account id in amoCRM.
        """
        return await self._call("GET", "/v1/backend/subscription", repeatable=True, query={"account_id": account_id})

    async def list_backend_seats(self, *, account_id: int) -> OccupiedSeatPage:
        """List the users of an account who occupy seats, first comers first. The list has one page.

        `account_id`: Account id in amoCRM.
        """
        return await self._call(
            "GET",
            "/v1/backend/subscription/seats",
            repeatable=True,
            query={"account_id": account_id},
        )
