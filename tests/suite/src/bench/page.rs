//! `docs/benchmarks.md`: one section per part, each with the date of its last run.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::machine;

/// Text above all sections.
const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`; do not edit. Peers are measured in the same run, because ratios are comparable between machines and
absolute times are not. Servers are private: MySQL flushes each commit to disk, Redis syncs its append-only file every second, as in
production. Executables are built with `--release`.
";

/// Text of a section that was not measured.
const NOT_RUN: &str = "Not run yet.\n";

/// Names and headings of sections, in the order of the page.
const SECTIONS: [(&str, &str); 15] = [
    ("audio", "Preparing recordings"),
    ("jobs", "Jobs"),
    ("schedule", "Retry delays in real time"),
    ("recognitions", "Recognitions in flight"),
    ("call", "From the webhook to the transcript"),
    ("platform", "The HTTP API and events"),
    ("flycoins", "Charges of Flycoins"),
    ("widget", "The widget in a browser"),
    ("subscriptions", "Subscriptions"),
    ("bots", "Bots in messengers"),
    ("admin", "The admin panel"),
    ("portal", "The portal for vendors"),
    ("transfers", "Matching of statements"),
    ("growth", "Growth"),
    ("sandbox", "The sandbox for vendors"),
];

/// Results of a part.
#[derive(Debug)]
pub(super) struct Section {
    /// Start of the run.
    pub(super) at: DateTime<Utc>,
    /// Load average of the last minute at the start.
    pub(super) load_before: String,
    /// Load average of the last minute at the end.
    pub(super) load_after: String,
    /// Remark of the caller.
    pub(super) note: Option<String>,
    /// Tables and remarks, in Markdown.
    pub(super) body: String,
}

/// The file `docs/benchmarks.md`.
#[derive(Debug)]
pub(super) struct Page {
    path: PathBuf,
}

impl Default for Page {
    fn default() -> Self {
        Self { path: xtask::workspace::root().join("docs").join("benchmarks.md") }
    }
}

impl Page {
    /// Prints a section and replaces the one of the last run. Other sections are kept.
    #[expect(clippy::print_stdout, reason = "a benchmark prints to the terminal")]
    pub(super) fn put(&self, name: &str, section: &Section) -> anyhow::Result<()> {
        let text = section.text(name);
        println!("\n## {name}\n\n{text}");
        let old = std::fs::read_to_string(&self.path).unwrap_or_default();
        let new = render(|other| if other == name { Some(text.as_str()) } else { between(&old, other) });
        std::fs::write(&self.path, new).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Section {
    fn text(&self, name: &str) -> String {
        let mut text = format!(
            "{}, {}, on {}; load average {} before, {} after.\n",
            command(name),
            self.at.format("%Y-%m-%d %H:%M UTC"),
            machine::describe(),
            self.load_before,
            self.load_after
        );
        if let Some(note) = &self.note {
            let _ = writeln!(text, "{note}");
        }
        text.push('\n');
        text.push_str(self.body.trim_end());
        text.push('\n');
        text
    }
}

/// The command that measures a section, with which its text begins.
fn command(name: &str) -> String {
    let option = if name == "schedule" { "--with-schedule" } else { name };
    format!("`cargo xtask bench -- {option}`")
}

fn render<'a>(section: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut page = HEAD.to_owned();
    for (name, heading) in SECTIONS {
        let (begin, end) = marks(name);
        let text = section(name).unwrap_or(NOT_RUN);
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {heading}\n{begin}\n{text}{end}\n");
    }
    page
}

/// Comments that mark the beginning and end of a section, invisible when rendered.
fn marks(name: &str) -> (String, String) {
    (format!("<!-- {name} -->"), format!("<!-- /{name} -->"))
}

/// Text of a section of an earlier page.
fn between<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (begin, end) = marks(name);
    let (_, rest) = page.split_once(&begin)?;
    Some(rest.split_once(&end)?.0.trim_start_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_one_part_keeps_the_others() {
        let first = render(|name| (name == "audio").then_some("old audio\n"));
        let second = render(|name| if name == "jobs" { Some("jobs\n") } else { between(&first, name) });
        assert_eq!(between(&second, "audio"), Some("old audio\n"));
        assert_eq!(between(&second, "jobs"), Some("jobs\n"));
        assert_eq!(between(&second, "call"), Some("Not run yet.\n"));
        assert_eq!(second.matches("# Benchmarks").count(), 1);
    }

    #[test]
    fn every_section_of_the_page_is_a_report_of_its_own_part() {
        let page = std::fs::read_to_string(Page::default().path).unwrap();
        for (name, _) in SECTIONS {
            let text = between(&page, name).unwrap_or_else(|| panic!("no section {name}"));
            assert!(
                text == NOT_RUN || text.starts_with(&command(name)),
                "{name}: {}",
                text.lines().next().unwrap()
            );
        }
    }
}
