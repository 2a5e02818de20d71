//! Child processes of `cargo xtask`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use xtask::process::ProcessGroup;

#[test]
fn a_dropped_group_leaves_no_process_behind() {
    let mut command = Command::new("sh");
    command.args(["-c", "(echo started; sleep 60; echo late) & wait"]).stdout(Stdio::piped());
    let mut group = ProcessGroup::spawn(&mut command).unwrap();
    let mut output = BufReader::new(group.child().stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    drop(group);
    // The pipe is open as long as a process of the group lives.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
