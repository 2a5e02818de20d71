//! Our executables reject the published secrets of `.env.example`.

use std::path::Path;
use std::process::{Command, Output};

use flysk_suite::environment::Options;

const EXAMPLE: &str = include_str!("../../../../.env.example");

/// Runs an executable with all variables of the example, and a public address.
fn run(binaries: &Path, args: &[&str], public_url: &str) -> Output {
    let lines = EXAMPLE.lines().filter(|line| !line.starts_with('#'));
    Command::new(binaries.join(args[0]))
        .args(&args[1..])
        .env_clear()
        .envs(lines.filter_map(|line| line.split_once('=')))
        // An executable that accepts the configuration fails on this database address.
        .env("DATABASE_URL", "mysql://root@127.0.0.1:1/flysk")
        .env("FLYSK_DATABASE_ACQUIRE_TIMEOUT_MS", "100")
        .env("FLYSK_PUBLIC_URL", public_url)
        .output()
        .unwrap()
}

#[test]
fn no_process_with_a_public_address_starts_with_the_examples_key_ring() {
    let binaries = Options::with_fixtures(0.0).unwrap().binaries;
    for args in [
        &["flysk-api", "serve"][..],
        &["flysk-worker", "run"],
        &["flysk-worker", "scheduler"],
        &["flysk-worker", "keys:rotate"],
        &["flysk-worker", "widget:list"],
        &["flysk-worker", "token:refresh-all"],
        &["flysk-worker", "migrate"],
    ] {
        let refused = run(&binaries, args, "https://flysk.example");
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{args:?}: {told}");
        assert!(
            told.contains("FLYSK_KEYRING") && told.contains("openssl rand -base64 32"),
            "{args:?}: {told}"
        );
        assert!(!told.contains("MDEyMzQ1"), "{args:?}: {told}");
    }
    let allowed = run(&binaries, &["flysk-worker", "widget:list"], "http://localhost:8080");
    let told = String::from_utf8_lossy(&allowed.stderr);
    assert!(
        !allowed.status.success() && !told.contains("FLYSK_KEYRING"),
        "only the database is missing: {told}"
    );
}
