//! Metrics of jobs, labelled by kind and queue, never by worker name (unique per process start).

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_store::jobs::Lease;
use metrics::{counter, histogram};

use crate::outcome::{JobError, JobOutcome, JobResult};

/// Counts a started run and records its delay after `run_at`.
pub(super) fn record_start(lease: &Lease, now: DateTime<Utc>) {
    counter!("flysk_jobs_started_total", "kind" => lease.kind.clone()).increment(1);
    let late = (now - lease.run_at).to_std().unwrap_or_default();
    histogram!("flysk_job_start_delay_seconds", "kind" => lease.kind.clone()).record(late);
}

/// Records an ended run: its outcome and duration.
pub(super) fn record_end(lease: &Lease, result: &JobResult, took: Duration) {
    let outcome = match result {
        Ok(JobOutcome::Done) => "done",
        Ok(JobOutcome::Skip(_)) => "skip",
        Ok(JobOutcome::Snooze { .. }) => "snooze",
        Err(JobError::Retry { .. }) if lease.attempt < lease.max_attempts => "retry",
        Err(JobError::Retry { .. } | JobError::GiveUp { .. }) => "dead",
        Err(JobError::Wait { .. } | JobError::Contended { .. }) => "wait",
        Err(JobError::LeaseLost) => "lease_lost",
    };
    counter!("flysk_jobs_ended_total", "kind" => lease.kind.clone(), "outcome" => outcome).increment(1);
    histogram!("flysk_job_duration_seconds", "kind" => lease.kind.clone()).record(took);
    tracing::info!(took_ms = took.as_millis(), outcome, "job ended");
}

/// Counts a transaction that lost a race and is repeated.
pub(super) fn record_contention(lease: &Lease) {
    counter!("flysk_jobs_contended_total", "kind" => lease.kind.clone()).increment(1);
}

/// Counts a rescued job.
pub(super) fn record_rescue(lease: &Lease) {
    counter!("flysk_jobs_rescued_total", "kind" => lease.kind.clone()).increment(1);
}
