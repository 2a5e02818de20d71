//! Signals sent to a real process: this test's own executable, started again as a child.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the child reports readiness on standard output")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use flysk_config::process::Shutdown;

/// Behaviour of the child on shutdown: `polite`, `stuck`, `patient` (stuck, with a grace time longer than any test) or `blocked`.
const BEHAVIOUR: &str = "FLYSK_TEST_SHUTDOWN";

/// Behaviour of this process if it is the child.
fn behaviour() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the parent passes the behaviour in a variable")]
    std::env::var(BEHAVIOUR).ok()
}

/// Runs as the process under test.
fn live_as(behaviour: &str) -> ! {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let grace = if behaviour == "patient" { Duration::from_hours(1) } else { Duration::from_millis(500) };
        let shutdown = Shutdown::install(grace).unwrap();
        println!("ready");
        shutdown.requested().await;
        println!("stopping");
        match behaviour {
            "polite" => std::process::exit(0),
            "stuck" | "patient" => std::future::pending().await,
            _ => loop {
                // Blocks every thread of the runtime.
                tokio::spawn(async { std::thread::sleep(Duration::from_secs(30)) });
                std::thread::sleep(Duration::from_millis(1));
            },
        }
    })
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(behaviour: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signals_request_a_shutdown", "--nocapture"])
            .env(BEHAVIOUR, behaviour)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines };
        running.wait_for("ready");
        running
    }

    /// Waits until the child has printed this.
    fn wait_for(&mut self, said: &str) {
        assert!(self.lines.any(|line| line.unwrap().ends_with(said)), "the child did not say `{said}`");
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Exit status and duration of the shutdown; panics if it takes far too long.
    fn end(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, asked.elapsed());
            }
            if asked.elapsed() > Duration::from_mins(2) {
                self.child.kill().unwrap();
                panic!("still alive long after the grace time");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn signals_request_a_shutdown() {
    if let Some(behaviour) = behaviour() {
        live_as(&behaviour);
    }
    for name in ["TERM", "INT"] {
        let running = Running::start("polite");
        running.signal(name);
        let (status, _) = running.end();
        assert_eq!(status.code(), Some(0), "SIG{name}");
    }
}

#[test]
fn the_grace_time_ends_a_process_that_does_not_stop() {
    for behaviour in ["stuck", "blocked"] {
        let running = Running::start(behaviour);
        running.signal("TERM");
        let (status, took) = running.end();
        assert_eq!(status.code(), Some(1), "{behaviour}");
        assert!(
            took >= Duration::from_millis(450),
            "{behaviour}: ended before the grace time, after {took:?}"
        );
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut running = Running::start("patient");
    running.signal("TERM");
    // Signals that arrive together are one signal.
    running.wait_for("stopping");
    running.signal("TERM");
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(1));
}
