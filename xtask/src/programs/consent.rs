//! Whether system packages may be installed, and who is asked.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use super::Program;
use crate::{process, workspace};

/// The variable that refuses installations, as `--no-install` does.
pub const NO_INSTALL: &str = "FLYSK_NO_INSTALL";

/// How often it is looked whether somebody wants to stop instead of answering.
const ANSWER_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What happens when a program is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Its packages are installed without a question: on build machines, and where nobody could answer.
    Given,
    /// Somebody at the terminal decides.
    Asked,
    /// Nothing is installed.
    Refused,
}

static CONSENT: OnceLock<Consent> = OnceLock::new();

/// Decides for this process whether packages may be installed. `refused` is `--no-install`; call once, first.
pub fn settle_consent(refused: bool) {
    let is_set = |name| workspace::variable(name).is_some_and(|value| !is_no(&value));
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let consent = decide(refused || is_set(NO_INSTALL), terminal, is_set("CI"));
    // Only the first call counts, and there is only one.
    let _already_settled = CONSENT.set(consent);
}

/// What was decided. A test that starts servers of its own decides nothing: it asks nobody, and heeds the variable.
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

/// A variable that says no by its value.
fn is_no(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off")
}

/// Whether these may be installed now: says which packages, and how to refuse, before anything happens.
pub(super) fn may_install(missing: &[&Program]) -> bool {
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

/// The packages that bring these programs, each once.
pub(super) fn packages(programs: &[&Program]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for package in programs.iter().filter_map(|program| program.packages.first()).copied().flatten() {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

fn announcement(missing: &[&Program]) -> String {
    let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
    format!(
        "Missing: {}.\n\
         These system packages are installed with apt-get, and no service of theirs is started: {}.\n\
         To refuse: cargo xtask --no-install …, or {NO_INSTALL}=1.",
        names.join(", "),
        packages(missing).join(" ")
    )
}

/// Nothing but a clear yes is one: whoever only presses Enter has installed nothing.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// The line that is typed; `None` when the input ends, or when we are asked to stop instead.
fn read_answer() -> Option<String> {
    let (answered, answer) = mpsc::channel();
    // Signals do not interrupt a read, so it waits in a thread of its own.
    thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        answered.send(read.is_ok_and(|bytes| bytes > 0).then_some(line))
    });
    loop {
        match answer.recv_timeout(ANSWER_POLL_INTERVAL) {
            Ok(line) => return line,
            Err(mpsc::RecvTimeoutError::Timeout) if !process::asked_to_stop() => {}
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
