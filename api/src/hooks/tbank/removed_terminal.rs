//! Notifications from a terminal that its vendor has removed: nobody has the password to verify them.
//!
//! Nothing that they say is believed. One that claims success for an attempt at that terminal puts the attempt into review, and
//! a person looks into the merchant portal. Only who knows the attempt's id can claim that, and no money moves.

use flysk_domain::id::InvoicePaymentId;
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::report_removed_terminal;
use flysk_store::platform::vendors;
use flysk_store::repeat_contended;
use serde::Deserialize;

use crate::deps::Deps;
use crate::problem::Problem;

/// Unverified contents of a notification.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Claim {
    terminal_key: String,
    order_id: String,
    status: String,
}

impl Claim {
    /// The attempt that was paid, if this is the claim.
    fn paid_attempt(&self) -> Option<InvoicePaymentId> {
        let status = PaymentStatus::from(self.status.clone());
        let is_paid = status.outcome() == PaymentOutcome::Paid && status != PaymentStatus::Refunded;
        self.order_id.parse().ok().filter(|_| is_paid)
    }
}

/// Puts the attempt into review that an unverifiable notification claims to be paid, unless somebody still has its terminal.
/// `own` is the terminal of the environment.
pub(super) async fn report(deps: &Deps, trace: &Trace, own: &str, body: &[u8]) -> Result<(), Problem> {
    let Ok(claim) = serde_json::from_slice::<Claim>(body) else { return Ok(()) };
    let Some(attempt) = claim.paid_attempt().filter(|_| claim.terminal_key != own) else { return Ok(()) };
    let owner = vendors::find_vendor_of_terminal(&mut *deps.conn().await?, &claim.terminal_key).await?;
    if owner.is_some() {
        return Ok(());
    }
    let report = || async {
        let mut unit = deps.begin(trace).await?;
        report_removed_terminal(&mut unit, deps.clock(), attempt, &claim.terminal_key).await?;
        unit.commit().await?;
        Ok::<_, Problem>(())
    };
    repeat_contended(report).await
}
