//! Decoder processes that serve several recordings each.
//!
//! To start a process costs as much CPU time as a short recording. So a process that has prepared one is kept for the next, within
//! bounds: see [`Serving::may_serve_again`].

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::ChildProcess;
use super::{Isolation, Served, max_file_bytes, serve_recording};
use crate::decode::Decoder;
use crate::error::AudioError;
use crate::kind::Kind;
use crate::options::{Limits, Options};
use crate::prepare::Prepared;
use crate::program::{Request, Task};
use crate::rlimits::ResourceLimits;

/// Maximum number of recordings of a process: bounds what a defect that builds up can do.
const MAX_RECORDINGS: u32 = 32;
/// A process whose recordings took longer than this together gets no further one, so that each has all the CPU time of its limit left.
const MAX_TIME_BEFORE: Duration = Duration::from_secs(5);
/// A start waits this long for the ends of others, one of which may hang on a disk. A process that comes later is ended.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A process that was idle for this long is ended: it holds memory, and its executable may have been replaced.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// Runs [`prepare`](crate::prepare()) in child processes with resource limits, which are kept for further recordings. Clones share them.
///
/// The processes end with the last clone.
#[derive(Debug, Clone)]
pub struct DecoderPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    isolation: Isolation,
    idle: IdleProcesses,
    /// To the thread that starts processes, once there is one.
    starts: Mutex<Option<Sender<Start>>>,
}

impl DecoderPool {
    /// Starts nothing.
    pub fn new(isolation: Isolation) -> Self {
        Self(Arc::new(Shared { isolation, idle: IdleProcesses::default(), starts: Mutex::new(None) }))
    }

    /// As [`prepare_isolated`](crate::prepare_isolated). A recording never fails because of an earlier one: if a process that has
    /// served others fails, a new one decides.
    pub fn prepare(&self, input: &Path, output: &Path, options: &Options) -> Result<Prepared, AudioError> {
        let rlimits = rlimits(&self.0.isolation, &options.limits);
        if let Some(mut used) = self.0.idle.take(rlimits) {
            match used.prepare(input, output, options, &self.0.isolation) {
                Served::Answered(result) if !is_of_the_process(&result) => return self.keep(used, result),
                Served::Died(error @ AudioError::TimedOut { .. }) => return Err(error),
                Served::Answered(_) | Served::Died(_) => {
                    tracing::debug!(
                        served = used.served,
                        "a decoder failed that had served others; using a new one"
                    );
                }
            }
        }
        let mut new = Serving { process: self.start(rlimits)?, rlimits, served: 0, busy: Duration::ZERO };
        match new.prepare(input, output, options, &self.0.isolation) {
            Served::Answered(result) => self.keep(new, result),
            Served::Died(error) => Err(error),
        }
    }

    /// Keeps the process for further recordings, if it may serve them.
    fn keep(&self, serving: Serving, result: Result<Prepared, AudioError>) -> Result<Prepared, AudioError> {
        if result.as_ref().is_ok_and(|prepared| serving.may_serve_again(prepared)) {
            self.0.idle.put(serving);
        }
        result
    }

    /// Starts a process in the thread that starts all of them: the kernel ends a child with the thread that started it.
    fn start(&self, rlimits: ResourceLimits) -> io::Result<ChildProcess> {
        let command = self.0.isolation.program.command(&Request::new(rlimits, Task::Serve))?;
        let (reply, started) = sync_channel(1);
        let ended = || io::Error::other("the thread that starts decoders has ended");
        self.0.starter()?.send(Start { command, reply }).map_err(|_| ended())?;
        started.recv_timeout(START_TIMEOUT).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                io::Error::new(io::ErrorKind::TimedOut, "no decoder was started in time")
            }
            RecvTimeoutError::Disconnected => ended(),
        })?
    }
}

impl Shared {
    fn starter(&self) -> io::Result<Sender<Start>> {
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(starts) = &*starts {
            return Ok(starts.clone());
        }
        let (sender, receiver) = channel();
        let idle = self.idle.clone();
        std::thread::Builder::new().name("decoders".to_owned()).spawn(move || start_all(&receiver, &idle))?;
        *starts = Some(sender.clone());
        Ok(sender)
    }
}

/// Limits of a process of the pool. The time before the last recording is added to its CPU time, which is counted from its start.
fn rlimits(isolation: &Isolation, limits: &Limits) -> ResourceLimits {
    let cpu = limits.max_decode_time + MAX_TIME_BEFORE;
    ResourceLimits::new(isolation.max_memory_bytes, cpu, max_file_bytes(limits))
}

/// Whether a failure may come from what the process did before.
fn is_of_the_process(result: &Result<Prepared, AudioError>) -> bool {
    matches!(result, Err(AudioError::OutOfMemory { .. } | AudioError::Io(_)))
}

/// A process to be started.
struct Start {
    command: Command,
    reply: SyncSender<io::Result<ChildProcess>>,
}

/// Starts processes, and ends those that are not needed any more, until the pool is dropped.
fn start_all(starts: &Receiver<Start>, idle: &IdleProcesses) {
    loop {
        match starts.recv_timeout(MAX_IDLE) {
            Ok(Start { mut command, reply }) => {
                // If nobody waits for it any more, it is dropped, which ends it.
                let _ = reply.send(ChildProcess::start(&mut command));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        idle.end_unused(Instant::now());
    }
}

/// A process, with what it has done.
#[derive(Debug)]
struct Serving {
    process: ChildProcess,
    rlimits: ResourceLimits,
    /// Number of its recordings.
    served: u32,
    /// Time that they took.
    busy: Duration,
}

impl Serving {
    fn prepare(&mut self, input: &Path, output: &Path, options: &Options, isolation: &Isolation) -> Served {
        let started = Instant::now();
        let served = serve_recording(&mut self.process, (input, output), options, isolation);
        self.served += 1;
        self.busy += started.elapsed();
        served
    }

    /// Whether it may serve another recording after this one. Only code in Rust has worked in it, whose `unsafe` parts (the
    /// transforms of `rustfft`) do not depend on lengths of the input: then nothing of a recording is left that the next one can read, or
    /// that was changed for it.
    fn may_serve_again(&self, prepared: &Prepared) -> bool {
        self.served < MAX_RECORDINGS
            && self.busy < MAX_TIME_BEFORE
            && prepared.decoder == Decoder::Native
            && is_decoded_in_rust(prepared.input)
            && self.process.is_quiet()
    }
}

/// Whether the built-in decoders of all codecs in such files are written in Rust. Opus is decoded by a library in C.
fn is_decoded_in_rust(kind: Kind) -> bool {
    matches!(kind, Kind::Mp3 | Kind::Wav | Kind::Flac | Kind::OggFlac | Kind::OggVorbis | Kind::Adts)
}

/// Processes that wait for a recording, in the order in which they began to wait. Clones share them.
#[derive(Debug, Clone, Default)]
struct IdleProcesses(Arc<Mutex<Vec<(Instant, Serving)>>>);

impl IdleProcesses {
    /// The one that has waited least, so that the others end. A process that has died meanwhile, or said something unasked, is ended.
    fn take(&self, rlimits: ResourceLimits) -> Option<Serving> {
        loop {
            let (_, serving) = self.locked().pop()?;
            if serving.rlimits == rlimits && serving.process.is_quiet() {
                return Some(serving);
            }
        }
    }

    fn put(&self, serving: Serving) {
        self.locked().push((Instant::now(), serving));
    }

    fn end_unused(&self, now: Instant) {
        let unused: Vec<_> = {
            let mut processes = self.locked();
            let count =
                processes.partition_point(|(since, _)| now.saturating_duration_since(*since) >= MAX_IDLE);
            processes.drain(..count).collect()
        };
        // Unlocked: the drop waits for their ends.
        drop(unused);
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(Instant, Serving)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
