//! Decides whether system packages may be installed, and asks the user.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use super::Tool;
use crate::{process, workspace};

/// Variable that forbids installations, like `--no-install`.
pub const NO_INSTALL: &str = "FLYSK_NO_INSTALL";

/// Interval of checking for stop signals while waiting for an answer.
const ANSWER_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Behaviour if a tool is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Packages are installed without asking: on build machines and without a terminal.
    Given,
    /// The user at the terminal decides.
    Asked,
    /// Nothing is installed.
    Refused,
}

static CONSENT: OnceLock<Consent> = OnceLock::new();

/// Decides for this process whether packages may be installed. `refused` is `--no-install`. Call once, first.
pub fn decide_consent(refused: bool) {
    let is_set = |name| workspace::variable(name).is_some_and(|value| !is_no(&value));
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let consent = decide(refused || is_set(NO_INSTALL), terminal, is_set("CI"));
    // Only the first call has an effect.
    let _already_set = CONSENT.set(consent);
}

/// The decision. Without one, as in tests that start servers, only the variable counts and nobody is asked.
fn consent() -> Consent {
    let refused = || workspace::variable(NO_INSTALL).is_some_and(|value| !is_no(&value));
    CONSENT.get().copied().unwrap_or_else(|| decide(refused(), false, false))
}

fn decide(refused: bool, terminal: bool, ci: bool) -> Consent {
    match (refused, terminal && !ci) {
        (true, _) => Consent::Refused,
        (false, true) => Consent::Asked,
        (false, false) => Consent::Given,
    }
}

/// Whether packages are installed without asking.
pub fn installs_unasked() -> bool {
    consent() == Consent::Given
}

/// Whether nothing may be installed, not even below `target`.
pub(super) fn refused() -> bool {
    consent() == Consent::Refused
}

/// Whether the value of a variable means "no".
fn is_no(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off")
}

/// Prints the packages and how to refuse, then returns whether they may be installed.
pub(super) fn may_install(missing: &[&Tool]) -> bool {
    match consent() {
        Consent::Refused => false,
        Consent::Given => {
            eprintln!("{}", announcement(missing));
            true
        }
        Consent::Asked => {
            eprintln!("{}", announcement(missing));
            eprint!("Install them now? [y/N] ");
            let _unseen = std::io::stderr().flush();
            read_answer().is_some_and(|answer| is_yes(&answer))
        }
    }
}

/// The packages of these tools without duplicates.
pub(super) fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for package in tools.iter().filter_map(|tool| tool.packages.first()).copied().flatten() {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

fn announcement(missing: &[&Tool]) -> String {
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    format!(
        "Missing: {}.\n\
         System packages to install with apt-get, without starting their services: {}.\n\
         To refuse: cargo xtask --no-install …, or {NO_INSTALL}=1.",
        names.join(", "),
        packages(missing).join(" ")
    )
}

/// Accepts only `y` and `yes`, so that Enter alone installs nothing.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Reads a line from the terminal; `None` at the end of the input or if a stop is requested.
fn read_answer() -> Option<String> {
    let (answered, answer) = mpsc::channel();
    // Signals do not interrupt a read, so it runs in a separate thread.
    thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        answered.send(read.is_ok_and(|bytes| bytes > 0).then_some(line))
    });
    loop {
        match answer.recv_timeout(ANSWER_POLL_INTERVAL) {
            Ok(line) => return line,
            Err(mpsc::RecvTimeoutError::Timeout) if !process::stop_requested() => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CMAKE, MARIADB_INSTALL_DB, MYSQL};
    use super::*;

    #[test]
    fn somebody_at_a_terminal_is_asked_and_a_build_machine_is_not() {
        assert_eq!(decide(false, true, false), Consent::Asked);
        assert_eq!(decide(false, true, true), Consent::Given);
        assert_eq!(decide(false, false, false), Consent::Given);
        for (terminal, ci) in [(true, false), (true, true), (false, false), (false, true)] {
            assert_eq!(decide(true, terminal, ci), Consent::Refused);
        }
    }

    #[test]
    fn only_a_clear_yes_installs() {
        for yes in ["y\n", "Y", " yes \n", "YES\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n", "y y\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn a_variable_that_says_no_refuses_nothing() {
        for no in ["0", "false", "No", " off "] {
            assert!(is_no(no), "{no:?}");
        }
        assert!(!is_no("1"));
    }

    #[test]
    fn an_announcement_names_each_package_once_and_how_to_refuse() {
        let said = announcement(&[&CMAKE, &MYSQL, &MARIADB_INSTALL_DB]);
        for word in ["CMake", "cmake", "--no-install", "FLYSK_NO_INSTALL=1"] {
            assert!(said.contains(word), "{said}");
        }
        assert_eq!(said.matches("mariadb-server-core").count(), 1, "{said}");
    }
}
