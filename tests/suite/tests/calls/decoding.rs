//! Recordings are decoded in a child process of the worker: whatever happens to it, the worker survives and the
//! call ends as specified. An ffmpeg that waits at a gate simulates a hanging decoder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_suite::environment::{Environment, Options};
use tempfile::TempDir;
use xtask::tools::FFMPEG;

/// Timeout for immediate effects on a busy machine.
const PROMPT_TIMEOUT: Duration = Duration::from_mins(5);

/// An `ffmpeg` script that writes its process id to a file and waits until the gate is opened.
struct Gated {
    folder: TempDir,
}

impl Gated {
    fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir()?;
        let gated = Self { folder };
        let made = Command::new("mkfifo").arg(gated.gate()).status()?;
        anyhow::ensure!(made.success(), "mkfifo: {made}");
        let ffmpeg = FFMPEG.find().context("ffmpeg is not installed")?;
        let script = format!(
            "#!/bin/sh\necho $$ > '{}'\nread opened < '{}'\nexec '{}' \"$@\"\n",
            gated.pid_file().display(),
            gated.gate().display(),
            ffmpeg.display()
        );
        std::fs::write(gated.program(), script)?;
        std::fs::set_permissions(gated.program(), std::fs::Permissions::from_mode(0o755))?;
        Ok(gated)
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("ffmpeg")
    }

    fn gate(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    /// Process id of the waiting ffmpeg, once it differs from `before`.
    async fn waiting(&self, before: Option<u32>) -> anyhow::Result<u32> {
        let started = || {
            let pid = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
            (Some(pid) != before).then_some(pid)
        };
        eventually("a decoder that waits at the gate", started).await
    }

    /// Lets the waiting process through, as soon as there is one.
    async fn open(&self) -> anyhow::Result<()> {
        let gate = self.gate();
        Ok(tokio::task::spawn_blocking(move || std::fs::write(gate, "\n")).await??)
    }

    async fn start_env(&self) -> anyhow::Result<Environment> {
        let mut options = Options::with_fixtures(0.02)?;
        options.more.insert("FLYSK_FFMPEG".to_owned(), self.program().display().to_string());
        let env = Environment::start(options).await?;
        env.install().await?;
        Ok(env)
    }
}

async fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + PROMPT_TIMEOUT;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// State and parent of a process (proc(5), fields 3 and 4).
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Whether a process has exited. It may remain a zombie until its new parent reaps it.
fn has_ended(pid: u32) -> bool {
    stat(pid).is_none_or(|(state, _)| state == 'Z')
}

/// Process id of the decoding child of `worker`, which is the parent of `ffmpeg`.
fn decoder_of(worker: u32, ffmpeg: u32) -> anyhow::Result<u32> {
    let (_, decoder) = stat(ffmpeg).context("ffmpeg has ended")?;
    let (_, parent) = stat(decoder).context("the decoder has ended")?;
    anyhow::ensure!(parent == worker, "the decoder is a child of {parent}, not of the worker");
    let command = std::fs::read(format!("/proc/{decoder}/cmdline"))?;
    anyhow::ensure!(String::from_utf8_lossy(&command).contains("audio:decode"), "another command");
    Ok(decoder)
}

fn environment_of(pid: u32) -> anyhow::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ"))?)
        .into())
}

/// One starts for every few recordings. The command line of the operators' commands takes longer to build than a short recording to decode.
#[test]
fn a_decoder_starts_without_the_command_line_of_operators() -> anyhow::Result<()> {
    let binaries = Options::with_fixtures(0.02)?.binaries;
    let ended = Command::new(binaries.join("flysk-worker")).arg("audio:decode").output()?;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(99), "the decoder does not say that its request is missing: {told}");
    Ok(())
}

/// The child is killed in the middle of a recording: the worker survives, and another child decodes the call.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_decoder_is_restarted_and_the_worker_survives() -> anyhow::Result<()> {
    let gated = Gated::new()?;
    let env = gated.start_env().await?;
    let worker = env.pid(1)?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("support-mono-gsm.wav")), 42)?;
    let ffmpeg = gated.waiting(None).await?;
    let decoder = decoder_of(worker, ffmpeg)?;
    for pid in [decoder, ffmpeg] {
        let environment = environment_of(pid)?;
        assert!(
            !environment.contains("FLYSK_") && !environment.contains("DATABASE_URL"),
            "the environment contains secrets"
        );
    }
    Command::new("kill").args(["-KILL", &decoder.to_string()]).status()?;
    eventually("the end of its ffmpeg", || has_ended(ffmpeg).then_some(())).await?;

    gated.waiting(Some(ffmpeg)).await?;
    gated.open().await?;
    let call = env.client()?.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(call.state, "done", "{}\n{}", call.raw, env.logs());
    assert!(!has_ended(worker), "the worker died");
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.convert_audio' AND attempt = 2", 1).await
}

/// When a worker is killed, its decoder and the decoder's children end too.
#[tokio::test(flavor = "multi_thread")]
async fn the_decoder_of_a_killed_worker_ends_too() -> anyhow::Result<()> {
    let gated = Gated::new()?;
    let mut env = gated.start_env().await?;
    env.simulators.call_arrives(Some(env.simulators.recording_url("support-mono-gsm.wav")), 42)?;
    let ffmpeg = gated.waiting(None).await?;
    let decoder = decoder_of(env.pid(1)?, ffmpeg)?;
    env.kill(1)?;
    for pid in [decoder, ffmpeg] {
        eventually("the end of what the worker started", || has_ended(pid).then_some(())).await?;
    }
    Ok(())
}

/// A decoder that does not end is killed at the deadline; the call fails with the cause, and the worker
/// continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_decoder_fails_its_call_and_not_the_worker() -> anyhow::Result<()> {
    let gated = Gated::new()?;
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSK_FFMPEG".to_owned(), gated.program().display().to_string());
    options.more.insert("FLYSK_AUDIO_DECODE_TIMEOUT_SECONDS".to_owned(), "10".to_owned());
    let env = Environment::start(options).await?;
    env.install().await?;
    let client = env.client()?;
    let hanging =
        env.simulators.call_arrives(Some(env.simulators.recording_url("support-mono-gsm.wav")), 42)?;
    let call = client.wait_for_end(hanging, Duration::from_mins(5)).await?;
    assert_eq!(
        (call.state.as_str(), call.failure_code.as_deref()),
        ("failed", Some("decode_timeout")),
        "{}",
        call.raw
    );
    assert!(has_ended(gated.waiting(None).await?), "ffmpeg still runs");
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-mono-8k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(call.state, "done", "{}\n{}", call.raw, env.logs());
    Ok(())
}

/// A decoder whose memory limit is too low: the call fails with a specific code, and the worker survives.
#[tokio::test(flavor = "multi_thread")]
async fn a_decoder_out_of_memory_fails_its_call_and_not_the_worker() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSK_AUDIO_DECODE_MEMORY_MB".to_owned(), "1".to_owned());
    let env = Environment::start(options).await?;
    env.install().await?;
    let client = env.client()?;
    for _ in 0..2 {
        let note =
            env.simulators.call_arrives(Some(env.simulators.recording_url("sales-mono-8k.mp3")), 42)?;
        let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
        let failure = call.failure_code.as_deref();
        assert_eq!((call.state.as_str(), failure), ("failed", Some("decode_memory")), "{}", call.raw);
    }
    assert!(!has_ended(env.pid(1)?), "the worker died");
    Ok(())
}
