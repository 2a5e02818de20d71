//! Sealing the audit log into a hash chain, and verifying the chain.

use flysk_domain::admin::{CHAIN_START, chain_hash};
use flysk_queue::Outbox;
use flysk_store::admin::audit::{self, AuditRow, Sealed};
use flysk_store::{Conn, Contention as _, StoreError, StoreResult, repeat_while};

/// Rows sealed per transaction, and read at once by the verification.
const BATCH_SIZE: u32 = 500;

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Rows whose hash is right.
    pub verified: u64,
    /// Hash of the last of them. A note of it elsewhere proves later that these rows were not changed or removed since.
    pub hash: String,
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
            let mut tx = flysk_store::begin(outbox.pool()).await?;
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
    let head = audit::lock_chain_head(conn).await?;
    let mut tip = tip_of(head.as_ref(), audit::lock_last_sealed(conn).await?);
    let rows = audit::list_unsealed(conn, BATCH_SIZE).await?;
    let mut count = 0;
    for row in &rows {
        let number = tip.number + 1;
        let hash = hash_of(row, &tip.hash, number);
        audit::seal(conn, row.id, number, &hash).await?;
        tip = Sealed { number, hash };
        count += 1;
    }
    if tip.number > 0 && head.as_ref() != Some(&tip) {
        audit::write_chain_head(conn, &tip).await?;
    }
    Ok(count)
}

/// The row that the chain goes on from. It is the head even if its row was removed: the gap then stays visible. A process of a
/// release without a head may have sealed rows after it.
fn tip_of(head: Option<&Sealed>, last: Option<Sealed>) -> Sealed {
    let last = last.unwrap_or_else(|| Sealed { number: 0, hash: CHAIN_START.to_owned() });
    head.filter(|head| head.number >= last.number).cloned().unwrap_or(last)
}

/// Recomputes the whole chain and stops at the first break.
///
/// # Errors
///
/// The database fails.
pub async fn verify_audit_log(conn: &mut Conn) -> StoreResult<ChainReport> {
    // Read first: rows that are sealed meanwhile come after it.
    let head = audit::find_chain_head(conn).await?;
    let mut report = ChainReport { verified: 0, hash: CHAIN_START.to_owned(), broken: None };
    loop {
        let rows = audit::list_sealed(conn, report.verified, BATCH_SIZE).await?;
        if rows.is_empty() {
            report.broken = missing_at_the_end(head.as_ref(), report.verified);
            return Ok(report);
        }
        for (row, sealed) in &rows {
            let number = report.verified + 1;
            if sealed.number != number {
                report.broken = Some(format!("row {number} is missing before {}", row.id));
                return Ok(report);
            }
            let hash = hash_of(row, &report.hash, number);
            if sealed.hash != hash {
                report.broken = Some(format!("{} was changed, or a row before it", row.id));
                return Ok(report);
            }
            if head.as_ref().is_some_and(|head| head.number == number && head.hash != hash) {
                report.broken = Some(format!("{} or rows before it were replaced: the head differs", row.id));
                return Ok(report);
            }
            report.verified = number;
            report.hash = hash;
        }
    }
}

/// Which rows are missing after the last one that is there, if any.
fn missing_at_the_end(head: Option<&Sealed>, last: u64) -> Option<String> {
    let head = head.filter(|head| head.number > last)?;
    Some(format!("rows {} to {} are missing at the end of the chain", last + 1, head.number))
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
