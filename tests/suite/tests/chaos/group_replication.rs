//! Commits on a member of a replication group: `FLYSK_DATABASE=group-replication cargo xtask test -p flysk-suite --test chaos --
//! --ignored group_replication` unpacks MySQL.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::ensure;
use flysk_store::{StoreError, StoreResult, repeat_contended};
use flysk_suite::chaos::database::{NodeDeparture, TestCluster};
use flysk_suite::chaos::fleet::lock_machine;

/// A primary that loses the majority while a commit waits for the others rolls it back and reports 3100. The others may commit it
/// when they are back, so it must not be repeated.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs MySQL as a replication group"]
async fn a_commit_that_waits_for_a_lost_majority_is_not_repeated() -> anyhow::Result<()> {
    let _machine = lock_machine().await;
    let cluster = TestCluster::start()?;
    ensure!(cluster.has_one_primary(), "FLYSK_DATABASE is not group-replication");
    let primary = flysk_store::connect(&cluster.node_url(0)?, 4).await?;
    sqlx::query("CREATE TABLE refused (id INT PRIMARY KEY)").execute(&primary).await?;
    for number in 1..TestCluster::SIZE {
        cluster.depart(number, NodeDeparture::Frozen)?;
    }
    let tries = AtomicU32::new(0);
    let refused: StoreResult<()> = repeat_contended(|| async {
        tries.fetch_add(1, Ordering::Relaxed);
        sqlx::query("INSERT INTO refused (id) VALUES (1)").execute(&primary).await?;
        Ok(())
    })
    .await;
    ensure!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    ensure!(tries.into_inner() == 1, "it was repeated");
    Ok(())
}
