//! Common parts of the audio tests: fixtures, generated WAV files, and `ffmpeg` for all other formats.

use std::f64::consts::TAU;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flysk_audio::{AudioError, Decoded, Decoder, Ffmpeg, Options, PcmFormat, PcmSink, Prepared};
use tempfile::TempDir;

/// Path of a recording in `tests/fixtures/calls`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/calls").join(name)
}

/// The `ffmpeg` that the tests require, because only it can create several formats.
pub(crate) fn ffmpeg() -> Ffmpeg {
    #[expect(clippy::disallowed_methods, reason = "tests look for ffmpeg where a shell would")]
    let path = std::env::var("PATH").unwrap_or_default();
    Ffmpeg::find(&path).expect("ffmpeg is not in PATH: the audio tests make their inputs with it, install it")
}

pub(crate) fn with_ffmpeg() -> Options {
    Options { ffmpeg: Some(ffmpeg()), ..Options::default() }
}

/// Runs `ffmpeg -i input <arguments> output`.
pub(crate) fn convert(input: &Path, arguments: &str, output: &Path) {
    let run = Command::new(ffmpeg().path)
        .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
        .arg(input)
        .args(arguments.split_whitespace())
        .arg(output)
        .output()
        .expect("ffmpeg starts");
    assert!(run.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&run.stderr));
}

/// A temporary directory of one test.
pub(crate) struct TestDir {
    folder: TempDir,
}

impl TestDir {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.path("output")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a test file");
        path
    }

    pub(crate) fn prepare(&self, input: &Path, options: &Options) -> Result<Prepared, AudioError> {
        flysk_audio::prepare(input, &self.output(), options)
    }

    /// Files in the directory, to check that no temporary files remain.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// A program of shell commands; `$0.<name>` are files next to it.
pub(crate) fn script(dir: &TestDir, name: &str, commands: &str) -> PathBuf {
    let path = dir.write(name, format!("#!/bin/sh\n{commands}\n").as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("an executable");
    path
}

/// Whether a process that was killed ends: the kernel ends descendants after the child that was waited for.
pub(crate) fn ends(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_gone(pid) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Whether a process has ended; it may be a zombie until its adoptive parent reaps it.
fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
}

/// A sink that stores all samples.
#[derive(Default)]
pub(crate) struct CollectingSink {
    pub(crate) starts: Vec<(PcmFormat, Decoder)>,
    pub(crate) samples: Vec<f32>,
}

impl PcmSink for CollectingSink {
    fn start(&mut self, format: PcmFormat, decoder: Decoder) -> Result<(), AudioError> {
        self.starts.push((format, decoder));
        self.samples.clear();
        Ok(())
    }

    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        self.samples.extend_from_slice(samples);
        Ok(())
    }
}

pub(crate) fn decode(input: &Path, options: &Options) -> Result<(Decoded, CollectingSink), AudioError> {
    let mut sink = CollectingSink::default();
    flysk_audio::decode(input, options, &mut sink).map(|decoded| (decoded, sink))
}

/// Samples of a fixture in 16-bit PCM with the plain header of 44 bytes.
pub(crate) fn pcm_of(name: &str) -> Vec<i16> {
    let bytes = std::fs::read(fixture(name)).expect("the fixture");
    bytes[44..].chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect()
}

/// A WAV file with arbitrary header fields.
pub(crate) struct Wav {
    pub(crate) tag: u16,
    pub(crate) channels: u16,
    pub(crate) sample_rate: u32,
    pub(crate) bits: u16,
    /// Bytes of the format chunk after the first 16.
    pub(crate) extension: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// Sizes in the header; `None` for the correct ones.
    pub(crate) stated_riff: Option<u32>,
    pub(crate) stated_data: Option<u32>,
    /// Complete chunks before and after the data chunk.
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Wav {
    pub(crate) fn new(tag: u16, channels: u16, sample_rate: u32, bits: u16, data: Vec<u8>) -> Self {
        Self {
            tag,
            channels,
            sample_rate,
            bits,
            extension: Vec::new(),
            data,
            stated_riff: None,
            stated_data: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    pub(crate) fn pcm16(channels: u16, sample_rate: u32, samples: &[i16]) -> Self {
        Self::new(1, channels, sample_rate, 16, samples.iter().flat_map(|it| it.to_le_bytes()).collect())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let frame = self.channels * (self.bits / 8).max(1);
        let mut format = Vec::new();
        format.extend(self.tag.to_le_bytes());
        format.extend(self.channels.to_le_bytes());
        format.extend(self.sample_rate.to_le_bytes());
        format.extend((self.sample_rate * u32::from(frame)).to_le_bytes());
        format.extend(frame.to_le_bytes());
        format.extend(self.bits.to_le_bytes());
        format.extend(&self.extension);
        let mut body = b"WAVE".to_vec();
        body.extend(chunk(*b"fmt ", &format));
        body.extend(&self.before);
        body.extend(b"data");
        body.extend(self.stated_data.unwrap_or(len_u32(&self.data)).to_le_bytes());
        body.extend(&self.data);
        body.extend(&self.after);
        let mut file = b"RIFF".to_vec();
        file.extend(self.stated_riff.unwrap_or(len_u32(&body)).to_le_bytes());
        file.extend(body);
        file
    }
}

/// One RIFF chunk, padded to an even length.
pub(crate) fn chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend(len_u32(content).to_le_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a small file")
}

/// A sine of `hertz` and `ms` length at half of full scale times `gain`, sampled at 8 kHz.
pub(crate) fn tone(hertz: f64, ms: usize, gain: f64) -> Vec<i16> {
    (0..ms * 8)
        .map(|index| {
            #[expect(clippy::cast_precision_loss, reason = "a short signal")]
            let phase = TAU * hertz * index as f64 / 8000.0;
            #[expect(clippy::cast_possible_truncation, reason = "within half of the range")]
            let sample = (phase.sin() * 16_000.0 * gain) as i16;
            sample
        })
        .collect()
}

pub(crate) fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// Deterministic noise with peaks at `peak`.
pub(crate) fn noise(samples: usize, peak: i16) -> Vec<i16> {
    let mut state = 0x2545_f491_u32;
    (0..samples)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let unit = i32::from(u16::try_from(state >> 16).unwrap_or(0)) - 32_768;
            i16::try_from(unit * i32::from(peak) / 32_768).unwrap_or(0)
        })
        .collect()
}
