//! An environment leaves nothing behind on shared servers.

use flysk_queue::connect_redis;
use flysk_suite::environment::{Environment, Options};

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_leaves_neither_a_database_nor_keys_behind() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.02)?;
    let (mysql, redis) = (options.database_url.clone(), options.redis_url.clone());
    let pool = flysk_store::connect(&mysql, 1).await?;
    let mut redis = connect_redis(&redis).await?;
    let mut left = async |name: &str| {
        let query = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?";
        let databases: i64 = sqlx::query_scalar(query).bind(name).fetch_one(&pool).await?;
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{name}:*")).query_async(&mut redis).await?;
        anyhow::Ok((databases, !keys.is_empty()))
    };
    // One environment is stopped, and one is dropped, as by a failed test.
    for stopped in [true, false] {
        let env = Environment::start(options.clone()).await?;
        env.install().await?;
        let name = env.name().to_owned();
        assert_eq!(left(&name).await?, (1, true), "{name}");
        if stopped {
            env.stop()?;
        } else {
            drop(env);
        }
        assert_eq!(left(&name).await?, (0, false), "{name}");
    }
    Ok(())
}

/// A kept environment is reused by the next one, which updates FlySense's registration.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_environment_is_continued() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.02)?;
    let kept = format!("kept_{:08x}", rand::random::<u32>());
    options.kept = Some(kept.clone());
    let installs = "SELECT COUNT(*) FROM installs";
    let first = Environment::start(options.clone()).await?;
    first.install().await?;
    let before: i64 = sqlx::query_scalar(installs).fetch_one(&first.pool).await?;
    first.stop()?;
    let second = Environment::start(options.clone()).await?;
    let after: i64 = sqlx::query_scalar(installs).fetch_one(&second.pool).await?;
    assert_eq!((before, after), (1, 1));
    second.install().await?;
    let note =
        second.simulators.call_arrives(Some(second.simulators.recording_url("sales-mono-8k.mp3")), 42)?;
    let call = second.client()?.wait_for_end(note, std::time::Duration::from_mins(5)).await?;
    assert_eq!(call.state, "done", "{}\n{}", call.raw, second.logs());
    sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {kept}"))).execute(&second.pool).await?;
    Ok(())
}
