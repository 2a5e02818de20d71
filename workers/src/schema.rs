//! Migration of the schema by one process at a time, on whichever nodes of a cluster they are.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use flysk_queue::worker::owner_name;
use flysk_store::migration_lock::{self, MigrationLock};
use flysk_store::{Pool, StoreError, StoreResult, repeat_contended};

use crate::process::hostname;

/// Interval at which the holder of the lock shows that it lives.
const BEAT_INTERVAL: Duration = Duration::from_secs(5);
/// A holder that shows no life for this time has died. Longer than a stall of a cluster that loses a node.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);
/// Interval at which a waiting process looks at the lock.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Applies the pending migrations of this release. Of several processes, one does it and the others wait.
///
/// The unique version of each migration is the last resort: if a living holder is taken for dead, one of the two fails and
/// no migration is applied twice.
///
/// # Errors
///
/// A migration failed, its file differs from the applied one, or the database is unavailable.
pub async fn migrate(pool: &Pool) -> anyhow::Result<()> {
    flysk_migrations::create_history(pool).await?;
    let owner = owner_name(&hostname());
    take_lock(pool, &owner).await?;
    let migrated = tokio::select! {
        migrated = flysk_migrations::migrate(pool) => migrated,
        never = beat_for_ever(pool, &owner) => match never {},
    };
    let released =
        repeat_contended(|| async { migration_lock::release(&mut *conn(pool).await?, &owner).await });
    if let Err(error) = released.await {
        tracing::warn!(error = %error, "the lock of migrations was not released: the next process waits for it");
    }
    Ok(migrated?)
}

async fn take_lock(pool: &Pool, owner: &str) -> StoreResult<()> {
    let mut seen: Option<(MigrationLock, Instant)> = None;
    loop {
        let taken =
            repeat_contended(|| async { migration_lock::acquire(&mut *conn(pool).await?, owner).await });
        if taken.await? {
            return Ok(());
        }
        let held = migration_lock::find(&mut *conn(pool).await?).await?;
        match (held, &seen) {
            (None, _) => {}
            (Some(held), Some((same, since))) if held == *same => {
                if since.elapsed() >= ABANDONED_AFTER && take_over(pool, &held, owner).await? {
                    tracing::warn!(former = held.owner, "the process that migrated has died: going on");
                    return Ok(());
                }
            }
            (Some(held), _) => {
                tracing::info!(owner = held.owner, "another process migrates: waiting");
                seen = Some((held, Instant::now()));
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn take_over(pool: &Pool, held: &MigrationLock, owner: &str) -> StoreResult<bool> {
    repeat_contended(|| async { migration_lock::take_over(&mut *conn(pool).await?, held, owner).await }).await
}

async fn beat_for_ever(pool: &Pool, owner: &str) -> Infallible {
    loop {
        tokio::time::sleep(BEAT_INTERVAL).await;
        let beat = repeat_contended(|| async { migration_lock::beat(&mut *conn(pool).await?, owner).await });
        match beat.await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("another process took the lock of migrations over: one of the two will fail");
                return std::future::pending().await;
            }
            Err(error) => tracing::warn!(error = %error, "no sign of life for the lock of migrations"),
        }
    }
}

async fn conn(pool: &Pool) -> StoreResult<sqlx::pool::PoolConnection<sqlx::MySql>> {
    pool.acquire().await.map_err(StoreError::from)
}
