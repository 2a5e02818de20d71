//! `cargo xtask` on a machine that lacks tools and without permission to install them.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::process::{Command, Output};

/// Runs `cargo xtask` with an empty search path.
fn xtask(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).env_clear().env("PATH", "/nonexistent").envs(variables.iter().copied());
    command.output().unwrap()
}

fn stops_with_the_list_of_packages(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("All at once: sudo apt-get install build-essential make cmake ffmpeg"), "{told}");
    assert!(!told.contains("installing"), "{told}");
}

#[test]
fn a_command_that_may_not_install_stops_with_the_list_of_packages() {
    stops_with_the_list_of_packages(&xtask(&["--no-install", "demo", "--exit"], &[]));
    stops_with_the_list_of_packages(&xtask(&["demo", "--no-install", "--exit"], &[]));
    stops_with_the_list_of_packages(&xtask(&["demo", "--exit"], &[("FLYSK_NO_INSTALL", "1")]));
}

#[test]
fn help_says_how_to_refuse_and_what_enter_means() {
    let help = String::from_utf8(xtask(&["--help"], &[]).stdout).unwrap();
    for words in ["--no-install", "FLYSK_NO_INSTALL=1", "Enter alone means no"] {
        assert!(help.contains(words), "{help}");
    }
}
