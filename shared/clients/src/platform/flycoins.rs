//! Paying with Flycoins.
//!
//! Every call that moves coins carries an idempotency key: a call whose answer was lost is made again under
//! the same key with the same body, is carried out once, and gets the first answer. So an unknown outcome is
//! not something a caller has to find out about; it repeats the call.

use flysk_domain::id::{AccountId, HoldId};
use flysk_domain::trace::Trace;
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde_json::json;

use super::{
    Balance, CaptureRequest, Captured, ChargeRequest, Charged, Estimate, EstimateRequest, Held, HoldRequest,
    HoldStatus, IdempotencyKey, Platform, PlatformError, RefundRequest, Refunded, Released,
};

impl Platform {
    /// What work would cost, by which prices, and whether the account's coins are enough. Moves nothing.
    pub async fn estimate(
        &self,
        wanted: &EstimateRequest,
        trace: Option<&Trace>,
    ) -> Result<Estimate, PlatformError> {
        let request = self.request(Method::POST, "/v1/backend/flycoins/estimate", trace);
        self.send(request.json(wanted)).await
    }

    /// An account's coins.
    pub async fn balance(&self, account: AccountId, trace: Option<&Trace>) -> Result<Balance, PlatformError> {
        let path = format!("/v1/backend/flycoins/balance?account_id={account}");
        self.send(self.request(Method::GET, &path, trace)).await
    }

    /// Takes coins at once, for work whose price is known.
    pub async fn charge(
        &self,
        wanted: &ChargeRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Charged, PlatformError> {
        self.send(self.write("/v1/backend/flycoins/charges", wanted, key, trace)).await
    }

    /// Sets coins aside, for work whose price is not known yet. End it with [`Platform::capture`] or
    /// [`Platform::release`]; left alone it frees itself.
    pub async fn hold(
        &self,
        wanted: &HoldRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Held, PlatformError> {
        self.send(self.write("/v1/backend/flycoins/holds", wanted, key, trace)).await
    }

    /// Where a hold stands: how it ended, if a capture is refused with
    /// [`FlycoinRefusal::HoldEnded`](super::FlycoinRefusal::HoldEnded).
    pub async fn hold_status(
        &self,
        hold: HoldId,
        trace: Option<&Trace>,
    ) -> Result<HoldStatus, PlatformError> {
        self.send(self.request(Method::GET, &format!("/v1/backend/flycoins/holds/{hold}"), trace)).await
    }

    /// Takes of a hold what the work cost. What is left over goes back; what is needed beyond the hold is
    /// taken from the available coins, or the whole is refused.
    pub async fn capture(
        &self,
        hold: HoldId,
        wanted: &CaptureRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Captured, PlatformError> {
        let path = format!("/v1/backend/flycoins/holds/{hold}/capture");
        self.send(self.write(&path, wanted, key, trace)).await
    }

    /// Gives a hold back.
    pub async fn release(
        &self,
        hold: HoldId,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Released, PlatformError> {
        let path = format!("/v1/backend/flycoins/holds/{hold}/release");
        self.send(self.write(&path, &json!({}), key, trace)).await
    }

    /// Gives back coins that were charged or captured, all that is left of them or a part.
    pub async fn refund(
        &self,
        wanted: &RefundRequest,
        key: &IdempotencyKey,
        trace: Option<&Trace>,
    ) -> Result<Refunded, PlatformError> {
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
