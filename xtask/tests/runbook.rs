//! `docs/runbook.md` names every metric, every alert and every kind of durable job.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use xtask::workspace;

/// Directories with the sources of the processes.
const SOURCES: [&str; 4] = ["admin/src", "api/src", "shared", "workers/src"];

fn read(file: &str) -> String {
    fs::read_to_string(workspace::root().join(file)).unwrap()
}

/// Adds the Rust sources below a directory, without those of tests.
fn collect(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(&path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The literals that follow one of these texts in the sources of the processes.
fn literals_after(beginnings: &[&str]) -> BTreeSet<String> {
    let mut sources = Vec::new();
    for folder in SOURCES {
        collect(&workspace::root().join(folder), &mut sources);
    }
    let parts = sources
        .iter()
        .flat_map(|source| beginnings.iter().flat_map(move |beginning| source.split(*beginning).skip(1)));
    parts
        .filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned()))
        .collect()
}

#[test]
fn every_metric_and_every_alert_is_in_the_runbook() {
    let runbook = read("docs/runbook.md");
    let metrics = literals_after(&["counter!(", "gauge!(", "histogram!("]);
    let alerts = literals_after(&["alert = "]);
    assert!(metrics.len() > 60 && alerts.len() > 10, "{metrics:?} {alerts:?}");
    let is_named =
        |name: &&String| runbook.contains(&format!("`{name}`")) || runbook.contains(&format!("`{name}{{"));
    let missing: Vec<&String> = metrics.iter().chain(&alerts).filter(|name| !is_named(name)).collect();
    assert!(missing.is_empty(), "docs/runbook.md does not name {missing:?}");
}

/// Whether a kind of job is meant by a name of the runbook, in which `*` stands for any text.
fn is_meant(kind: &str, name: &str) -> bool {
    match name.split_once('*') {
        Some((beginning, end)) => kind.starts_with(beginning) && kind.ends_with(end),
        None => kind == name,
    }
}

/// Names in the first column of the table of dead jobs; one that begins with a dot has the area of the name before it.
fn dead_jobs() -> Vec<String> {
    let runbook = read("docs/runbook.md");
    let section = runbook.split("\n## ").find(|section| section.starts_with("Dead jobs\n")).unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let mut names: Vec<String> = Vec::new();
    for name in cells.flat_map(|(cell, _)| cell.split('`').step_by(2)) {
        let area = names.last().and_then(|last| last.split_once('.')).map_or("", |(area, _)| area);
        let whole = if name.starts_with('.') { format!("{area}{name}") } else { name.to_owned() };
        names.push(whole);
    }
    names
}

#[test]
fn the_runbook_says_what_to_do_about_each_kind_of_dead_job() {
    let (names, jobs) = (dead_jobs(), read("docs/jobs.md"));
    let kinds: Vec<&str> = jobs
        .lines()
        .filter(|line| !line.contains("(Redis only)"))
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0))
        .collect();
    assert!(kinds.len() > 80, "the table of jobs is not parsed: {kinds:?}");
    let missing: Vec<&&str> =
        kinds.iter().filter(|kind| !names.iter().any(|name| is_meant(kind, name))).collect();
    assert!(missing.is_empty(), "docs/runbook.md does not name {missing:?}");
    let unknown: Vec<&String> =
        names.iter().filter(|name| !kinds.iter().any(|kind| is_meant(kind, name))).collect();
    assert!(unknown.is_empty(), "there are no jobs {unknown:?}");
}
