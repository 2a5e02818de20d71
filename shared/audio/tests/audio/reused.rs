//! Decoder processes that serve several recordings: which of them do, and that no recording notices.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flysk_audio::{AudioError, DecoderPool, Isolation, Prepared, Program};

use crate::kit::{TestDir, ends, fixture, script, with_ffmpeg};

/// Default memory limit, in bytes.
const MAX_MEMORY_BYTES: u64 = 768 << 20;
/// Recordings that a process may serve.
const MAX_RECORDINGS: usize = 32;

/// Becomes a decoder.
const DECODE: &str = "exec \"$decoder\" audio:decode \"$@\"";
/// Answers the next request as a decoder does. That one checks who has started it.
const ANSWER: &str = "read -r request
started=$(printf '%s' \"$1\" | /bin/sed \"s/\\\"parent\\\":[0-9]*/\\\"parent\\\":$$/\")
printf '%s\\n' \"$request\" | \"$decoder\" audio:decode \"$started\"";

/// A pool whose decoders note that they were started. What starts ffmpeg is no decoder: it has further arguments.
struct Noted {
    dir: TestDir,
    pool: DecoderPool,
}

impl Noted {
    /// Decoders that run `commands`.
    fn new(commands: &str) -> Self {
        let dir = TestDir::new();
        let decoder = env!("CARGO_BIN_EXE_flysk-prepare");
        let commands =
            format!("if [ $# = 1 ]; then echo $$ >> \"$0.started\"; fi\ndecoder='{decoder}'\n{commands}");
        let program = Program { path: script(&dir, "decoder", &commands), args: Vec::new() };
        let pool = DecoderPool::new(Isolation { program, max_memory_bytes: MAX_MEMORY_BYTES });
        Self { dir, pool }
    }

    fn prepare(&self, input: &Path) -> Result<Prepared, AudioError> {
        self.pool.prepare(input, &self.dir.output(), &with_ffmpeg())
    }

    /// Process ids of the decoders.
    fn started(&self) -> Vec<String> {
        let noted = std::fs::read_to_string(self.dir.path("decoder.started")).expect("one was started");
        noted.lines().map(str::to_owned).collect()
    }
}

/// Runs `commands` in the first process; the others are decoders.
fn first_then_decode(commands: &str) -> String {
    format!("if [ $(/usr/bin/wc -l < \"$0.started\") = 1 ]; then\n{commands}\nelse {DECODE}; fi")
}

fn mono() -> PathBuf {
    fixture("sales-mono-8k.mp3")
}

#[test]
fn a_process_serves_several_recordings_with_the_results_of_separate_ones() {
    let shared = Noted::new(DECODE);
    for name in ["sales-mono-8k.mp3", "support-stereo-mulaw.wav", "silence-5s.wav", "sales-mono-8k.mp3"] {
        let alone = TestDir::new();
        let expected = alone.prepare(&fixture(name), &with_ffmpeg()).expect(name);
        let _ = std::fs::remove_file(shared.dir.output());
        assert_eq!(shared.prepare(&fixture(name)).expect(name), expected, "{name}");
        assert_eq!(shared.dir.output().exists(), !expected.passthrough, "{name}");
        if !expected.passthrough {
            let [alone, shared] =
                [&alone, &shared.dir].map(|dir| std::fs::read(dir.output()).expect("the output"));
            assert!(alone == shared, "{name}: other bytes");
        }
    }
    assert_eq!(shared.started().len(), 1);
    let files = shared.dir.files();
    assert!(files.iter().all(|name| !name.starts_with(".tmp")), "{files:?}");
}

#[test]
fn a_process_serves_a_limited_number_of_recordings() {
    let shared = Noted::new(DECODE);
    for _ in 0..=MAX_RECORDINGS {
        shared.prepare(&fixture("silence-5s.wav")).expect("silence");
    }
    assert_eq!(shared.started().len(), 2);
}

#[test]
fn a_process_whose_recording_failed_serves_no_other() {
    let shared = Noted::new(DECODE);
    shared.prepare(&mono()).expect("a call");
    let error = shared.prepare(&fixture("bad-noise.bin")).expect_err("noise");
    let alone = TestDir::new().prepare(&fixture("bad-noise.bin"), &with_ffmpeg()).expect_err("noise");
    assert_eq!(error.to_string(), alone.to_string());
    assert_eq!(shared.started().len(), 1);
    shared.prepare(&mono()).expect("a call");
    let started = shared.started();
    assert_eq!(started.len(), 2);
    assert!(ends(&started[0]), "it still runs");
}

/// Code in C has worked on the recording.
#[test]
fn a_process_that_used_ffmpeg_or_libopus_serves_no_other() {
    let shared = Noted::new(DECODE);
    for name in ["support-mono-gsm.wav", "support-mono-opus.ogg", "sales-mono-8k.mp3"] {
        shared.prepare(&fixture(name)).expect(name);
    }
    assert_eq!(shared.started().len(), 3);
}

#[test]
fn a_recording_does_not_fail_because_of_the_ones_before_it() {
    for end in [
        "kill -SEGV $$",
        "kill -KILL $$",
        "echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$",
        "echo hello",
    ] {
        let shared = Noted::new(&first_then_decode(&format!("{ANSWER}\nread -r request\n{end}")));
        shared.prepare(&mono()).expect("the first");
        assert_eq!(shared.started().len(), 1, "{end}");
        shared.prepare(&mono()).unwrap_or_else(|error| panic!("{end}: {error}"));
        assert_eq!(shared.started().len(), 2, "{end}");
    }
}

/// A new process has no recordings before it: then the recording is at fault.
#[test]
fn the_recording_of_a_new_process_fails_with_it() {
    let shared = Noted::new("read -r request; kill -SEGV $$");
    assert_eq!(shared.prepare(&mono()).expect_err("it crashes").code(), "damaged");
    assert_eq!(shared.started().len(), 1);
}

#[test]
fn a_process_that_ended_while_it_waited_is_replaced() {
    let shared = Noted::new(DECODE);
    shared.prepare(&mono()).expect("the first");
    let killed = Command::new("/bin/kill").args(["-KILL", &shared.started()[0]]).status().expect("kill");
    assert!(killed.success() && ends(&shared.started()[0]));
    shared.prepare(&mono()).expect("the second");
    assert_eq!(shared.started().len(), 2);
}

/// What it says unasked would be taken for the answer of the next recording.
#[test]
fn a_process_that_says_more_than_its_answer_serves_no_other() {
    let more =
        "until [ -e \"$0.gate\" ]; do /bin/sleep 0.02; done\necho more\necho > \"$0.said\"\n/bin/sleep 1000";
    let shared = Noted::new(&first_then_decode(&format!("{ANSWER}\n{more}")));
    shared.prepare(&mono()).expect("the first");
    shared.dir.write("decoder.gate", b"");
    while !shared.dir.path("decoder.said").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    shared.prepare(&mono()).expect("the second");
    assert_eq!(shared.started().len(), 2);
}

#[test]
fn processes_end_with_the_pool() {
    let shared = Noted::new(DECODE);
    shared.prepare(&mono()).expect("a call");
    let started = shared.started();
    drop(shared.pool);
    assert!(ends(&started[0]), "it still runs");
}

/// The kernel would end a decoder with the thread that started it.
#[test]
fn a_process_outlives_the_thread_of_its_first_recording() {
    let shared = Noted::new(DECODE);
    std::thread::scope(|scope| scope.spawn(|| shared.prepare(&mono())).join())
        .expect("no panic")
        .expect("the first");
    shared.prepare(&mono()).expect("the second");
    assert_eq!(shared.started().len(), 1);
}
