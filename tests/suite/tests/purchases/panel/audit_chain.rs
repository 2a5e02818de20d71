//! The hash chain of the audit log.

use flysk_jobs::platform::upkeep::{SealAuditLog, VerifyAuditLog};
use flysk_services::audit_chain::{ChainReport, verify_audit_log};
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use super::harness::Panel;

async fn report(panel: &Panel) -> ChainReport {
    verify_audit_log(&mut *panel.app.conn().await).await.unwrap()
}

async fn seal(panel: &Panel) {
    panel.app.enqueue(&SealAuditLog {}).await;
    panel.app.run_due_jobs().await;
}

async fn change(panel: &Panel, statement: &'static str) {
    sqlx::query(statement).execute(&panel.app.pool).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_changed_or_removed_row_breaks_the_chain_and_a_job_says_so(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for login in ["anna", "boris"] {
        panel.sign_in(login, "support").await;
    }
    panel.app.enqueue(&SealAuditLog {}).await;
    panel.app.run_due_jobs().await;
    let rows = panel.audit().await;
    assert!(rows.len() >= 4 && rows.iter().all(|row| row.chain_number.is_some()), "{rows:?}");
    let whole = report(&panel).await;
    assert_eq!((whole.verified, &whole.broken), (u64::try_from(rows.len()).unwrap(), &None));
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn removing_the_newest_rows_breaks_the_chain_for_good(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for login in ["anna", "vera"] {
        panel.sign_in(login, "support").await;
    }
    // A chain that a release without a head sealed: the next sealing writes the head.
    seal(&panel).await;
    change(&panel, "DELETE FROM audit_chain_head").await;
    seal(&panel).await;
    let whole = report(&panel).await;
    assert!(whole.verified > 2 && whole.broken.is_none(), "{whole:?}");

    change(&panel, "DELETE FROM audit_log WHERE chain_number > 2").await;
    let told = format!("rows 3 to {} are missing at the end", whole.verified);
    let cut = report(&panel).await;
    assert!(cut.verified == 2 && cut.broken.as_ref().unwrap().contains(&told), "{cut:?}");
    // Sealing goes on behind the gap, which later rows do not close.
    panel.sign_in("boris", "support").await;
    seal(&panel).await;
    let gap = report(&panel).await;
    assert!(gap.broken.unwrap().contains("row 3 is missing"));

    // All of them.
    change(&panel, "DELETE FROM audit_log").await;
    assert!(report(&panel).await.broken.unwrap().contains("rows 1 to"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_chain_that_was_computed_anew_differs_from_its_head(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.sign_in("anna", "support").await;
    seal(&panel).await;
    let head = "SELECT chain_number, chain_hash FROM audit_chain_head";
    let head: (u64, String) = sqlx::query_as(head).fetch_one(&panel.app.pool).await.unwrap();
    let whole = report(&panel).await;
    assert_eq!(head, (whole.verified, whole.hash));
    // Somebody changes a row and seals everything anew, but keeps the head.
    change(&panel, "DELETE FROM audit_chain_head").await;
    change(&panel, "UPDATE audit_log SET chain_number = NULL, chain_hash = NULL, reason = 'changed'").await;
    seal(&panel).await;
    assert_eq!(report(&panel).await.broken, None, "only the head knows");
    let restored = sqlx::query("UPDATE audit_chain_head SET chain_hash = ?").bind(&head.1);
    restored.execute(&panel.app.pool).await.unwrap();
    assert!(report(&panel).await.broken.unwrap().contains("replaced"));
}
