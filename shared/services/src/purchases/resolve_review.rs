//! Ending the review of a purchase after an operator checked it in the bank's portal.

use chrono::{DateTime, Utc};
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::{Discrepancy, PurchaseState};
use flysk_store::platform::purchases::{self, Purchase};
use flysk_store::{Conn, StoreError};

/// Error code of a purchase that failed because its review ended without coins.
const REVIEW_CLOSED: &str = "closed";

/// Why a review is not ended.
#[derive(Debug, thiserror::Error)]
pub enum ResolveReviewError {
    /// The purchase has no discrepancy.
    #[error("{0} has no discrepancy to resolve")]
    NoDiscrepancy(PurchaseId),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A review that was ended.
#[derive(Debug)]
pub struct ResolvedReview {
    /// State and discrepancy before the review ended.
    pub before: Purchase,
    /// Cause of the review.
    pub discrepancy: Discrepancy,
    /// The state now.
    pub state: PurchaseState,
}

/// Resolves a discrepancy that the bank's answers cannot: credited coins stay, and a purchase without coins fails. Nothing is
/// sent to the bank. Locks the purchase; the caller commits.
///
/// # Errors
///
/// There is no such purchase, or it has no discrepancy.
pub async fn resolve_review(
    conn: &mut Conn,
    id: PurchaseId,
    now: DateTime<Utc>,
) -> Result<ResolvedReview, ResolveReviewError> {
    let before = purchases::lock_purchase(conn, id).await?;
    let discrepancy = before.discrepancy.ok_or(ResolveReviewError::NoDiscrepancy(id))?;
    let state = before.state.after_review(before.coins_lot.is_some());
    let failed = before.state == PurchaseState::Review && state == PurchaseState::Failed;
    let code = if failed { Some(REVIEW_CLOSED) } else { before.error_code.as_deref() };
    purchases::resolve_review(conn, id, state, code, now).await?;
    Ok(ResolvedReview { before, discrepancy, state })
}
