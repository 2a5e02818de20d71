//! A child process that answers requests line by line, each with a time limit; and how it ended.
//!
//! One thread waits for all its pipes, so that neither answers nor messages can block it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::rlimits::process_id;

/// Maximum length of an answer. The result of a four-hour call with a segment every 360 ms needs a tenth of it.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Kept length of its standard error, in bytes.
const MAX_STDERR_BYTES: usize = 4 << 10;
/// Length of a read, in bytes: as much as a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;
/// Interval of checking whether a process has exited that has closed its standard output.
const EXIT_CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// End of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildExit {
    /// Exited with this code.
    Exited(i32),
    /// Ended by this signal.
    Killed(i32),
    /// Killed by us after the time limit.
    OutOfTime,
    /// Killed by us, because its answer exceeded the limit.
    OutOfOutput,
}

/// What a child process did with a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// It answered this line and runs on.
    Line(Vec<u8>),
    /// It ended without an answer.
    Ended {
        /// How.
        exit: ChildExit,
        /// The beginning of its standard error.
        stderr: String,
    },
}

/// A child process, in a process group of its own that is killed on drop.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    group: Pid,
    requests: ChildStdin,
    answers: ChildStdout,
    /// `None` once it is closed.
    errors: Option<ChildStderr>,
    stderr: Vec<u8>,
    reaped: bool,
}

impl ChildProcess {
    /// Starts `command` without environment. On Linux the process is killed if the calling thread ends.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let group = process_id(child.id())?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(answers), Some(errors)) = pipes else {
            return Err(io::Error::other("a child process without pipes"));
        };
        let stderr = Vec::new();
        let process = Self { child, group, requests, answers, errors: Some(errors), stderr, reaped: false };
        // A process that does not read its requests must not block this one.
        ioctl_fionbio(&process.requests, true)?;
        Ok(process)
    }

    /// Sends a request, which is one line, and waits for the answer. After `time` the process is killed. Blocks the calling thread.
    pub(super) fn ask(&mut self, request: &[u8], time: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + time;
        self.send(request, deadline)?;
        let (mut answer, mut chunk) = (Vec::new(), vec![0; CHUNK_BYTES]);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.end(Some(ChildExit::OutOfTime));
            }
            if !self.wait_for_answer(left)? {
                continue;
            }
            let read = self.answers.read(&mut chunk)?;
            let new = chunk.get(..read).unwrap_or_default();
            if new.is_empty() {
                return self.end_by_itself(deadline);
            }
            answer.extend_from_slice(new);
            if answer.len() > MAX_ANSWER_BYTES {
                return self.end(Some(ChildExit::OutOfOutput));
            }
            if new.contains(&b'\n') {
                return Ok(Answer::Line(answer));
            }
        }
    }

    /// Whether it runs and has said nothing since its last answer.
    pub(super) fn is_quiet(&self) -> bool {
        let Some(errors) = &self.errors else { return false };
        let mut fds = [PollFd::new(&self.answers, PollFlags::IN), PollFd::new(errors, PollFlags::IN)];
        poll_for(&mut fds, Duration::ZERO).is_ok_and(|ready| ready == 0)
    }

    /// Sends a request. A process that has ended is told by its answer.
    fn send(&mut self, mut request: &[u8], deadline: Instant) -> io::Result<()> {
        while !request.is_empty() {
            match self.requests.write(request) {
                Ok(sent) => request = request.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(());
                    }
                    poll_for(&mut [PollFd::new(&self.requests, PollFlags::OUT)], left)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits for a part of the answer, or for the end of all answers, at most `time`; `false` if there is none yet.
    fn wait_for_answer(&mut self, time: Duration) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(&self.answers, PollFlags::IN)];
        fds.extend(self.errors.as_ref().map(|errors| PollFd::new(errors, PollFlags::IN)));
        poll_for(&mut fds, time)?;
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (has_answer, has_error) = (is_ready(0), is_ready(1));
        if has_error {
            self.read_errors();
        }
        Ok(has_answer)
    }

    /// Keeps the beginning of standard error, and discards the rest. To be called when there is something to read.
    fn read_errors(&mut self) {
        let Some(errors) = &mut self.errors else { return };
        let mut chunk = vec![0; CHUNK_BYTES];
        match errors.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.errors = None,
            Ok(read) => {
                let kept = read.min(MAX_STDERR_BYTES.saturating_sub(self.stderr.len()));
                self.stderr.extend_from_slice(chunk.get(..kept).unwrap_or_default());
            }
        }
    }

    /// Reads standard error if there is something within `time`; whether there was.
    fn wait_for_errors(&mut self, time: Duration) -> io::Result<bool> {
        let mut fds: Vec<PollFd<'_>> =
            self.errors.iter().map(|errors| PollFd::new(errors, PollFlags::IN)).collect();
        let is_ready = poll_for(&mut fds, time)? > 0;
        if is_ready {
            self.read_errors();
        }
        Ok(is_ready)
    }

    /// Waits for the exit of a process that has closed its standard output.
    fn end_by_itself(&mut self, deadline: Instant) -> io::Result<Answer> {
        while !self.has_exited()? {
            if Instant::now() >= deadline {
                return self.end(Some(ChildExit::OutOfTime));
            }
            self.wait_for_errors(EXIT_CHECK_INTERVAL)?;
        }
        self.end(None)
    }

    /// Whether it has exited. It stays a zombie until it is reaped, so its id is not reused while it may still be killed.
    fn has_exited(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Kills the whole group. `cause` is the reason if this is what ends the process.
    fn end(&mut self, cause: Option<ChildExit>) -> io::Result<Answer> {
        let status = self.kill()?;
        // What it has written is in the pipe. A descendant that is being killed may still hold the other end.
        while self.wait_for_errors(Duration::ZERO)? {}
        let exit = match (cause, status.code(), status.signal()) {
            (Some(cause), ..) => cause,
            (None, Some(code), _) => ChildExit::Exited(code),
            (None, None, signal) => ChildExit::Killed(signal.unwrap_or_default()),
        };
        let stderr = String::from_utf8_lossy(&self.stderr).trim().to_owned();
        Ok(Answer::Ended { exit, stderr })
    }

    fn kill(&mut self) -> io::Result<ExitStatus> {
        // An error means that the group has no process left.
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.kill();
        }
    }
}

/// Waits at most `time` for one of `fds`; returns how many are ready. A signal may end it early.
fn poll_for(fds: &mut [PollFd<'_>], time: Duration) -> io::Result<usize> {
    let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(fds, Some(&timeout)) {
        Ok(ready) => Ok(ready),
        Err(Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
