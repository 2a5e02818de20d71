//! The hash chain of the audit log.

use flysk_jobs::platform::upkeep::{SealAuditLog, VerifyAuditLog};
use flysk_services::audit_chain::{ChainReport, verify_audit_log};
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use super::harness::Panel;

async fn report(panel: &Panel) -> ChainReport {
    verify_audit_log(&mut *panel.app.conn().await).await.unwrap()
}

async fn change(panel: &Panel, statement: &'static str) {
    sqlx::query(statement).execute(&panel.app.pool).await.unwrap();
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_changed_or_removed_row_breaks_the_chain_and_a_job_says_so(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for login in ["anna", "boris"] {
        panel.sign_in(login, "support").await;
    }
    panel.app.enqueue(&SealAuditLog {}).await;
    panel.app.run_due_jobs().await;
    let rows = panel.audit().await;
    assert!(rows.len() >= 4 && rows.iter().all(|row| row.chain_number.is_some()), "{rows:?}");
    let whole = ChainReport { verified: u64::try_from(rows.len()).unwrap(), broken: None };
    assert_eq!(report(&panel).await, whole);
    // Later rows continue the chain, and sealing twice changes nothing.
    panel.sign_in("vera", "support").await;
    panel.app.enqueue(&SealAuditLog {}).await;
    panel.app.run_due_jobs().await;
    panel.app.enqueue(&SealAuditLog {}).await;
    panel.app.run_due_jobs().await;
    assert!(report(&panel).await.verified > whole.verified);

    change(&panel, "UPDATE audit_log SET reason = 'changed' WHERE chain_number = 2").await;
    let broken = report(&panel).await;
    assert!(broken.verified == 1 && broken.broken.unwrap().contains("was changed"));
    change(&panel, "UPDATE audit_log SET reason = '' WHERE chain_number = 2").await;
    assert_eq!(report(&panel).await.broken, None);
    change(&panel, "DELETE FROM audit_log WHERE chain_number = 3").await;
    assert!(report(&panel).await.broken.unwrap().contains("row 3 is missing"));
    panel.app.enqueue(&VerifyAuditLog {}).await;
    panel.app.run_due_jobs().await;
    let dead = panel.app.jobs_of::<VerifyAuditLog>(JobState::Dead).await.remove(0);
    assert!(dead.last_error.unwrap().contains("row 3 is missing"));
}
