//! Decoding in a child process with resource limits: same results, and a parent that survives any behaviour of the child.
//!
//! Programs that sleep, allocate, compute and write replace a decoder that was attacked.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flysk_audio::{
    AudioError, Decoder, Ffmpeg, Isolation, Options, Prepared, Program, ResourceLimits, prepare_isolated,
};

use crate::kit::{TestDir, ends, fixture, script, with_ffmpeg};

/// Default memory limit, in bytes.
const MAX_MEMORY_BYTES: u64 = 768 << 20;

fn decoder() -> Program {
    Program {
        path: PathBuf::from(env!("CARGO_BIN_EXE_flysk-prepare")),
        args: vec!["audio:decode".to_owned()],
    }
}

fn prepare_in_child(
    dir: &TestDir,
    input: &Path,
    options: &Options,
    program: Program,
) -> Result<Prepared, AudioError> {
    let isolation = Isolation { program, max_memory_bytes: MAX_MEMORY_BYTES };
    prepare_isolated(input, &dir.output(), options, &isolation)
}

/// The error of a recording whose decoder runs these commands instead.
fn run_as_decoder(commands: &str) -> AudioError {
    let dir = TestDir::new();
    let program = Program { path: script(&dir, "decoder", commands), args: Vec::new() };
    let error =
        prepare_in_child(&dir, &fixture("sales-mono-8k.mp3"), &with_ffmpeg(), program).expect_err(commands);
    assert!(!dir.files().contains(&"output".to_owned()), "{commands}: there is a result");
    assert!(dir.files().iter().all(|name| !name.starts_with(".tmp")), "{commands}: {:?}", dir.files());
    error
}

#[test]
fn a_child_returns_the_same_result_as_decoding_in_process() {
    for name in [
        "sales-mono-8k.mp3",
        "sales-stereo-44k.mp3",
        "support-stereo-mulaw.wav",
        "support-mono-gsm.wav",
        "support-stereo-vorbis.ogg",
        "support-mono-aac.m4a",
        "bad-truncated.mp3",
        "silence-5s.wav",
    ] {
        let (here, there) = (TestDir::new(), TestDir::new());
        let in_process = here.prepare(&fixture(name), &with_ffmpeg()).expect(name);
        let in_child = prepare_in_child(&there, &fixture(name), &with_ffmpeg(), decoder()).expect(name);
        assert_eq!(in_child, in_process, "{name}");
        assert_eq!(there.files(), here.files(), "{name}");
        if !in_process.passthrough {
            let [here, there] = [here, there].map(|dir| std::fs::read(dir.output()).expect("the output"));
            assert!(here == there, "{name}: other bytes");
        }
    }
}

#[test]
fn errors_of_the_recording_are_returned_by_the_child() {
    let mut short = with_ffmpeg();
    short.limits.max_duration_ms = 1_000;
    let mut small = with_ffmpeg();
    small.limits.max_bytes = 10;
    for (name, options) in [
        ("bad-html-login.mp3", with_ffmpeg()),
        ("bad-empty.mp3", with_ffmpeg()),
        ("bad-noise.bin", with_ffmpeg()),
        ("sales-mono-8k.mp3", short),
        ("support-stereo.flac", small),
        ("support-mono-gsm.wav", Options::default()),
    ] {
        let in_process = TestDir::new().prepare(&fixture(name), &options).expect_err(name);
        let dir = TestDir::new();
        let in_child = prepare_in_child(&dir, &fixture(name), &options, decoder()).expect_err(name);
        assert_eq!(in_child.code(), in_process.code(), "{name}");
        assert_eq!(in_child.to_string(), in_process.to_string(), "{name}");
        assert_eq!(dir.files(), Vec::<String>::new(), "{name} left something behind");
    }
}

#[test]
fn a_missing_ffmpeg_is_reported_by_the_child() {
    let dir = TestDir::new();
    let options = Options { ffmpeg: Some(Ffmpeg { path: dir.path("nowhere") }), ..Options::default() };
    let error =
        prepare_in_child(&dir, &fixture("support-mono-gsm.wav"), &options, decoder()).expect_err("missing");
    assert_eq!(error.code(), "unsupported_codec", "{error}");
}

#[test]
fn a_sleeping_decoder_is_killed_with_its_descendants() {
    let dir = TestDir::new();
    let commands = "/bin/sleep 1000 & echo $! > \"$0.started\"\necho $$ > \"$0.itself\"\nwait";
    let program = Program { path: script(&dir, "decoder", commands), args: Vec::new() };
    let mut options = with_ffmpeg();
    options.limits.max_decode_time = Duration::from_secs(3);
    let error =
        prepare_in_child(&dir, &fixture("sales-mono-8k.mp3"), &options, program).expect_err("it sleeps");
    assert!(matches!(error, AudioError::TimedOut { limit_ms: 3_000 }), "{error}");
    for name in ["decoder.started", "decoder.itself"] {
        let pid = std::fs::read_to_string(dir.path(name)).expect("it had begun");
        assert!(ends(pid.trim()), "{name}: {pid} still runs");
    }
}

#[test]
fn a_decoder_out_of_memory_fails_the_recording_and_not_the_parent() {
    let dir = TestDir::new();
    // Less than the program already has, so its next allocation fails.
    let isolation = Isolation { program: decoder(), max_memory_bytes: 1 << 20 };
    let error = prepare_isolated(&fixture("sales-mono-8k.mp3"), &dir.output(), &with_ffmpeg(), &isolation);
    let error = error.expect_err("no memory");
    assert!(matches!(error, AudioError::OutOfMemory { limit_bytes } if limit_bytes == 1 << 20), "{error:?}");
    assert_eq!(error.code(), "decode_memory");
    assert_eq!(dir.files(), Vec::<String>::new());
}

#[test]
fn a_crashing_decoder_fails_the_recording_and_a_killed_one_does_not() {
    for signal in ["SEGV", "ABRT", "BUS", "ILL", "FPE", "XFSZ"] {
        let error = run_as_decoder(&format!("kill -{signal} $$"));
        assert_eq!(error.code(), "damaged", "{signal}: {error}");
    }
    assert_eq!(run_as_decoder("kill -XCPU $$").code(), "decode_timeout");
    for signal in ["KILL", "TERM", "HUP"] {
        let error = run_as_decoder(&format!("kill -{signal} $$"));
        assert_eq!(error.code(), "io", "{signal} comes from outside: {error}");
    }
    let aborted = run_as_decoder("echo 'memory allocation of 8589934592 bytes failed' >&2; kill -ABRT $$");
    assert_eq!(aborted.code(), "decode_memory");
    assert_eq!(run_as_decoder("exit 101").code(), "damaged", "a panic");
}

#[test]
fn an_invalid_result_of_the_child_is_an_error() {
    for commands in
        ["exit 0", "echo hello", "echo '{\"version\":2}'", "echo '{\"version\":3,\"outcome\":{}}'", "exit 3"]
    {
        assert_eq!(run_as_decoder(commands).code(), "io", "{commands}");
    }
    let other = run_as_decoder("echo '{\"version\":3,\"outcome\":{}}'");
    assert!(other.to_string().contains("version 3"), "{other}");
    assert_eq!(run_as_decoder("exec /bin/cat /dev/zero").code(), "damaged", "an answer without end");
}

#[test]
fn endless_error_output_is_read_and_discarded() {
    let error = run_as_decoder("/usr/bin/head -c 20000000 /dev/zero | /usr/bin/tr '\\\\0' x >&2; exit 3");
    assert_eq!(error.code(), "io");
    assert!(error.to_string().len() < 8 << 10, "{} bytes of complaint are kept", error.to_string().len());
}

#[test]
fn a_missing_decoder_program_is_a_temporary_error() {
    let dir = TestDir::new();
    let program = Program { path: dir.path("nowhere"), args: Vec::new() };
    let error = prepare_in_child(&dir, &fixture("sales-mono-8k.mp3"), &with_ffmpeg(), program)
        .expect_err("no program");
    assert_eq!(error.code(), "io");
    assert_eq!(dir.files(), Vec::<String>::new());
}

fn launched(rlimits: ResourceLimits, commands: &str) -> std::process::Output {
    let mut command = decoder().launch(rlimits, OsStr::new("/bin/sh")).expect("a command");
    command.args(["-c", commands]).env("FLYSK_KEYRING", "secret").output().expect("it starts")
}

fn rlimits() -> ResourceLimits {
    ResourceLimits { memory_bytes: 64 << 20, cpu_seconds: 30, file_bytes: 512 << 10, open_files: 20 }
}

#[test]
fn a_launched_program_has_its_limits_and_no_environment() {
    let output = launched(rlimits(), "ulimit -v; ulimit -t; ulimit -f; ulimit -n; ulimit -c; /usr/bin/env");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (limits, environment): (Vec<_>, Vec<_>) = said.lines().partition(|line| !line.contains('='));
    // Memory in KiB, seconds, blocks of 512 bytes, files, no core dump.
    assert_eq!(limits, ["65536", "30", "1024", "20", "0"], "{}", String::from_utf8_lossy(&output.stderr));
    // The shell sets these itself.
    assert!(
        environment
            .iter()
            .all(|it| ["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| it.starts_with(own))),
        "{environment:?}"
    );
}

#[test]
fn a_launched_program_gets_no_more_than_its_limits() {
    let hungry = launched(rlimits(), "exec /usr/bin/tail -n 1 /dev/zero");
    assert!(String::from_utf8_lossy(&hungry.stderr).contains("memory"), "{hungry:?}");
    let busy = launched(ResourceLimits { cpu_seconds: 1, ..rlimits() }, "while :; do :; done");
    assert_eq!(busy.status.signal(), Some(24), "SIGXCPU: {busy:?}");
    let dir = TestDir::new();
    let writer = launched(rlimits(), &format!("exec /bin/cat /dev/zero > {}", dir.path("written").display()));
    assert!(!writer.status.success());
    assert!(std::fs::metadata(dir.path("written")).expect("it began").len() <= 512 << 10);
}

#[test]
fn ffmpeg_is_limited_from_its_start() {
    let dir = TestDir::new();
    let path = script(&dir, "ffmpeg", "ulimit -v > \"$0.memory\"; ulimit -c > \"$0.core\"; exit 1");
    let options = Options { ffmpeg: Some(Ffmpeg { path }), ..Options::default() };
    let error =
        prepare_in_child(&dir, &fixture("support-mono-gsm.wav"), &options, decoder()).expect_err("no ffmpeg");
    assert_eq!(error.code(), "damaged", "{error}");
    let said = |name: &str| std::fs::read_to_string(dir.path(name)).expect("it ran").trim().to_owned();
    assert_eq!(
        (said("ffmpeg.memory"), said("ffmpeg.core")),
        ((MAX_MEMORY_BYTES >> 10).to_string(), "0".to_owned())
    );
}

#[test]
fn ffmpeg_decodes_within_the_childs_limits() {
    let dir = TestDir::new();
    let prepared =
        prepare_in_child(&dir, &fixture("support-mono-gsm.wav"), &with_ffmpeg(), decoder()).expect("GSM");
    assert_eq!((prepared.decoder, prepared.partial), (Decoder::Ffmpeg, false));
}

#[test]
fn a_child_does_nothing_if_its_parent_has_exited() {
    let dir = TestDir::new();
    let command = decoder().launch(rlimits(), OsStr::new("/bin/echo")).expect("a command");
    let request: Vec<String> =
        command.get_args().map(|it| it.to_string_lossy().replace("\"parent\":", "\"parent\":1")).collect();
    let output = std::process::Command::new(command.get_program())
        .args(&request)
        .arg("done")
        .output()
        .expect("it starts");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(dir.files(), Vec::<String>::new());
}
