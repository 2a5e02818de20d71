//! Performs `billing.verify_subscriptions`. Harmless when run twice: it only reads.

use chrono::{DateTime, Utc};
use flysk_jobs::platform::billing::VerifySubscriptions;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::invoice_payments::{self, PAYMENT_RULES};
use flysk_store::platform::subscriptions::{self, SCHEDULE_RULES, SUBSCRIPTION_RULES};
use flysk_store::platform::transfers::{self, TRANSFER_RULES};
use flysk_store::{Conn, StoreResult};

use crate::App;

/// Maximum number of violations to report for each rule.
const MAX_REPORTED_VIOLATIONS: u32 = 100;

impl JobHandler<App> for VerifySubscriptions {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let (now, most) = (run.now(), MAX_REPORTED_VIOLATIONS);
        let mut found = subscriptions::verify_subscriptions(&mut conn, now, most).await?;
        found.extend(subscriptions::verify_schedule(&mut conn, now, most).await?);
        found.extend(invoice_payments::verify_payments(&mut conn, now, most).await?);
        for rule in SUBSCRIPTION_RULES.into_iter().chain(SCHEDULE_RULES).chain(PAYMENT_RULES) {
            let count = found.iter().filter(|violation| violation.rule == rule).count();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            metrics::gauge!("flysk_subscription_violations", "rule" => rule).set(f64::from(count));
        }
        for violation in &found {
            tracing::error!(
                alert = "subscriptions",
                rule = violation.rule,
                subscription.id = violation.subscription_id,
                "subscription violates an invariant"
            );
        }
        verify_transfers(&mut conn, now).await?;
        // The alert was raised; a retry would only raise it again.
        Ok(JobOutcome::Done)
    }
}

/// Checks where the money of transfers is.
async fn verify_transfers(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    let found = transfers::verify_transfers(conn, now, MAX_REPORTED_VIOLATIONS).await?;
    for rule in TRANSFER_RULES {
        let count = found.iter().filter(|violation| violation.rule == rule).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("flysk_transfer_violations", "rule" => rule).set(f64::from(count));
    }
    for violation in &found {
        tracing::error!(
            alert = "transfers",
            rule = violation.rule,
            id = violation.id,
            "money of a transfer violates an invariant"
        );
    }
    Ok(())
}
