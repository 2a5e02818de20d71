//! Sealing the audit log into a hash chain, and verifying the chain.

use flysk_domain::admin::{CHAIN_START, chain_hash};
use flysk_queue::Outbox;
use flysk_store::admin::audit::{self, AuditRow};
use flysk_store::{Conn, Contention as _, StoreError, StoreResult, repeat_while};

/// Rows sealed per transaction, and read at once by the verification.
const BATCH_SIZE: u32 = 500;

/// Result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Rows whose hash is right.
    pub verified: u64,
    /// The first row that breaks the chain, and why.
    pub broken: Option<String>,
}

/// Seals all rows that are not sealed yet, in batches; returns how many. Two processes at once seal each row once: the number
/// in the chain is unique.
///
/// # Errors
///
/// The database fails.
pub async fn seal_audit_log(outbox: &Outbox) -> StoreResult<u64> {
    let mut sealed = 0;
    loop {
        let seal = || async {
            let mut tx = outbox.pool().begin().await?;
            let count = seal_batch(&mut tx).await?;
            tx.commit().await?;
            StoreResult::Ok(count)
        };
        // Another process seals at the same time: it took the number, or the row.
        let was_overtaken = |error: &StoreError| {
            error.is_contended()
                || matches!(error, StoreError::Duplicate { .. } | StoreError::WrongState { .. })
        };
        let count = repeat_while(was_overtaken, seal).await?;
        sealed += count;
        if count < u64::from(BATCH_SIZE) {
            return Ok(sealed);
        }
    }
}

async fn seal_batch(conn: &mut Conn) -> StoreResult<u64> {
    let (mut number, mut hash) = match audit::lock_last_sealed(conn).await? {
        Some(last) => (last.number, last.hash),
        None => (0, CHAIN_START.to_owned()),
    };
    let rows = audit::list_unsealed(conn, BATCH_SIZE).await?;
    let mut count = 0;
    for row in &rows {
        number += 1;
        hash = hash_of(row, &hash, number);
        audit::seal(conn, row.id, number, &hash).await?;
        count += 1;
    }
    Ok(count)
}

/// Recomputes the whole chain and stops at the first break.
///
/// # Errors
///
/// The database fails.
pub async fn verify_audit_log(conn: &mut Conn) -> StoreResult<ChainReport> {
    let mut report = ChainReport::default();
    let mut hash = CHAIN_START.to_owned();
    loop {
        let rows = audit::list_sealed(conn, report.verified, BATCH_SIZE).await?;
        if rows.is_empty() {
            return Ok(report);
        }
        for (row, sealed) in &rows {
            let number = report.verified + 1;
            if sealed.number != number {
                report.broken = Some(format!("row {number} is missing before {}", row.id));
                return Ok(report);
            }
            hash = hash_of(row, &hash, number);
            if sealed.hash != hash {
                report.broken = Some(format!("{} was changed, or a row before it", row.id));
                return Ok(report);
            }
            report.verified = number;
        }
    }
}

fn hash_of(row: &AuditRow, previous: &str, number: u64) -> String {
    let (id, happened_at) = (row.id.to_string(), row.happened_at.timestamp_micros().to_string());
    let fields = [
        Some(id.as_str()),
        row.operator_id.as_deref(),
        Some(&row.operator_login),
        Some(&row.action),
        Some(&row.subject_kind),
        Some(&row.subject_id),
        Some(&row.reason),
        row.state_before.as_deref(),
        row.state_after.as_deref(),
        Some(&row.address),
        Some(&row.correlation_id),
        Some(&happened_at),
    ];
    chain_hash(previous, number, &fields)
}
