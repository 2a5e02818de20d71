//! Decoding in a child process with bounds: the same results, and a parent that lives whatever the child does.
//!
//! Nothing here is hostile: programs that sleep, allocate, compute and write stand in for a decoder that was led astray.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flysk_audio::{
    AudioError, Bounds, Confinement, Decoder, Ffmpeg, Options, Prepared, Program, prepare_confined,
};

use crate::kit::{Desk, fixture, with_ffmpeg};

/// The usual bound on memory, in bytes.
const MEMORY: u64 = 768 << 20;

fn decoder() -> Program {
    Program {
        path: PathBuf::from(env!("CARGO_BIN_EXE_flysk-prepare")),
        args: vec!["audio:decode".to_owned()],
    }
}

fn confined(desk: &Desk, input: &Path, options: &Options, program: Program) -> Result<Prepared, AudioError> {
    let confinement = Confinement { program, max_memory_bytes: MEMORY };
    prepare_confined(input, &desk.output(), options, &confinement)
}

/// A program made of shell commands; `$0.<name>` are files beside it.
fn script(desk: &Desk, name: &str, commands: &str) -> PathBuf {
    let path = desk.write(name, format!("#!/bin/sh\n{commands}\n").as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("an executable");
    path
}

/// What becomes of a recording whose decoder does these commands instead.
fn led_astray(commands: &str) -> AudioError {
    let desk = Desk::new();
    let program = Program { path: script(&desk, "decoder", commands), args: Vec::new() };
    let error = confined(&desk, &fixture("sales-mono-8k.mp3"), &with_ffmpeg(), program).expect_err(commands);
    assert!(!desk.files().contains(&"output".to_owned()), "{commands}: there is a result");
    assert!(desk.files().iter().all(|name| !name.starts_with(".tmp")), "{commands}: {:?}", desk.files());
    error
}

#[test]
fn a_child_gives_what_decoding_in_process_gives() {
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
        let (here, there) = (Desk::new(), Desk::new());
        let in_process = here.prepare(&fixture(name), &with_ffmpeg()).expect(name);
        let in_child = confined(&there, &fixture(name), &with_ffmpeg(), decoder()).expect(name);
        assert_eq!(in_child, in_process, "{name}");
        assert_eq!(there.files(), here.files(), "{name}");
        if !in_process.passthrough {
            let [here, there] = [here, there].map(|desk| std::fs::read(desk.output()).expect("the output"));
            assert!(here == there, "{name}: other bytes");
        }
    }
}

#[test]
fn errors_of_the_recording_come_back_from_the_child() {
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
        let in_process = Desk::new().prepare(&fixture(name), &options).expect_err(name);
        let desk = Desk::new();
        let in_child = confined(&desk, &fixture(name), &options, decoder()).expect_err(name);
        assert_eq!(in_child.code(), in_process.code(), "{name}");
        assert_eq!(in_child.to_string(), in_process.to_string(), "{name}");
        assert_eq!(desk.files(), Vec::<String>::new(), "{name} left something behind");
    }
}

#[test]
fn an_ffmpeg_that_is_not_there_is_told_by_the_child_too() {
    let desk = Desk::new();
    let options = Options { ffmpeg: Some(Ffmpeg { path: desk.path("nowhere") }), ..Options::default() };
    let error = confined(&desk, &fixture("support-mono-gsm.wav"), &options, decoder()).expect_err("missing");
    assert_eq!(error.code(), "unsupported_codec", "{error}");
}

#[test]
fn a_decoder_that_sleeps_is_killed_with_all_that_it_started() {
    let desk = Desk::new();
    let commands = "/bin/sleep 1000 & echo $! > \"$0.started\"\necho $$ > \"$0.itself\"\nwait";
    let program = Program { path: script(&desk, "decoder", commands), args: Vec::new() };
    let mut options = with_ffmpeg();
    options.limits.max_decode_time = Duration::from_millis(100);
    let error = confined(&desk, &fixture("sales-mono-8k.mp3"), &options, program).expect_err("it sleeps");
    assert!(matches!(error, AudioError::TimedOut { limit_ms: 100 }), "{error}");
    for name in ["decoder.started", "decoder.itself"] {
        let pid = std::fs::read_to_string(desk.path(name)).expect("it had begun");
        assert!(is_gone(pid.trim()), "{name}: {pid} still runs");
    }
}

/// Whether a process has ended; it may be a zombie until whoever adopted it looks.
fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

#[test]
fn a_decoder_without_memory_ends_the_recording_and_not_the_parent() {
    let desk = Desk::new();
    // Less than the program has already: whatever it asks for next, it does not get.
    let confinement = Confinement { program: decoder(), max_memory_bytes: 1 << 20 };
    let error = prepare_confined(&fixture("sales-mono-8k.mp3"), &desk.output(), &with_ffmpeg(), &confinement);
    let error = error.expect_err("no memory");
    assert!(matches!(error, AudioError::OutOfMemory { limit_bytes } if limit_bytes == 1 << 20), "{error:?}");
    assert_eq!(error.code(), "decode_memory");
    assert_eq!(desk.files(), Vec::<String>::new());
}

#[test]
fn a_decoder_that_crashes_is_the_recordings_fault_and_one_that_is_killed_is_not() {
    for signal in ["SEGV", "ABRT", "BUS", "ILL", "FPE", "XFSZ"] {
        let error = led_astray(&format!("kill -{signal} $$"));
        assert_eq!(error.code(), "damaged", "{signal}: {error}");
    }
    assert_eq!(led_astray("kill -XCPU $$").code(), "decode_timeout");
    for signal in ["KILL", "TERM", "HUP"] {
        let error = led_astray(&format!("kill -{signal} $$"));
        assert_eq!(error.code(), "io", "{signal} comes from outside: {error}");
    }
    let aborted = led_astray("echo 'memory allocation of 8589934592 bytes failed' >&2; kill -ABRT $$");
    assert_eq!(aborted.code(), "decode_memory");
    assert_eq!(led_astray("exit 101").code(), "damaged", "a panic");
}

#[test]
fn an_answer_that_makes_no_sense_is_no_result() {
    for commands in
        ["exit 0", "echo hello", "echo '{\"version\":1}'", "echo '{\"version\":2,\"outcome\":{}}'", "exit 3"]
    {
        assert_eq!(led_astray(commands).code(), "io", "{commands}");
    }
    let other = led_astray("echo '{\"version\":2,\"outcome\":{}}'");
    assert!(other.to_string().contains("version 2"), "{other}");
    assert_eq!(led_astray("exec /bin/cat /dev/zero").code(), "damaged", "an answer without end");
}

#[test]
fn complaints_without_end_are_read_and_forgotten() {
    let error = led_astray("/usr/bin/head -c 20000000 /dev/zero | /usr/bin/tr '\\\\0' x >&2; exit 3");
    assert_eq!(error.code(), "io");
    assert!(error.to_string().len() < 8 << 10, "{} bytes of complaint are kept", error.to_string().len());
}

#[test]
fn a_program_that_is_not_there_is_worth_another_try() {
    let desk = Desk::new();
    let program = Program { path: desk.path("nowhere"), args: Vec::new() };
    let error =
        confined(&desk, &fixture("sales-mono-8k.mp3"), &with_ffmpeg(), program).expect_err("no program");
    assert_eq!(error.code(), "io");
    assert_eq!(desk.files(), Vec::<String>::new());
}

fn launched(bounds: Bounds, commands: &str) -> std::process::Output {
    let mut command = decoder().launch(bounds, OsStr::new("/bin/sh")).expect("a command");
    command.args(["-c", commands]).env("FLYSK_KEYRING", "secret").output().expect("it starts")
}

fn bounds() -> Bounds {
    Bounds { memory_bytes: 64 << 20, cpu_seconds: 30, file_bytes: 512 << 10, open_files: 20 }
}

#[test]
fn a_launched_program_has_its_bounds_and_no_environment() {
    let output = launched(bounds(), "ulimit -v; ulimit -t; ulimit -f; ulimit -n; ulimit -c; /usr/bin/env");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (limits, environment): (Vec<_>, Vec<_>) = said.lines().partition(|line| !line.contains('='));
    // Memory in KiB, seconds, blocks of 512 bytes, files, no core.
    assert_eq!(limits, ["65536", "30", "1024", "20", "0"], "{}", String::from_utf8_lossy(&output.stderr));
    // A shell sets these itself.
    assert!(
        environment
            .iter()
            .all(|it| ["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| it.starts_with(own))),
        "{environment:?}"
    );
}

#[test]
fn a_launched_program_gets_no_more_than_its_bounds() {
    let hungry = launched(bounds(), "exec /usr/bin/tail -n 1 /dev/zero");
    assert!(String::from_utf8_lossy(&hungry.stderr).contains("memory"), "{hungry:?}");
    let busy = launched(Bounds { cpu_seconds: 1, ..bounds() }, "while :; do :; done");
    assert_eq!(busy.status.signal(), Some(24), "SIGXCPU: {busy:?}");
    let desk = Desk::new();
    let writer = launched(bounds(), &format!("exec /bin/cat /dev/zero > {}", desk.path("written").display()));
    assert!(!writer.status.success());
    assert!(std::fs::metadata(desk.path("written")).expect("it began").len() <= 512 << 10);
}

#[test]
fn ffmpeg_is_bounded_from_its_first_instruction() {
    let desk = Desk::new();
    let path = script(&desk, "ffmpeg", "ulimit -v > \"$0.memory\"; ulimit -c > \"$0.core\"; exit 1");
    let options = Options { ffmpeg: Some(Ffmpeg { path }), ..Options::default() };
    let error =
        confined(&desk, &fixture("support-mono-gsm.wav"), &options, decoder()).expect_err("no ffmpeg");
    assert_eq!(error.code(), "damaged", "{error}");
    let said = |name: &str| std::fs::read_to_string(desk.path(name)).expect("it ran").trim().to_owned();
    assert_eq!((said("ffmpeg.memory"), said("ffmpeg.core")), ((MEMORY >> 10).to_string(), "0".to_owned()));
}

#[test]
fn ffmpeg_decodes_in_the_childs_bounds() {
    let desk = Desk::new();
    let prepared = confined(&desk, &fixture("support-mono-gsm.wav"), &with_ffmpeg(), decoder()).expect("GSM");
    assert_eq!((prepared.decoder, prepared.partial), (Decoder::Ffmpeg, false));
}

#[test]
fn an_order_of_somebody_who_is_gone_is_not_carried_out() {
    let desk = Desk::new();
    let command = decoder().launch(bounds(), OsStr::new("/bin/echo")).expect("a command");
    let order: Vec<String> =
        command.get_args().map(|it| it.to_string_lossy().replace("\"parent\":", "\"parent\":1")).collect();
    let output = std::process::Command::new(command.get_program())
        .args(&order)
        .arg("done")
        .output()
        .expect("it starts");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(desk.files(), Vec::<String>::new());
}
