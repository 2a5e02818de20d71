//! Whole calls as fast as one worker takes them: CPU time per call beside decoding it once, and calls per second.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_simulators::speechkit::Quotas;
use flysk_simulators::{amocrm, yandexgpt};
use xtask::tools::FFMPEG;

use crate::bench::audio::looped;
use crate::bench::child::{cpu_of, cpu_of_machine, cpu_with_children_of, measure};
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most, budgets};
use crate::bench::times::{Sample, Times};
use crate::environment::{Environment, Options};

/// Measured calls, all at once.
const CALLS: u32 = 200;
/// Calls before them: connections, caches, and the simulator's own decoding of the recording.
const WARM_UP_CALLS: u32 = 4;
const FIXTURE: &str = "sales-mono-8k.mp3";
const CALL_MINUTES: u32 = 5;
/// Length of the recording that the cost of decoding is measured with: CPU time is counted in steps of 10 ms.
const DECODED_MINUTES: u32 = 120;
/// Runs of the decoder. The one with the least CPU time counts.
const DECODED_ROUNDS: usize = 3;
/// CPU time of a call, as a multiple of decoding it once.
const MAX_CPU_PER_DECODING: f64 = 1.5;
/// Share of the machine's CPU time from which it counts as the bound.
const MIN_CPU_SHARE_OF_BOUND: f64 = 0.85;
/// A call of 5 minutes costs some 12 Flycoins.
const WELCOME_BONUS_MICRO: i64 = 100_000_000_000;
/// Timeout for all calls.
const WAIT_TIMEOUT: Duration = Duration::from_mins(10);
/// Interval of the queries whether all calls have ended.
const QUERY_INTERVAL: Duration = Duration::from_millis(200);

/// Variables that lift the limits: outside services answer at once and refuse nobody.
const UNLIMITED: [(&str, &str); 8] = [
    ("FLYSK_HOOKS_PER_HOUR", "10000000"),
    ("FLYSK_BACKEND_REQUESTS_PER_MINUTE", "100000000"),
    ("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "1000"),
    ("FLYSK_SPEECHKIT_SUBMITS_PER_HOUR", "1000000"),
    ("FLYSK_SPEECHKIT_STATUS_CHECKS_PER_SECOND", "10000"),
    ("FLYSK_SPEECHKIT_POLL_FIRST_MS", "100"),
    ("FLYSK_SPEECHKIT_POLL_EVERY_MS", "100"),
    ("FLYSK_SPEECHKIT_POLL_AUDIO_PER_WAIT", "100000"),
];

/// CPU time so far of each party.
#[derive(Debug, Clone, Copy)]
struct CpuTimes {
    worker: Duration,
    api: Duration,
    simulators: Duration,
    machine: Duration,
}

impl CpuTimes {
    fn read(env: &Environment) -> anyhow::Result<Self> {
        Ok(Self {
            worker: cpu_with_children_of(env.pid(1)?)?,
            api: cpu_of(env.pid(0)?)?,
            simulators: cpu_of(std::process::id())?,
            machine: cpu_of_machine()?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            worker: self.worker.saturating_sub(before.worker),
            api: self.api.saturating_sub(before.api),
            simulators: self.simulators.saturating_sub(before.simulators),
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    /// Of the databases, and of everything else on the machine.
    fn others(self) -> Duration {
        self.machine.saturating_sub(self.worker + self.api + self.simulators)
    }
}

/// Figures of the measured calls.
struct Measured {
    /// CPU time of decoding one call once, and of its whole preparation.
    decoding: Duration,
    preparing: Duration,
    cpu: CpuTimes,
    /// From the first call until nothing was left to do.
    wall: Duration,
    calls_per_second: f64,
    /// Stage, and the times that the calls spent in it.
    stages: Vec<(String, Times)>,
}

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let ffmpeg = FFMPEG.find().context("ffmpeg is not installed")?;
    let (prepare, path) = (servers.binaries.join("flysk-prepare"), folder.path().to_owned());
    let recording = looped(&ffmpeg, FIXTURE, CALL_MINUTES, &path)?;
    let name = recording.file_name().and_then(|name| name.to_str()).context("a recording has a name")?;
    let costs = tokio::task::spawn_blocking(move || audio_costs(&prepare, &ffmpeg, &path)).await??;
    let mut options = Options {
        recordings: folder.path().to_owned(),
        welcome_bonus: Some(WELCOME_BONUS_MICRO),
        ..servers.environment()
    };
    options.more.extend(UNLIMITED.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let env = Environment::start(options).await.context("the environment does not start")?;
    lift_quotas(&env);
    env.install().await.context("FlySense cannot be installed")?;
    let measured = calls(&env, &env.simulators.recording_url(name), costs).await?;
    env.stop()?;
    measured.report()
}

/// CPU time of decoding one call once, and of preparing it.
fn audio_costs(prepare: &Path, ffmpeg: &Path, folder: &Path) -> anyhow::Result<(Duration, Duration)> {
    anyhow::ensure!(prepare.is_file(), "`flysk-prepare` of flysk-audio is not built");
    let input: PathBuf = looped(ffmpeg, FIXTURE, DECODED_MINUTES, folder)?;
    let mut least = [Duration::MAX; 2];
    for _ in 0..DECODED_ROUNDS {
        let mut decode = Command::new(prepare);
        decode.arg("--decode").arg(&input);
        let mut whole = Command::new(prepare);
        whole.arg(&input).arg(folder.join("prepared.out"));
        for (least, command) in least.iter_mut().zip([&mut decode, &mut whole]) {
            *least = (*least).min(measure(command)?.cpu);
        }
    }
    let [decoding, preparing] = least.map(|cost| cost / (DECODED_MINUTES / CALL_MINUTES));
    Ok((decoding, preparing))
}

/// Outside services that refuse nobody and answer at once.
fn lift_quotas(env: &Environment) {
    let simulators = &env.simulators;
    simulators.amocrm.state.set_behaviour(amocrm::Behaviour {
        requests_per_s: 100_000,
        account_requests_per_s: 100_000,
        ..simulators.amocrm.state.behaviour()
    });
    simulators.speechkit.state.set_quotas(Quotas {
        submits_per_hour: 1_000_000,
        checks_per_second: 100_000,
        simultaneous_summarizations: 1_000,
    });
    simulators
        .yandexgpt
        .state
        .behave(yandexgpt::Behaviour { answer_ms: 0, ..simulators.yandexgpt.state.behaviour() });
}

async fn calls(env: &Environment, url: &str, costs: (Duration, Duration)) -> anyhow::Result<Measured> {
    let arrive = |calls: u32| {
        (0..calls).try_for_each(|_| {
            env.simulators.call_arrives(Some(url.to_owned()), CALL_MINUTES * 60).map(|_note| ())
        })
    };
    arrive(WARM_UP_CALLS)?;
    wait_until_quiet(env, WARM_UP_CALLS).await?;
    let (before, from, clock) = (CpuTimes::read(env)?, SystemClock.now(), Instant::now());
    arrive(CALLS)?;
    wait_until_quiet(env, WARM_UP_CALLS + CALLS).await?;
    let (cpu, wall) = (CpuTimes::read(env)?.since(before), clock.elapsed());
    let last: DateTime<Utc> =
        sqlx::query_scalar("SELECT MAX(finished_at) FROM transcriptions").fetch_one(&env.pool).await?;
    let seconds = Sample(from.timestamp_micros(), last.timestamp_micros()).late().as_secs_f64();
    Ok(Measured {
        decoding: costs.0,
        preparing: costs.1,
        cpu,
        wall,
        calls_per_second: f64::from(CALLS) / seconds,
        stages: stages(env, from).await?,
    })
}

/// Waits until this many calls have their transcripts and are paid for, and none of their jobs is due or running.
async fn wait_until_quiet(env: &Environment, wanted: u32) -> anyhow::Result<()> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let states: Vec<(String, i64)> = sqlx::query_as(
            "SELECT CONCAT(c.state, ' ', COALESCE(p.state, '')), COUNT(*) FROM transcriptions c
             LEFT JOIN flysense_payments p ON p.transcription_id = c.id AND p.run = c.run GROUP BY 1",
        )
        .fetch_all(&env.pool)
        .await?;
        let jobs: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM jobs WHERE kind LIKE 'calls.%' AND state IN ('queued', 'running')
             AND run_at <= UTC_TIMESTAMP(6)",
        )
        .fetch_one(&env.pool)
        .await?;
        let done = states.iter().find(|(state, _)| state == "done paid").map_or(0, |(_, calls)| *calls);
        if done >= i64::from(wanted) && jobs == 0 {
            return Ok(());
        }
        let is_lost = |state: &str| {
            ["failed", "cancelled", "no_speech", "no_balance"].iter().any(|end| state.starts_with(end))
        };
        if Instant::now() > deadline || states.iter().any(|(state, _)| is_lost(state)) {
            bail!("of {wanted} calls: {states:?}; {jobs} jobs\n{}", env.logs());
        }
        tokio::time::sleep(QUERY_INTERVAL).await;
    }
}

/// Times that the calls since `from` spent in each stage, in the order of the stages.
async fn stages(env: &Environment, from: DateTime<Utc>) -> anyhow::Result<Vec<(String, Times)>> {
    let rows: Vec<(String, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT stage, started_at, ended_at FROM transcription_stages WHERE started_at >= ? ORDER BY started_at",
    )
    .bind(from)
    .fetch_all(&env.pool)
    .await?;
    let mut stages: Vec<(String, Vec<Duration>)> = Vec::new();
    for (stage, start, end) in rows {
        let time = Sample(start.timestamp_micros(), end.timestamp_micros()).late();
        match stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, times)) => times.push(time),
            None => stages.push((stage, vec![time])),
        }
    }
    stages.into_iter().map(|(stage, times)| Ok((stage, Times::new(times).context("no call")?))).collect()
}

impl Measured {
    fn report(&self) -> anyhow::Result<String> {
        let cores = f64::from(u32::try_from(std::thread::available_parallelism()?.get())?);
        let per_call = self.cpu.worker / CALLS;
        let ratio = per_call.as_secs_f64() / self.decoding.as_secs_f64();
        let mut table = Table::new(&["CPU time", "per call", "cores at once"]);
        let mut put = |name: &str, cpu: Duration| {
            let at_once = cpu.as_secs_f64() / self.wall.as_secs_f64();
            table.row(vec![name.to_owned(), ms(cpu / CALLS), format!("{at_once:.2}")]);
        };
        put("worker and its children", self.cpu.worker);
        put("API", self.cpu.api);
        put("simulators", self.cpu.simulators);
        put("databases and everything else", self.cpu.others());
        put("the machine", self.cpu.machine);
        table.row(vec!["of these, decoding once".to_owned(), ms(self.decoding)]);
        table.row(vec![
            "of these, preparing (decoding, speech, tones, output)".to_owned(),
            ms(self.preparing),
        ]);
        let mut stages = Table::new(&["stage", "calls", "p50", "p99"]);
        for (stage, times) in &self.stages {
            let cell = |percent| format!("{:.0} ms", times.ms(percent));
            stages.row(vec![stage.clone(), times.count().to_string(), cell(50), cell(99)]);
        }
        let why = format!(
            "preparing takes {} of it; the rest is the jobs, statements and requests of {} stages",
            ms(self.preparing),
            self.stages.len()
        );
        let mut verdicts = budgets();
        verdicts.row(vec![
            format!("CPU of worker and children per call of {CALL_MINUTES} min ≤ {MAX_CPU_PER_DECODING} × decoding it once"),
            format!("{ratio:.2} ×, {}", ms(per_call)),
            at_most(ratio, MAX_CPU_PER_DECODING, &why),
        ]);
        verdicts.row(vec![
            format!("whole calls per second, one worker, {cores:.0} cores for everything"),
            format!("{:.1}", self.calls_per_second),
            self.bound(cores),
        ]);
        Ok(format!(
            "{table}\n{stages}\n{verdicts}\n{CALLS} calls of {CALL_MINUTES} min arrive at once: 8 kHz MP3, looped from `{FIXTURE}`; all stages, from the webhook to the receipt and\n\
             the deletion of the audio. The simulated outside answers at once, without quotas, and Flysk's limits of requests are lifted. The cost of\n\
             decoding is that of {DECODED_MINUTES} min with `flysk-prepare --decode`, divided. Cores are counted until nothing was left to do, calls per second\n\
             until the last transcript. The times of stages include the waiting for a free place in the worker.\n"
        ))
    }

    /// What bounds the calls per second: a full machine, and who uses most of it, or the longest stage.
    fn bound(&self, cores: f64) -> String {
        let busy = self.cpu.machine.as_secs_f64() / self.wall.as_secs_f64() / cores;
        if busy >= MIN_CPU_SHARE_OF_BOUND {
            let parties = [
                ("the worker", self.cpu.worker),
                ("the API", self.cpu.api),
                ("the simulators", self.cpu.simulators),
                ("the databases", self.cpu.others()),
            ];
            let most = parties.into_iter().max_by_key(|(_, cpu)| *cpu).map_or("nobody", |(name, _)| name);
            return format!("bound by the CPU, {:.0} % busy, most of it by {most}", busy * 100.0);
        }
        let longest = self.stages.iter().max_by(|a, b| a.1.ms(50).total_cmp(&b.1.ms(50)));
        let stage = longest.map_or("none", |(stage, _)| stage.as_str());
        format!("bound by waiting: the CPU is {:.0} % busy; the longest stage is `{stage}`", busy * 100.0)
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
