//! An earlier build of the benchmarks: it measures the same in the same run, on the same servers.
//!
//! Its report is the page that it prints. Figures are found in it as in ours, by the heads of tables and the names of rows, of which
//! earlier builds have others.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::Part;
use super::table::{Table, at_least, at_most};

/// Share of the earlier build's figure that must be reached, unless the figure has a target of its own.
const MIN_SHARE: f64 = 0.95;
/// A part of an earlier build that takes longer is considered hung.
const WAIT_TIMEOUT: Duration = Duration::from_mins(45);
/// Handshakes of the earlier build's `platform` part, whose memory is not compared.
const HANDSHAKES: &str = "1000";

/// The executables of an earlier build.
#[derive(Debug, Clone)]
pub(super) struct EarlierBuild {
    binaries: PathBuf,
    name: String,
}

/// A figure that both builds measure.
struct Figure {
    part: Part,
    name: &'static str,
    /// Whether a row of a table is the figure's.
    is_row: fn(&[&str]) -> bool,
    /// Head of its column.
    column: &'static str,
    budget: Budget,
}

#[derive(Clone, Copy)]
enum Budget {
    /// At least this multiple.
    AtLeast(f64),
    /// Not longer, but for the share that a repetition may differ by.
    NotLonger,
}

static FIGURES: [Figure; 8] = [
    Figure {
        part: Part::Jobs,
        name: "starts of durable jobs per second, 1 worker process",
        is_row: |cells| cells[0].starts_with("durable"),
        column: "1 worker process",
        budget: Budget::AtLeast(5.0),
    },
    Figure {
        part: Part::Jobs,
        name: "starts of durable jobs per second, 4 worker processes",
        is_row: |cells| cells[0].starts_with("durable"),
        column: "4 worker processes",
        budget: Budget::AtLeast(MIN_SHARE),
    },
    Figure {
        part: Part::Jobs,
        name: "durable job, enqueue → start, idle: p50",
        is_row: is_idle_durable,
        column: "p50",
        budget: Budget::NotLonger,
    },
    Figure {
        part: Part::Jobs,
        name: "durable job, enqueue → start, idle: p99",
        is_row: is_idle_durable,
        column: "p99",
        budget: Budget::NotLonger,
    },
    Figure {
        part: Part::Flycoins,
        name: "charges per second on one hot wallet",
        is_row: |cells| is_grouped_charge(cells, "1"),
        column: "charges/s",
        budget: Budget::AtLeast(MIN_SHARE),
    },
    Figure {
        part: Part::Flycoins,
        name: "charges per second over 1,000 wallets",
        is_row: |cells| is_grouped_charge(cells, "1000"),
        column: "charges/s",
        budget: Budget::AtLeast(MIN_SHARE),
    },
    Figure {
        part: Part::Platform,
        name: "amoCRM's webhook at 500/s: p99",
        is_row: |cells| cells[0] == "500/s",
        column: "p99",
        budget: Budget::NotLonger,
    },
    Figure {
        part: Part::Platform,
        name: "deliveries of events per second",
        is_row: |cells| cells[0].ends_with("deliveries/s"),
        column: "measured",
        budget: Budget::AtLeast(MIN_SHARE),
    },
];

fn is_idle_durable(cells: &[&str]) -> bool {
    cells[0].starts_with("durable") && cells[0].ends_with(", 20/s")
}

/// Charges by the full ledger in groups. The name of the groups has changed; the other row of the ledger is `one charge …`.
fn is_grouped_charge(cells: &[&str], wallets: &str) -> bool {
    cells[0].starts_with("our ledger")
        && !cells[0].contains("one charge")
        && cells.get(1).is_some_and(|cell| *cell == wallets)
}

impl EarlierBuild {
    /// The build whose executables are in this directory, `<sources>/target/release`. It is named after the directory of the sources.
    pub(super) fn in_directory(binaries: &Path) -> anyhow::Result<Self> {
        let binaries =
            binaries.canonicalize().with_context(|| format!("no directory {}", binaries.display()))?;
        anyhow::ensure!(
            binaries.join("flysk-bench").is_file(),
            "no `flysk-bench` in {}: `cargo xtask bench -- --beside REVISION` builds it",
            binaries.display()
        );
        let sources = binaries.ancestors().nth(2).and_then(Path::file_name);
        let name = sources.map_or_else(|| "earlier".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Self { binaries, name })
    }

    /// Measures a part and compares it with `ours`, the text of this build's; `None` if nothing of the part is compared.
    pub(super) async fn compare(&self, part: Part, ours: &str, load_time: Duration) -> Option<String> {
        let figures: Vec<&Figure> = FIGURES.iter().filter(|figure| figure.part == part).collect();
        if figures.is_empty() {
            return None;
        }
        Some(match self.measure(part, load_time).await {
            Ok(theirs) => self.table(&figures, ours, &theirs).to_string(),
            Err(error) => format!("The build of `{}` was **not run**: {error:#}.\n", self.name),
        })
    }

    /// What the build prints about a part.
    async fn measure(&self, part: Part, load_time: Duration) -> anyhow::Result<String> {
        let mut command = Command::new(self.binaries.join("flysk-bench"));
        command.arg(part.name());
        if part == Part::Platform {
            command.args(["--seconds", &load_time.as_secs().to_string(), "--handshakes", HANDSHAKES]);
        }
        command.env("FLYSK_BIN_DIR", &self.binaries).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(WAIT_TIMEOUT, command.output()).await.context("it does not end")?;
        let output = output.context("it cannot be started")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("it ended with {}: {}", output.status, said.lines().last().unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn table(&self, figures: &[&Figure], ours: &str, theirs: &str) -> Table {
        let head = format!("beside the build of `{}`", self.name);
        let mut table = Table::new(&[head.as_str(), "this build", "earlier build", "ratio", "verdict"]);
        for figure in figures {
            let cells = match (figure.find(ours), figure.find(theirs)) {
                (Some(ours), Some(theirs)) => {
                    let ratio = ours / theirs;
                    let verdict = figure.verdict(ratio);
                    vec![ours.to_string(), theirs.to_string(), format!("{ratio:.2} ×"), verdict]
                }
                _ => vec![String::new(), String::new(), String::new(), "not measured by both".to_owned()],
            };
            table.row([vec![figure.name.to_owned()], cells].concat());
        }
        table
    }
}

impl Figure {
    /// The figure in a report: the number with which its cell begins.
    fn find(&self, report: &str) -> Option<f64> {
        tables(report).iter().find_map(|rows| {
            let (head, rows) = rows.split_first()?;
            let at = head.iter().position(|cell| *cell == self.column)?;
            let row = rows.iter().find(|cells| (self.is_row)(cells))?;
            leading_number(row.get(at)?)
        })
    }

    fn verdict(&self, ratio: f64) -> String {
        match self.budget {
            Budget::AtLeast(least) => at_least(ratio, least, "see what bounds it above"),
            Budget::NotLonger => at_most(ratio, 1.0 / MIN_SHARE, "see what bounds it above"),
        }
    }
}

/// The tables of a Markdown text: rows of cells, of which none is empty. The first row is the head.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables = vec![Vec::new()];
    for line in text.lines() {
        match line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|')) {
            Some(cells) => {
                if let Some(table) = tables.last_mut() {
                    table.push(cells.split(" | ").map(str::trim).collect());
                }
            }
            None => tables.push(Vec::new()),
        }
    }
    tables
}

fn leading_number(cell: &str) -> Option<f64> {
    let end = cell.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(cell.len());
    cell[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: &str = "
## jobs

`cargo xtask bench -- jobs`, 2026-11-26 04:03 UTC

| enqueue → start | jobs | p50 | p99 |
| --- | --- | --- | --- |
| durable lane, 20/s | 200 | 2.5 ms | 3.6 ms |
| durable lane, 500/s | 5000 | 1.2 ms | 3.2 ms |

| starts per second | backlog | 1 worker process | 4 worker processes |
| --- | --- | --- | --- |
| durable lane (MySQL, commits flushed) | 5000 | 1700 | 1622 |
| cheap lane (Redis) | 20000 | 45874 | 66429 |
";
    const FLYCOINS: &str = "
| way | wallets | charges/s | p50 | p99 | to the row lock |
| --- | --- | --- | --- | --- | --- |
| our ledger, one charge a transaction | 1 | 771 | 79.6 ms | 107.9 ms | 0.44 × |
| our ledger, by the teller | 1 | 7951 | 8.3 ms | 13.9 ms | 4.51 × |
| our ledger, by the teller | 1000 | 1847 | 34.0 ms | 45.6 ms | 0.47 × |
";
    const PLATFORM: &str = "
| amoCRM's hook | hooks | p50 | p99 | slowest |
| --- | --- | --- | --- | --- |
| 500/s | 5000 | 1.8 ms | 3.0 ms | 8.0 ms |

| budget | measured | verdict |
| --- | --- | --- |
| 1,000 deliveries/s | 894/s | missed by 11 %: each is flushed |
";

    #[test]
    fn every_figure_is_found_in_the_report_of_an_earlier_build() {
        let report = |part| match part {
            Part::Jobs => JOBS,
            Part::Flycoins => FLYCOINS,
            _ => PLATFORM,
        };
        let found = FIGURES.iter().map(|figure| figure.find(report(figure.part)));
        let expected = [1700.0, 1622.0, 2.5, 3.6, 7951.0, 1847.0, 3.0, 894.0].map(Some);
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert!(FIGURES.iter().all(|figure| figure.find("").is_none()));
    }

    #[test]
    fn a_figure_is_judged_by_its_ratio_to_that_of_the_earlier_build() {
        let build = EarlierBuild { binaries: PathBuf::new(), name: "0.1.0".to_owned() };
        let ours = JOBS.replace("1700", "8500").replace("2.5 ms", "2.6 ms").replace("3.6 ms", "9 ms");
        let figures: Vec<&Figure> = FIGURES.iter().filter(|figure| figure.part == Part::Jobs).collect();
        let table = build.table(&figures, &ours, JOBS).to_string();
        assert!(table.contains("1 worker process | 8500 | 1700 | 5.00 × | kept |"), "{table}");
        assert!(table.contains("p50 | 2.6 | 2.5 | 1.04 × | kept |"), "{table}");
        assert!(table.contains("p99 | 9 | 3.6 | 2.50 × | missed by 13"), "{table}");
        let unknown = build.table(&figures, &ours, "").to_string();
        assert_eq!(unknown.matches("not measured by both").count(), figures.len());
    }
}
