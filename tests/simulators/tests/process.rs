//! The simulators' program starts all simulators, prints their addresses, shares one clock and stops on request.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn all_simulators_start_share_a_clock_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flysk-simulators"))
        .arg("--recordings-folder")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line =
        tokio::time::timeout(Duration::from_mins(2), lines.next_line()).await.unwrap().unwrap().unwrap();
    let urls: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
    for who in [
        "amocrm",
        "inbox",
        "max",
        "operations",
        "recordings",
        "s3",
        "smtp",
        "speechkit",
        "t_api",
        "telegram",
        "vendor",
        "yandexgpt",
    ] {
        assert!(urls.contains_key(who), "{who} is missing in {line}");
    }

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let clock = |who: &str| format!("{}/_sim/clock", urls[who].as_str().unwrap());
    let set = http.put(clock("amocrm")).json(&json!({"now": "2031-05-06T00:00:00Z"})).send().await.unwrap();
    assert_eq!(set.status(), 200);
    for who in urls.keys().filter(|who| *who != "smtp") {
        let time: Value = http.get(clock(who)).send().await.unwrap().json().await.unwrap();
        assert!(time["now"].as_str().unwrap().starts_with("2031-05-06T00:0"), "{who}: {time}");
    }

    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(&pid).status().await.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_mins(2), child.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "SIGTERM is an orderly end");
}

#[tokio::test]
async fn a_missing_directory_is_reported() {
    let output = Command::new(env!("CARGO_BIN_EXE_flysk-simulators"))
        .args(["--recordings-folder", "/nonexistent"])
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent is not a directory"));
}
