//! Payment with Flycoins.
//!
//! Every request that moves coins has an idempotency key. If the response is lost, the caller repeats the request with
//! the same key and body: it is executed once and returns the first response. So callers never have to find out an
//! unknown outcome.

use flysk_domain::id::{AccountId, HoldId};
use flysk_domain::trace::Trace;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde_json::json;

use super::{
    Balance, CaptureRequest, Captured, ChargeRequest, Charged, Estimate, EstimateRequest, FlyskApi,
    FlyskApiError, HoldRequest, HoldStatus, IdempotencyKey, PlacedHold, RefundRequest, Refunded, Released,
};

impl FlyskApi {
    /// Returns the price of work and whether the account's balance covers it. Moves no coins.
    pub async fn estimate(
        &self,
        wanted: &EstimateRequest,
        trace: Option<&Trace>,
    ) -> Result<Estimate, FlyskApiError> {
        let request = self.request(Method::POST, "/v1/backend/flycoins/estimate", trace);
        self.send(request.json(wanted)).await
    }

    /// Returns an account's balance and held coins.
    pub async fn balance(&self, account: AccountId, trace: Option<&Trace>) -> Result<Balance, FlyskApiError> {
        let path = format!("/v1/backend/flycoins/balance?account_id={account}");
        self.send(self.request(Method::GET, &path, trace)).await
    }

    /// Charges coins at once, for work whose price is known.
    pub async fn charge(
        &self,
        wanted: &ChargeRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Charged, FlyskApiError> {
        self.send(self.write("/v1/backend/flycoins/charges", wanted, key, trace)).await
    }

    /// Places a hold, for work whose price is not known yet. End it with [`FlyskApi::capture`] or [`FlyskApi::release`];
    /// otherwise it expires.
    pub async fn hold(
        &self,
        wanted: &HoldRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<PlacedHold, FlyskApiError> {
        self.send(self.write("/v1/backend/flycoins/holds", wanted, key, trace)).await
    }

    /// Returns the state of a hold: use it to find out how the hold ended if a capture is refused with
    /// [`FlycoinRefusal::HoldEnded`](super::FlycoinRefusal::HoldEnded).
    pub async fn hold_status(
        &self,
        hold: HoldId,
        trace: Option<&Trace>,
    ) -> Result<HoldStatus, FlyskApiError> {
        self.send(self.request(Method::GET, &format!("/v1/backend/flycoins/holds/{hold}"), trace)).await
    }

    /// Captures the actual price of the work from a hold. The rest returns to the balance. A price above the hold is taken
    /// from the balance too, or the whole capture is refused.
    pub async fn capture(
        &self,
        hold: HoldId,
        wanted: &CaptureRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Captured, FlyskApiError> {
        let path = format!("/v1/backend/flycoins/holds/{hold}/capture");
        self.send(self.write(&path, wanted, key, trace)).await
    }

    /// Releases a hold: its coins return to the balance.
    pub async fn release(
        &self,
        hold: HoldId,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Released, FlyskApiError> {
        let path = format!("/v1/backend/flycoins/holds/{hold}/release");
        self.send(self.write(&path, &json!({}), key, trace)).await
    }

    /// Refunds charged or captured coins: a part, or everything that is not refunded yet.
    pub async fn refund(
        &self,
        wanted: &RefundRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Refunded, FlyskApiError> {
        self.send(self.write("/v1/backend/flycoins/refunds", wanted, key, trace)).await
    }

    fn write(
        &self,
        path: &str,
        body: &impl Serialize,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> RequestBuilder {
        self.request(Method::POST, path, trace).header("idempotency-key", key.as_str()).json(body)
    }
}
