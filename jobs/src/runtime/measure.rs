//! What is counted: per kind and queue, never per worker name (those are unique per start).

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::jobs::Lease;
use metrics::{counter, histogram};

use super::verdict::{JobError, JobResult, Verdict};

/// A run begins; also how late it is.
pub(super) fn started(lease: &Lease, now: DateTime<Utc>) {
    counter!("flysk_jobs_started_total", "kind" => lease.kind.clone()).increment(1);
    let late = (now - lease.run_at).to_std().unwrap_or_default();
    histogram!("flysk_job_start_delay_seconds", "kind" => lease.kind.clone()).record(late);
}

/// A run ended.
pub(super) fn ended(lease: &Lease, result: &JobResult, took: Duration) {
    let verdict = match result {
        Ok(Verdict::Done) => "done",
        Ok(Verdict::Skip(_)) => "skip",
        Ok(Verdict::Snooze { .. }) => "snooze",
        Err(JobError::Retry { .. }) if lease.attempt < lease.max_attempts => "retry",
        Err(JobError::Retry { .. } | JobError::GiveUp { .. }) => "dead",
        Err(JobError::Wait { .. } | JobError::Contended { .. }) => "wait",
        Err(JobError::LeaseLost) => "lease_lost",
    };
    counter!("flysk_jobs_ended_total", "kind" => lease.kind.clone(), "verdict" => verdict).increment(1);
    histogram!("flysk_job_duration_seconds", "kind" => lease.kind.clone()).record(took);
    tracing::info!(took_ms = took.as_millis(), verdict, "job ended");
}

/// A handler's transaction was rolled back by a race, and it is run again.
pub(super) fn contended(lease: &Lease) {
    counter!("flysk_jobs_contended_total", "kind" => lease.kind.clone()).increment(1);
}

/// A job was taken back from a dead worker.
pub(super) fn rescued(lease: &Lease) {
    counter!("flysk_jobs_rescued_total", "kind" => lease.kind.clone()).increment(1);
}
