//! Ending the review of an attempt after an operator checked it in the bank's portal.

use flysk_domain::Clock;
use flysk_domain::id::InvoicePaymentId;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::Discrepancy;
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::invoice_payments::{self as store, Attempt};

use crate::subscriptions::{lock_both, record_ended_attempt};

/// Error code of an attempt that failed because its review ended.
pub(super) const REVIEW_CLOSED: &str = "closed";

/// Why a review is not ended.
#[derive(Debug, thiserror::Error)]
pub enum ResolveReviewError {
    /// The attempt has no discrepancy.
    #[error("{0} has no discrepancy to resolve")]
    NoDiscrepancy(InvoicePaymentId),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A review that was ended.
#[derive(Debug)]
pub struct ResolvedReview {
    /// The attempt as it was.
    pub before: Attempt,
    /// The discrepancy that was resolved.
    pub discrepancy: Discrepancy,
    /// The state now.
    pub state: AttemptState,
}

/// Resolves a discrepancy that the bank's answers cannot: an attempt in review fails, so that another one may begin; a paid or
/// failed one keeps its state. A charge that ends like this has failed by a fault of ours, and the schedule goes on. Nothing is
/// sent to the bank, and money that it confirms later still counts. Locks the subscription, the invoice and the attempt; the
/// caller commits.
///
/// # Errors
///
/// There is no such attempt, or it has no discrepancy.
pub async fn resolve_review(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoicePaymentId,
) -> Result<ResolvedReview, ResolveReviewError> {
    let found = store::find_attempt(unit, id).await?;
    let found = found.ok_or(StoreError::WrongState { what: "invoice payment" })?;
    let locked = lock_both(unit, found.subscription_id, found.invoice_id).await?;
    let before = store::lock_attempt(unit, id).await?;
    let discrepancy = before.discrepancy.ok_or(ResolveReviewError::NoDiscrepancy(id))?;
    let state = before.state.after_review();
    let code = if state == before.state { before.error_code.as_deref() } else { Some(REVIEW_CLOSED) };
    store::resolve_review(unit, id, state, code, clock.now()).await?;
    if state != before.state {
        record_ended_attempt(unit, clock, &locked, &before, REVIEW_CLOSED).await?;
    }
    Ok(ResolvedReview { before, discrepancy, state })
}
