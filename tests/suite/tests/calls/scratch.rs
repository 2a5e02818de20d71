//! Copies of recordings on the disks of workers.

use std::time::{Duration, Instant};

use crate::start_env;

/// A machine that only decodes never runs the job that deletes a call's audio: its copies are deleted
/// nevertheless, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_only_decodes_keeps_no_recordings() -> anyhow::Result<()> {
    let mut env = start_env().await?;
    env.kill(1)?;
    let [decoding, the_rest] = ["decoding", "the-rest"].map(|name| env.scratch().join(name));
    env.set("FLYSK_SCRATCH_DIR", &decoding.display().to_string());
    env.spawn("flysk-worker", &["run", "audio"], "decoding")?;
    env.set("FLYSK_SCRATCH_DIR", &the_rest.display().to_string());
    let rest = ["run", "oauth", "lifecycle", "calls", "billing", "upkeep", "--with-scheduler"];
    env.spawn("flysk-worker", &rest, "the-rest")?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    let call = env.client()?.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(call.state, "done", "{}", call.raw);

    let deadline = Instant::now() + Duration::from_mins(5);
    let swept = || anyhow::Ok(env.log_lines()?.iter().any(|line| line.contains("copies of ended calls")));
    while !swept()? {
        anyhow::ensure!(Instant::now() < deadline, "nothing was swept\n{}", env.logs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for folder in [decoding, the_rest] {
        let left: Vec<_> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "{}: {left:?}", folder.display());
    }
    env.stop()
}
