//! Performs `upkeep.seal_audit_log` and `upkeep.verify_audit_log`. Harmless when run twice: a sealed row is not sealed again,
//! and the verification only reads.

use flysk_jobs::platform::upkeep::{SealAuditLog, VerifyAuditLog};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::audit_chain::{seal_audit_log, verify_audit_log};

use crate::App;

impl JobHandler<App> for SealAuditLog {
    async fn handle(&self, _run: &JobContext, app: &App) -> JobResult {
        let sealed = seal_audit_log(&app.outbox).await?;
        tracing::debug!(sealed, "audit log sealed");
        Ok(JobOutcome::Done)
    }
}

impl JobHandler<App> for VerifyAuditLog {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let report = verify_audit_log(&mut *run.pool().acquire().await?).await?;
        match report.broken {
            None => {
                // The hash outside the database: whoever rewrites the chain there cannot change it.
                tracing::info!(verified = report.verified, hash = report.hash, "audit log verified");
                Ok(JobOutcome::Done)
            }
            Some(reason) => {
                tracing::error!(
                    alert = "audit_log_broken",
                    reason,
                    "the hash chain of the audit log is broken"
                );
                Err(JobError::give_up(format!("the hash chain is broken: {reason}")))
            }
        }
    }
}
