//! Rows that are committed after a look at the database, with a time before it.

use chrono::{DateTime, Utc};
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::Method;
use serde_json::json;

use super::{START, entries, post};

/// A card that pays, on the form and later.
const PAYING_CARD: &str = "2200000000000004";
/// Before the last look, which is ten seconds after [`START`].
const BEFORE: &str = "2027-01-31T09:00:05Z";

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_has_rows_that_were_committed_late_once() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let name = format!("sandbox_test_{:016x}", rand::random::<u64>());
    let sandbox = SandboxProcess::start(&options, &["--starts-at", START, "--database", &name])?;
    sandbox.subscribe(ACCOUNT, ADMIN, PAYING_CARD).await?;
    let moved = post(&sandbox, "/clock/advance", json!({ "to": "2027-01-31T09:00:10Z" })).await?;
    let path = format!("/timeline?after={}", moved["next"]);
    let mut url: url::Url = options.database_url.parse()?;
    url.set_path(&name);
    let pool = flysk_store::connect(url.as_str(), 1).await?;
    let before: DateTime<Utc> = BEFORE.parse()?;
    sqlx::query("UPDATE subscription_invoices SET refunded_kopecks = 1, updated_at = ?")
        .bind(before)
        .execute(&pool)
        .await?;
    sqlx::query(
        "UPDATE jobs SET state = 'dead', last_error = 'late', finished_at = ?
         WHERE kind = 'lifecycle.deliver_event' AND state = 'done' LIMIT 1",
    )
    .bind(before)
    .execute(&pool)
    .await?;
    for look in ["first", "second"] {
        let told = sandbox.control(Method::GET, &path, None).await?;
        let invoices = entries(&told, "invoice", &["refunded_kopecks", "at"]);
        assert_eq!(invoices, [[&json!(1), &json!(BEFORE)]], "{look} look: {told}");
        let jobs = entries(&told, "failed_job", &["reason", "at"]);
        assert_eq!(jobs, [[&json!("late"), &json!(BEFORE)]], "{look} look: {told}");
    }
    pool.close().await;
    sandbox.stop()
}
