//! Decoding by `ffmpeg` in a child process, for telephony codecs without a Rust decoder.
//!
//! The child has access to one file (or gets its samples after a correct header on standard input) and one output pipe.
//! The demuxer is fixed, so that a disguised playlist is not interpreted. The child inherits no environment, has limits of
//! memory, CPU time and files (on Linux), and is killed after the time limit or when the source is dropped.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{PcmFormat, PcmSource, SourceError, Step};
use crate::kind::Kind;
use crate::options::Ffmpeg;
use crate::program::{LAUNCH_FAILED_EXIT_CODE, Program};
use crate::recording::Recording;
use crate::rlimits::ResourceLimits;

/// Maximum single allocation of the child, in bytes.
const MAX_ALLOCATION_BYTES: &str = "67108864";
/// Replaces holes of 40 ms and more between packets with silence, also before the first one.
const FILL_HOLES: [&str; 2] = ["-af", "aresample=async=1:first_pts=0:min_hard_comp=0.04"];
/// Accepts any share of undecodable packets.
const ANY_ERROR_RATE: [&str; 2] = ["-max_error_rate", "1"];
/// Message of ffmpeg about an unknown codec.
const UNKNOWN_CODEC: &str = "not found for input stream";
/// Kept length of its standard error, in bytes.
const MAX_STDERR_BYTES: u64 = 1024;
/// Samples per channel in a block.
const BLOCK_FRAMES: usize = 8 * 1024;
/// Interval of checking for the child's exit after the end of its output.
const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Decoded PCM from the child's pipe.
pub(crate) struct FfmpegSource {
    child: Arc<Mutex<Child>>,
    watchdog: Option<Watchdog>,
    stderr: Option<JoinHandle<String>>,
    feed: Option<JoinHandle<io::Result<()>>>,
    pipe: BufReader<ChildStdout>,
    bytes: Vec<u8>,
    format: PcmFormat,
}

impl FfmpegSource {
    /// Starts the child, which is killed after `time_left`, and reads the format of its output.
    pub(crate) fn open(
        ffmpeg: &Ffmpeg,
        launcher: Option<&Program>,
        recording: &Recording,
        time_left: Duration,
    ) -> Result<Self, SourceError> {
        let mut child = start(ffmpeg, launcher, recording, ResourceLimits::for_ffmpeg(time_left))?;
        let pipe = child.stdout.take();
        let stderr = child.stderr.take().map(|it| std::thread::spawn(move || read_stderr(it)));
        let input = child.stdin.take();
        let child = Arc::new(Mutex::new(child));
        let watchdog = Some(Watchdog::start(Arc::clone(&child), time_left));
        let Some(pipe) = pipe else {
            return Err(SourceError::Io(io::Error::other("no pipe from ffmpeg")));
        };
        let mut source = Self {
            child,
            watchdog,
            stderr,
            feed: None,
            pipe: BufReader::with_capacity(64 * 1024, pipe),
            bytes: Vec::new(),
            format: PcmFormat { sample_rate: 0, channels: 0 },
        };
        if let Some(input) = input {
            source.feed = Some(start_feeder(input, recording).map_err(SourceError::Io)?);
        }
        source.format = match read_wav_header(&mut source.pipe) {
            Ok(format) => format.checked()?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(source.exit_error()),
            Err(error) => return Err(SourceError::Io(error)),
        };
        source.bytes = vec![0; BLOCK_FRAMES * usize::from(source.format.channels) * 2];
        Ok(source)
    }

    /// Whether the child was killed after the time limit.
    pub(crate) fn timed_out(&self) -> bool {
        self.watchdog.as_ref().is_some_and(|it| it.fired.load(Ordering::Acquire))
    }

    /// Waits for the child's exit; `None` if waiting fails.
    fn wait_for_exit(&mut self) -> Option<ExitStatus> {
        loop {
            // Never wait while holding the lock: the watchdog needs it to kill a hanging child.
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => {}
                Err(_) => return None,
            }
            std::thread::sleep(EXIT_POLL_INTERVAL);
        }
    }

    /// Whether the child exited with status 0.
    fn exited_successfully(&mut self) -> bool {
        self.wait_for_exit().is_some_and(|status| status.success())
    }

    fn exit_error(&mut self) -> SourceError {
        let end = self.wait_for_exit();
        let stderr = self.stderr.take().and_then(|it| it.join().ok()).unwrap_or_default();
        if end.and_then(|it| it.code()) == Some(LAUNCH_FAILED_EXIT_CODE) {
            return SourceError::Io(io::Error::new(io::ErrorKind::NotFound, stderr));
        }
        if stderr.is_empty() && end.is_some_and(|it| it.success()) {
            return SourceError::Damaged("no audio in the file".to_owned());
        }
        if stderr.contains(UNKNOWN_CODEC) {
            return SourceError::Unsupported("codec without a decoder, also in ffmpeg".to_owned());
        }
        SourceError::Damaged(format!("ffmpeg: {stderr}"))
    }
}

impl PcmSource for FfmpegSource {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        let read = super::read_full(&mut self.pipe, &mut self.bytes).map_err(SourceError::Io)?;
        if read == 0 {
            let fed = self.feed.take().and_then(|it| it.join().ok());
            if let Some(Err(error)) = fed.filter(|it| !is_broken_pipe(it)) {
                return Err(SourceError::Io(error));
            }
            // Errors of single packets do not affect the exit status; a broken container does.
            return Ok(if self.exited_successfully() { Step::End } else { Step::Cut });
        }
        let frame = usize::from(self.format.channels) * 2;
        let whole = read - read % frame;
        block.extend(
            self.bytes[..whole]
                .chunks_exact(2)
                .map(|it| f32::from(i16::from_le_bytes([it[0], it[1]])) / 32_768.0),
        );
        Ok(Step::Block)
    }
}

impl Drop for FfmpegSource {
    fn drop(&mut self) {
        // Dropping its channel stops the watchdog. Then kill and reap the child.
        self.watchdog = None;
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        // The child has ended, so the feeder ends with a broken pipe.
        if let Some(feed) = self.feed.take() {
            let _ = feed.join();
        }
    }
}

/// Starts a thread that writes a correct header and the samples to the child's standard input.
fn start_feeder(mut input: ChildStdin, recording: &Recording) -> io::Result<JoinHandle<io::Result<()>>> {
    let (header, window) = (recording.header().to_vec(), recording.window());
    let mut file = File::open(&recording.path)?;
    file.seek(SeekFrom::Start(window.start))?;
    Ok(std::thread::spawn(move || {
        input.write_all(&header)?;
        io::copy(&mut file.take(window.end - window.start), &mut input).map(drop)
    }))
}

/// Whether the child exited before it read all input; its exit status has the reason.
fn is_broken_pipe(fed: &io::Result<()>) -> bool {
    fed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Starts `ffmpeg` with its resource limits.
fn start(
    ffmpeg: &Ffmpeg,
    launcher: Option<&Program>,
    recording: &Recording,
    rlimits: ResourceLimits,
) -> Result<Child, SourceError> {
    let command = match launcher {
        Some(launcher) => launcher.launch(rlimits, ffmpeg.path.as_os_str()).map_err(SourceError::Io)?,
        None => Command::new(&ffmpeg.path),
    };
    let mut child = add_arguments(command, recording).spawn().map_err(SourceError::Io)?;
    // Without a launcher, set the limits from outside, because code between `fork` and `exec` would be unsafe.
    if launcher.is_none()
        && let Err(error) = rlimits.apply_to(&child)
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(SourceError::Io(error));
    }
    Ok(child)
}

fn add_arguments(mut command: Command, recording: &Recording) -> Command {
    let fed = !recording.header().is_empty();
    command
        .env_clear()
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"])
        .args(["-max_alloc", MAX_ALLOCATION_BYTES, "-protocol_whitelist", "file,pipe,subfile"])
        .args(["-f", recording.kind.ffmpeg_demuxer()]);
    if recording.kind == Kind::Wav {
        // The window gives the end of the samples; the header may be wrong.
        command.args(["-ignore_length", "1"]);
    }
    command
        .arg("-i")
        .arg(if fed { OsString::from("pipe:0") } else { subfile_url(recording) })
        .args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-fflags", "+bitexact"])
        // AMR may consist of pauses that are errors to the decoder; by default two thirds of them fail the whole decoding.
        .args(if recording.ffmpeg_duration_ms().is_some() { &ANY_ERROR_RATE[..] } else { &[] })
        .args(if recording.kind.has_packet_times() { &FILL_HOLES[..] } else { &[] })
        .args(["-c:a", "pcm_s16le", "-f", "wav", "pipe:1"])
        .stdin(if fed { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// URL of the part with the recording, without stray bytes before and after it.
fn subfile_url(recording: &Recording) -> OsString {
    let window = recording.window();
    let mut input = OsString::from(format!("subfile,,start,{},end,{},,:file:", window.start, window.end));
    input.push(&recording.path);
    input
}

/// Kills the child after the time limit, even while its output is being read.
struct Watchdog {
    fired: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    fn start(child: Arc<Mutex<Child>>, time_left: Duration) -> Self {
        let fired = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel::<()>();
        let mark = Arc::clone(&fired);
        let thread = std::thread::spawn(move || {
            if stopped.recv_timeout(time_left) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                mark.store(true, Ordering::Release);
                let _ = lock(&child).kill();
            }
        });
        Self { fired, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first line of standard error. Reads and discards the rest, so that the child never blocks.
fn read_stderr(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(MAX_STDERR_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut pipe, &mut io::sink());
    let text = String::from_utf8_lossy(&kept);
    // "[demuxer @ 0x55d0c8] message": drop the address, and messages with paths of this server.
    let line = text.lines().next().unwrap_or_default();
    line.rsplit("] ").next().filter(|it| !it.contains("file:")).unwrap_or("invalid data").trim().to_owned()
}

/// Reads rate and channels from the header that `ffmpeg` writes to a pipe. The reader is then at the first sample.
fn read_wav_header(pipe: &mut impl Read) -> io::Result<PcmFormat> {
    let mut riff = [0; 12];
    pipe.read_exact(&mut riff)?;
    let mut format = None;
    loop {
        let mut head = [0; 8];
        pipe.read_exact(&mut head)?;
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if &head[..4] == b"data" {
            return format.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        }
        let mut chunk = Vec::new();
        pipe.by_ref().take(u64::from(size.min(4096))).read_to_end(&mut chunk)?;
        if &head[..4] == b"fmt " && chunk.len() >= 16 {
            format = Some(PcmFormat {
                channels: u16::from_le_bytes([chunk[2], chunk[3]]),
                sample_rate: u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]),
            });
        }
    }
}
