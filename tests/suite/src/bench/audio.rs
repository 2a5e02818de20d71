//! Benchmark of audio preparation: CPU time and memory per hour of audio, compared with ffmpeg and sox.

mod corpus;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Deserialize;
use tempfile::TempDir;
use xtask::tools::{FFMPEG, SOX};

use super::child::{Cost, measure};
use super::machine::version;
use super::servers::binaries;
use super::table::{Table, at_most, budgets};
use crate::environment::RECORDINGS;

/// Runs of each command, alternating with the others. The run with the least CPU time counts: it was disturbed
/// least.
const MEASURED_ROUNDS: usize = 3;
/// Length of the long recording, in minutes: just under the 4 h that SpeechKit accepts.
const LONG_MINUTES: u32 = 239;
/// Memory budget for a 4 h call.
const LONG_BUDGET_MIB: f64 = 64.0;

/// Budget for the CPU time of a format that is decoded in process, as a multiple of ffmpeg's.
const CPU_BUDGET: f64 = 1.0;
/// The same for stereo MP3 at 44.1 kHz.
const STEREO_MP3_BUDGET: f64 = 0.6;
const STEREO_MP3: &str = "44.1 kHz stereo MP3";
/// Budget for its CPU time as a multiple of that of symphonia's decoder alone, which no work of ours can shorten.
const BARE_BUDGET: f64 = 1.15;
/// Memory budget of a format that is decoded in process.
const MEMORY_BUDGET_MIB: f64 = 16.0;
/// Value of [`Prepared::decoder`] for formats that are decoded in process.
const NATIVE_DECODER: &str = "Native";

/// Budget for the CPU time in an isolated process, as a multiple of the CPU time in process.
const OVERHEAD_BUDGET: f64 = 1.15;
/// Budget for the start of an isolated process, in milliseconds. Measured over `START_COUNT` runs with the
/// shortest recording.
const START_BUDGET_MS: f64 = 20.0;
const START_COUNT: usize = 20;
const SHORTEST_RECORDING: &str = "short-400ms.wav";

/// Measured inputs: name and the fixture that is looped.
const INPUTS: [(&str, &str); 4] = [
    ("8 kHz mono MP3", "sales-mono-8k.mp3"),
    (STEREO_MP3, "sales-stereo-44k.mp3"),
    ("8 kHz stereo µ-law WAV", "support-stereo-mulaw.wav"),
    ("mono Ogg Opus", "support-mono-opus.ogg"),
];

/// JSON output of `flysk-prepare`: the fields that the peers' commands are derived from.
#[derive(Debug, Deserialize)]
struct Prepared {
    decoder: String,
    passthrough: bool,
    container: String,
    channels: u16,
    sample_rate: u32,
    duration_ms: u64,
}

/// Executables and the working directory.
struct Tools {
    prepare: PathBuf,
    ffmpeg: PathBuf,
    sox: Option<PathBuf>,
    folder: TempDir,
}

/// Runs the benchmark on recordings of `minutes` minutes.
pub(super) async fn run(minutes: u32) -> anyhow::Result<String> {
    tokio::task::spawn_blocking(move || Tools::find()?.run(minutes)).await?
}

impl Tools {
    fn find() -> anyhow::Result<Self> {
        let prepare = binaries()?.join("flysk-prepare");
        anyhow::ensure!(prepare.is_file(), "`flysk-prepare` of flysk-audio is not built");
        let ffmpeg = FFMPEG.find().context("ffmpeg is not installed")?;
        Ok(Self { prepare, ffmpeg, sox: SOX.find(), folder: tempfile::tempdir()? })
    }

    fn run(&self, minutes: u32) -> anyhow::Result<String> {
        let mut costs = Table::new(&[
            "one hour of",
            "output",
            "ours",
            "ours, in an isolated process",
            "ours, decoding only",
            "symphonia's decoder alone",
            "`ffmpeg -threads 1`",
            "sox",
            "ours ÷ ffmpeg (CPU)",
        ]);
        let mut verdicts = budgets();
        for (name, fixture) in INPUTS {
            let input = looped(&self.ffmpeg, fixture, minutes, self.folder.path())?;
            let measured = self.compare(&input).with_context(|| format!("{name}, {fixture}"))?;
            costs.row(measured.cells(name));
            measured.judge(name, &mut verdicts);
            verdicts.row(vec![
                format!("CPU time in an isolated process ≤ 1.15 of that in process, {name}"),
                format!("{:.2}", measured.overhead()),
                at_most(
                    measured.overhead(),
                    OVERHEAD_BUDGET,
                    "the start of the process weighs more on short recordings",
                ),
            ]);
        }
        self.compare_formats(minutes, &mut costs, &mut verdicts);
        let (long_name, long_fixture) = INPUTS[0];
        let long = looped(&self.ffmpeg, long_fixture, LONG_MINUTES, self.folder.path())?;
        let cost = measure(Command::new(&self.prepare).arg(&long).arg(self.folder.path().join("long.out")))?;
        let peak = mib(cost.peak_kib);
        verdicts.row(vec![
            "peak memory of a 4 h call < 64 MiB".to_owned(),
            format!("{peak:.1} MiB, {:.2} s ({long_name}, {LONG_MINUTES} min)", cost.cpu.as_secs_f64()),
            at_most(peak, LONG_BUDGET_MIB, "memory grows with the length of the recording"),
        ]);
        let start_ms = self.start_ms()?;
        verdicts.row(vec![
            "an isolated process starts in ≤ 20 ms".to_owned(),
            format!("{start_ms:.1} ms"),
            at_most(start_ms, START_BUDGET_MS, "the machine was busy"),
        ]);
        Ok(format!("{costs}\n{verdicts}\n{}", self.remarks(minutes)))
    }

    /// Extra wall-clock time of an isolated process for the shortest recording, in milliseconds.
    fn start_ms(&self) -> anyhow::Result<f64> {
        let input = xtask::workspace::root().join(RECORDINGS).join(SHORTEST_RECORDING);
        let output = self.folder.path().join("short.out");
        let mut quickest = [Duration::MAX; 2];
        for _ in 0..START_COUNT {
            for (quickest, options) in quickest.iter_mut().zip([&[][..], &["--isolated"]]) {
                let started = Instant::now();
                let run = Command::new(&self.prepare).args(options).arg(&input).arg(&output).output()?;
                anyhow::ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
                *quickest = (*quickest).min(started.elapsed());
            }
        }
        let [in_process, isolated] = quickest;
        Ok(isolated.saturating_sub(in_process).as_secs_f64() * 1_000.0)
    }

    /// Measures each format of the corpus. One that this ffmpeg cannot make, or that is refused, is named with the reason.
    fn compare_formats(&self, minutes: u32, costs: &mut Table, verdicts: &mut Table) {
        let conversation = xtask::workspace::root().join(RECORDINGS).join(corpus::CONVERSATION);
        for format in corpus::FORMATS {
            let name = format.0;
            let measured = corpus::make(&self.ffmpeg, &conversation, format, minutes, self.folder.path())
                .and_then(|input| self.compare(&input));
            match measured {
                Ok(measured) => {
                    costs.row(measured.cells(name));
                    measured.judge(name, verdicts);
                }
                Err(error) => costs.row(vec![name.to_owned(), format!("not measured: {error:#}")]),
            }
        }
    }

    /// Measures ours and the peers with one recording, in alternation.
    fn compare(&self, input: &Path) -> anyhow::Result<Measured> {
        let output = self.folder.path().join("out.wav");
        let mut ours = Command::new(&self.prepare);
        ours.arg(input).arg(&output);
        let prepared: Prepared = serde_json::from_str(&measure(&mut ours)?.stdout)?;
        let mut isolated = Command::new(&self.prepare);
        isolated.arg("--isolated").arg(input).arg(&output);
        let mut decode = Command::new(&self.prepare);
        decode.arg("--decode").arg(input);
        let mut bare = Command::new(&self.prepare);
        bare.arg("--bare").arg(input);
        let mut ffmpeg = self.ffmpeg(input, &output, &prepared);
        let mut sox = self.sox.as_ref().map(|sox| sox_command(sox, input, &output, &prepared));
        let mut best: [Option<anyhow::Result<Cost>>; 6] = [None, None, None, None, None, None];
        for _ in 0..MEASURED_ROUNDS {
            let commands = [
                Some(&mut ours),
                Some(&mut isolated),
                Some(&mut decode),
                Some(&mut bare),
                Some(&mut ffmpeg),
                sox.as_mut(),
            ];
            for (best, command) in best.iter_mut().zip(commands) {
                if let Some(command) = command {
                    *best = Some(cheaper(best.take(), measure(command)));
                }
            }
        }
        let [ours, isolated, decode, bare, ffmpeg, sox] = best;
        let (ours, isolated) = (ours.context("not run")??, isolated.context("not run")??);
        let ffmpeg = ffmpeg.context("not run")??;
        Ok(Measured { prepared, ours, isolated, decode, bare, ffmpeg, sox })
    }

    /// ffmpeg command that does the same work. If the recording is uploaded unchanged, ours decodes and writes
    /// nothing, and so does ffmpeg.
    fn ffmpeg(&self, input: &Path, output: &Path, prepared: &Prepared) -> Command {
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-nostdin", "-v", "error", "-threads", "1", "-y", "-i"]).arg(input);
        if prepared.keeps_its_frames() {
            command.args(["-map", "0:a", "-f", "null", "-"]);
        } else {
            command.args(["-ar", &prepared.sample_rate.to_string(), "-ac", &prepared.channels.to_string()]);
            command.args(["-c:a", "pcm_s16le"]).arg(output);
        }
        command
    }

    fn remarks(&self, minutes: u32) -> String {
        let sox = self.sox.as_deref().and_then(|sox| version(sox, &["--version"]));
        format!(
            "Recordings of {minutes} min, looped from `{RECORDINGS}` by `ffmpeg -stream_loop -1 -t … -c copy`; of {MEASURED_ROUNDS} alternating\n\
             runs the one with the least CPU time counts. The formats without a fixture are made by ffmpeg from `{}`, looped to the same\n\
             length; those that ours leaves to ffmpeg have no budget. CPU is user + system time, memory the peak of the process. Commands: `flysk-prepare IN OUT`, with\n\
             `--isolated` as workers do it, `flysk-prepare --decode IN`, and `flysk-prepare --bare IN`, which reads the packets and drops\n\
             what symphonia's decoder returns: the bound for everything that uses it;\n\
             `ffmpeg -threads 1 -i IN -map 0:a -f null -` and `sox IN -n` if the recording is uploaded unchanged;\n\
             `ffmpeg -threads 1 -i IN -ar R -ac C -c:a pcm_s16le OUT` and `sox IN -r R -c C -b 16 OUT` if it is converted.\n\
             Peers: {}; {}.\n",
            corpus::CONVERSATION,
            version(&self.ffmpeg, &["-version"]).unwrap_or_else(|| "ffmpeg".to_owned()),
            sox.unwrap_or_else(|| "sox is not installed".to_owned()),
        )
    }
}

/// Costs of one recording.
struct Measured {
    prepared: Prepared,
    ours: Cost,
    isolated: Cost,
    decode: Option<anyhow::Result<Cost>>,
    /// The decoder of symphonia without anything of ours; an error if it has none for the format.
    bare: Option<anyhow::Result<Cost>>,
    ffmpeg: Cost,
    /// `None` if it is not installed.
    sox: Option<anyhow::Result<Cost>>,
}

impl Measured {
    /// CPU time as a multiple of ffmpeg's.
    fn ratio(&self) -> f64 {
        self.ours.cpu.as_secs_f64() / self.ffmpeg.cpu.as_secs_f64()
    }

    /// CPU time in an isolated process as a multiple of that in process.
    fn overhead(&self) -> f64 {
        self.isolated.cpu.as_secs_f64() / self.ours.cpu.as_secs_f64()
    }

    /// CPU time of symphonia's decoder alone, in seconds; `None` if it cannot decode the format.
    fn bare_seconds(&self) -> Option<f64> {
        self.bare.as_ref()?.as_ref().ok().map(|cost| cost.cpu.as_secs_f64())
    }

    /// Row of the table of costs.
    fn cells(&self, name: &str) -> Vec<String> {
        let hours = Duration::from_millis(self.prepared.duration_ms).as_secs_f64() / 3_600.0;
        let cell =
            |cost: &Cost| format!("{:.2} s, {:.0} MiB", cost.cpu.as_secs_f64() / hours, mib(cost.peak_kib));
        let told = |cost: Option<&anyhow::Result<Cost>>| match cost {
            None => "not installed".to_owned(),
            Some(Ok(cost)) => cell(cost),
            Some(Err(_)) => "cannot read the format".to_owned(),
        };
        let target = self.prepared.target();
        vec![
            name.to_owned(),
            if self.is_native() { target } else { format!("{target}; decoded by ffmpeg") },
            cell(&self.ours),
            // No memory figure: the measured process is the idle parent.
            format!("{:.2} s", self.isolated.cpu.as_secs_f64() / hours),
            told(self.decode.as_ref()),
            told(self.bare.as_ref()),
            cell(&self.ffmpeg),
            told(self.sox.as_ref()),
            format!("{:.2}", self.ratio()),
        ]
    }

    /// Adds the verdicts of a format that is decoded in process. Formats that ffmpeg decodes have no budget.
    fn judge(&self, name: &str, verdicts: &mut Table) {
        if !self.is_native() {
            return;
        }
        let budget = if name == STEREO_MP3 { STEREO_MP3_BUDGET } else { CPU_BUDGET };
        let bare = self.bare_seconds();
        let decoder = bare.map_or(0.0, |seconds| seconds / self.ffmpeg.cpu.as_secs_f64());
        let why = if decoder > budget {
            format!("the decoder alone takes {decoder:.2} of ffmpeg's")
        } else {
            "ours also detects speech, tones and equal channels while decoding".to_owned()
        };
        verdicts.row(vec![
            format!("CPU time ≤ {budget:.1} of ffmpeg's, {name}"),
            format!("{:.2} of ffmpeg's", self.ratio()),
            at_most(self.ratio(), budget, &why),
        ]);
        if let Some(seconds) = bare.filter(|_| name == STEREO_MP3) {
            let share = self.ours.cpu.as_secs_f64() / seconds;
            verdicts.row(vec![
                format!("CPU time ≤ {BARE_BUDGET} of that of symphonia's decoder alone, {name}"),
                format!("{share:.2}"),
                at_most(share, BARE_BUDGET, "measuring takes more than a few additions for each sample"),
            ]);
        }
        let peak = mib(self.ours.peak_kib);
        verdicts.row(vec![
            format!("peak memory < 16 MiB, {name}"),
            format!("{peak:.1} MiB"),
            at_most(peak, MEMORY_BUDGET_MIB, "the decoder keeps more than its window"),
        ]);
    }

    fn is_native(&self) -> bool {
        self.prepared.decoder == NATIVE_DECODER
    }
}

impl Prepared {
    /// Whether nothing is re-encoded: the recording is uploaded unchanged, or its frames without the surrounding
    /// metadata.
    fn keeps_its_frames(&self) -> bool {
        self.passthrough || self.container == "Mp3"
    }

    fn target(&self) -> String {
        if self.keeps_its_frames() {
            "unchanged, measured".to_owned()
        } else {
            format!("16-bit WAV, {} Hz, {} channel(s)", self.sample_rate, self.channels)
        }
    }
}

/// A recording of `minutes` minutes in `folder`: a fixture repeated without re-encoding.
pub(super) fn looped(ffmpeg: &Path, fixture: &str, minutes: u32, folder: &Path) -> anyhow::Result<PathBuf> {
    let fixture = xtask::workspace::root().join(RECORDINGS).join(fixture);
    let extension = fixture.extension().and_then(|it| it.to_str()).context("a fixture has an extension")?;
    let looped = folder.join(format!("{minutes}min.{extension}"));
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i"]).arg(fixture);
    command.args(["-t", &(minutes * 60).to_string(), "-c", "copy"]).arg(&looped);
    measure(&mut command)?;
    Ok(looped)
}

fn sox_command(sox: &Path, input: &Path, output: &Path, prepared: &Prepared) -> Command {
    let mut command = Command::new(sox);
    command.arg(input);
    if prepared.keeps_its_frames() {
        command.arg("-n");
    } else {
        command.args([
            "-r",
            &prepared.sample_rate.to_string(),
            "-c",
            &prepared.channels.to_string(),
            "-b",
            "16",
        ]);
        command.arg(output);
    }
    command
}

/// The run with less CPU time. An error is kept.
fn cheaper(before: Option<anyhow::Result<Cost>>, now: anyhow::Result<Cost>) -> anyhow::Result<Cost> {
    match (before, now) {
        (Some(Ok(before)), Ok(now)) if before.cpu <= now.cpu => Ok(before),
        (Some(Err(error)), _) => Err(error),
        (_, now) => now,
    }
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
