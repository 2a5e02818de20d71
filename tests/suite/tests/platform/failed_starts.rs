//! Executables that cannot start: they say why, each cause once, without a backtrace and without colours in a file.

use std::process::{Command, Stdio};

use flysk_suite::environment::Options;

/// Runs an executable of this build, which must fail with status 1; returns its log and its error.
fn failure(options: &Options, command: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let output = Command::new(options.binaries.join(command[0]))
        .args(&command[1..])
        .env_clear()
        .envs([("RUST_BACKTRACE", "1"), ("RUST_LOG", "debug")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {told}");
    assert!(!told.contains('\u{1b}') && !told.to_lowercase().contains("backtrace"), "{command:?}: {told}");
    let (log, error) = told.rsplit_once("Error: ").unwrap_or_else(|| panic!("{command:?}: {told}"));
    (log.to_owned(), error.trim_end().to_owned())
}

#[test]
fn a_process_without_configuration_names_the_variables() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    for command in [
        &["flysk-api", "serve"][..],
        &["flysk-worker", "run"],
        &["flysk-worker", "widget:list"],
        &["flysk-admin", "serve"],
    ] {
        let (_, error) =
            failure(&options, command, &[("DATABASE_URL", "postgres://root:hunter2@127.0.0.1/flysk")]);
        assert!(error.starts_with("invalid configuration"), "{command:?}: {error}");
        let scheme = "DATABASE_URL: want an address that begins with mysql:// or mariadb://";
        assert!(error.contains(scheme) && error.contains("REDIS_URL"), "{command:?}: {error}");
        assert!(!error.contains("hunter2"), "{command:?}: {error}");
    }
    let (_, error) = failure(&options, &["flysk-simulators", "--recordings-folder", "/nowhere"], &[]);
    assert_eq!(error, "/nowhere is not a directory");
    Ok(())
}

#[test]
fn a_sandbox_names_the_server_that_it_cannot_use() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let start = |database: &str, redis: &str| {
        failure(&options, &["flysk-sandbox"], &[("DATABASE_URL", database), ("REDIS_URL", redis)])
    };
    let (_, error) = start("postgres://root@127.0.0.1:5432", &options.redis_url);
    let wanted = "--database-url or DATABASE_URL: want an address that begins with mysql:// or mariadb://";
    assert_eq!(error, wanted);
    let (_, error) = start("mysql://root@127.0.0.1:1", &options.redis_url);
    assert_eq!(error.matches("127.0.0.1:1 refuses connections").count(), 1, "{error}");
    let (log, error) = start(&options.database_url, "redis://:hunter2@127.0.0.1:1/0");
    assert!(error.starts_with("Redis (127.0.0.1:1): ") && !error.contains("hunter2"), "{error}");
    assert_eq!(error.matches("refused").count(), 1, "{error}");
    assert!(log.contains("failed to connect to Redis"), "the log that must have no colours: {log}");
    Ok(())
}
