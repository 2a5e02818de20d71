//! Decoding in a child process, for the codecs of telephony nobody writes decoders for any more.
//!
//! The child sees one file (or what of it we write to its input, behind a header that is right) and one pipe, is told which demuxer to use (so that a playlist in disguise stays
//! noise), inherits no environment, has bounds on memory, processor and files (on Linux), and dies when the time is over
//! or when we lose interest.

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
use crate::confine::{Bounds, LAUNCH_FAILED, Program};
use crate::options::Ffmpeg;
use crate::recording::Recording;
use crate::sniff::Kind;

/// Largest single allocation the child may make, in bytes.
const MAX_ALLOCATION: &str = "67108864";
/// Bytes of its complaints that are kept.
const MAX_COMPLAINT: u64 = 1024;
/// Samples per channel in a block.
const BLOCK_FRAMES: usize = 8 * 1024;
/// How often the child is asked whether it has ended, once its output has.
const WAIT_STEP: Duration = Duration::from_millis(2);

/// Decoded PCM read from the child's pipe.
pub(crate) struct FfmpegSource {
    child: Arc<Mutex<Child>>,
    watchdog: Option<Watchdog>,
    complaint: Option<JoinHandle<String>>,
    feed: Option<JoinHandle<io::Result<()>>>,
    pipe: BufReader<ChildStdout>,
    bytes: Vec<u8>,
    format: PcmFormat,
}

impl FfmpegSource {
    /// Starts the child, which lives no longer than `time_left`, and reads the format of its output.
    pub(crate) fn open(
        ffmpeg: &Ffmpeg,
        launcher: Option<&Program>,
        recording: &Recording,
        time_left: Duration,
    ) -> Result<Self, SourceError> {
        let mut child = start(ffmpeg, launcher, recording, Bounds::of_ffmpeg(time_left))?;
        let pipe = child.stdout.take();
        let complaint = child.stderr.take().map(|it| std::thread::spawn(move || read_complaint(it)));
        let input = child.stdin.take();
        let child = Arc::new(Mutex::new(child));
        let watchdog = Some(Watchdog::start(Arc::clone(&child), time_left));
        let Some(pipe) = pipe else {
            return Err(SourceError::Io(io::Error::other("no pipe from ffmpeg")));
        };
        let mut source = Self {
            child,
            watchdog,
            complaint,
            feed: None,
            pipe: BufReader::with_capacity(64 * 1024, pipe),
            bytes: Vec::new(),
            format: PcmFormat { sample_rate: 0, channels: 0 },
        };
        if let Some(input) = input {
            source.feed = Some(feed(input, recording).map_err(SourceError::Io)?);
        }
        source.format = match read_wav_header(&mut source.pipe) {
            Ok(format) => format.checked()?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(source.why_it_ended()),
            Err(error) => return Err(SourceError::Io(error)),
        };
        source.bytes = vec![0; BLOCK_FRAMES * usize::from(source.format.channels) * 2];
        Ok(source)
    }

    /// Whether the child was stopped because its time was over.
    pub(crate) fn timed_out(&self) -> bool {
        self.watchdog.as_ref().is_some_and(|it| it.fired.load(Ordering::Acquire))
    }

    /// Waits for the end of the child; `None` if it cannot be known.
    fn end(&mut self) -> Option<ExitStatus> {
        loop {
            // Never wait under the lock: the watchdog needs it to kill a child that hangs here.
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => {}
                Err(_) => return None,
            }
            std::thread::sleep(WAIT_STEP);
        }
    }

    /// Whether the child ended by itself and was content.
    fn ended_well(&mut self) -> bool {
        self.end().is_some_and(|status| status.success())
    }

    fn why_it_ended(&mut self) -> SourceError {
        let end = self.end();
        let complaint = self.complaint.take().and_then(|it| it.join().ok()).unwrap_or_default();
        if end.and_then(|it| it.code()) == Some(LAUNCH_FAILED) {
            return SourceError::Io(io::Error::new(io::ErrorKind::NotFound, complaint));
        }
        if complaint.is_empty() && end.is_some_and(|it| it.success()) {
            return SourceError::Damaged("no audio in the file".to_owned());
        }
        SourceError::Damaged(format!("ffmpeg: {complaint}"))
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
            // Complaints about single packets do not spoil the exit status; a broken container does.
            return Ok(if self.ended_well() { Step::End } else { Step::Cut });
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
        // The watchdog ends with its channel; the child must not outlive us, nor stay a zombie.
        self.watchdog = None;
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        // Nobody reads what it writes any more.
        if let Some(feed) = self.feed.take() {
            let _ = feed.join();
        }
    }
}

/// Writes a header that is right, and the samples, to the input of the child.
fn feed(mut input: ChildStdin, recording: &Recording) -> io::Result<JoinHandle<io::Result<()>>> {
    let (header, window) = (recording.header().to_vec(), recording.window());
    let mut file = File::open(&recording.path)?;
    file.seek(SeekFrom::Start(window.start))?;
    Ok(std::thread::spawn(move || {
        input.write_all(&header)?;
        io::copy(&mut file.take(window.end - window.start), &mut input).map(drop)
    }))
}

/// The child has ended before its input did, and says itself why.
fn is_broken_pipe(fed: &io::Result<()>) -> bool {
    fed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Starts `ffmpeg` within bounds.
fn start(
    ffmpeg: &Ffmpeg,
    launcher: Option<&Program>,
    recording: &Recording,
    bounds: Bounds,
) -> Result<Child, SourceError> {
    let command = match launcher {
        Some(launcher) => launcher.launch(bounds, ffmpeg.path.as_os_str()).map_err(SourceError::Io)?,
        None => Command::new(&ffmpeg.path),
    };
    let mut child = add_arguments(command, recording).spawn().map_err(SourceError::Io)?;
    // Without a launcher the bounds come from outside, since code between `fork` and `exec` would have to be unsafe.
    if launcher.is_none()
        && let Err(error) = bounds.apply_to(&child)
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
        .args(["-max_alloc", MAX_ALLOCATION, "-protocol_whitelist", "file,pipe,subfile"])
        .args(["-f", recording.kind.ffmpeg_demuxer()]);
    if recording.kind == Kind::Wav {
        // The window says where the samples end; the header may not.
        command.args(["-ignore_length", "1"]);
    }
    command
        .arg("-i")
        .arg(if fed { OsString::from("pipe:0") } else { part_of_file(recording) })
        .args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-fflags", "+bitexact"])
        .args(["-c:a", "pcm_s16le", "-f", "wav", "pipe:1"])
        .stdin(if fed { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Only the part that holds the recording: no stray bytes before it, nor what is no sound behind it.
fn part_of_file(recording: &Recording) -> OsString {
    let window = recording.window();
    let mut input = OsString::from(format!("subfile,,start,{},end,{},,:file:", window.start, window.end));
    input.push(&recording.path);
    input
}

/// Kills the child when its time is over, also while we wait for its output.
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

/// The first complaint of the child in one line; the rest is read and dropped so that it never blocks.
fn read_complaint(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(MAX_COMPLAINT).read_to_end(&mut kept);
    let _ = io::copy(&mut pipe, &mut io::sink());
    let text = String::from_utf8_lossy(&kept);
    // "[demuxer @ 0x55d0c8] what is wrong": the address says nothing, and paths are the server's own.
    let line = text.lines().next().unwrap_or_default();
    line.rsplit("] ").next().filter(|it| !it.contains("file:")).unwrap_or("invalid data").trim().to_owned()
}

/// Rate and channels from the header that `ffmpeg` writes to a pipe; leaves the reader at the first sample.
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
