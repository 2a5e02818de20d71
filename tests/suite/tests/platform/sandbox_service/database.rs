//! The database of a sandbox: its own, taken over if it is ready, and nobody else's.

use flysk_suite::environment::{Options, SandboxProcess};

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_database_is_taken_over_and_only_a_sandboxs_is_emptied() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let name = format!("sandbox_test_{:016x}", rand::random::<u64>());
    let pool = flysk_store::connect(&options.database_url, 1).await?;
    let exists = async || -> anyhow::Result<bool> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?")
                .bind(&name)
                .fetch_one(&pool)
                .await?;
        Ok(count > 0)
    };
    let kept = SandboxProcess::start(&options, &["--database", &name, "--keep"])?;
    let first = kept.text("/project_token").to_owned();
    assert!(kept.log().contains(&name), "people are told its name: {}", kept.log());
    let told = kept.stop_and_tell()?;
    assert!(!told.contains("Deleting"), "{told}");
    assert!(exists().await?, "it is kept");
    let second = SandboxProcess::start(&options, &["--database", &name])?;
    assert_ne!(second.text("/project_token"), first, "what was in it is gone");
    assert_eq!(second.text("/accounts/0/status"), "active");
    let told = second.stop_and_tell()?;
    assert!(told.contains(&format!("Deleting the database {name}\n")), "{told}");
    assert!(!exists().await?, "it is deleted");

    let refused = SandboxProcess::start(&options, &["--database", "flysk"]).map(drop).unwrap_err();
    assert!(format!("{refused:#}").contains("not a sandbox's database"), "{refused:#}");
    Ok(())
}
