//! `cargo xtask generate`: files that are made from the code, and whether they are current.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// A committed file that commands of ours print.
struct Generated {
    /// Its path in the repository.
    file: &'static str,
    /// `cargo run` with each of these prints one part of it, in this order.
    parts: &'static [&'static [&'static str]],
}

const ALL: [Generated; 4] = [
    Generated { file: ".env.example", parts: &[&["-p", "flysk-runtime", "--example", "env_example"]] },
    Generated {
        file: "api/openapi.json",
        parts: &[&["-p", "flysk-api", "--bin", "flysk-api", "--", "openapi"]],
    },
    Generated {
        file: "docs/jobs.md",
        parts: &[&["-p", "flysk-workers", "--bin", "flysk-worker", "--", "jobs:catalogue"]],
    },
    // A program is documented once it is in this list and has the command.
    Generated {
        file: "docs/cli.md",
        parts: &[
            &["-p", "flysk-api", "--bin", "flysk-api", "--", "cli:reference"],
            &["-p", "flysk-workers", "--bin", "flysk-worker", "--", "cli:reference"],
        ],
    },
];

impl Generated {
    fn print(&self) -> Result<Vec<u8>> {
        let parts: Vec<Vec<u8>> =
            self.parts.iter().map(|part| self.print_part(part)).collect::<Result<_>>()?;
        Ok(parts.join(&b'\n'))
    }

    fn print_part(&self, part: &[&str]) -> Result<Vec<u8>> {
        process::go_on()?;
        let run = part.join(" ");
        process::output(workspace::cargo(["run", "--quiet"]).args(part))
            .with_context(|| format!("cannot start cargo run {run}"))?
            .with_context(|| format!("cargo run {run} failed, so {} cannot be made", self.file))
    }
}

/// Writes every generated file anew.
pub fn write() -> Result<()> {
    for generated in &ALL {
        let path = workspace::root().join(generated.file);
        let text = generated.print()?;
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", generated.file))?;
        println!("{}", generated.file);
    }
    Ok(())
}

/// Fails when a committed file is not what the code makes.
pub(super) fn check() -> Result<()> {
    let mut stale = Vec::new();
    for generated in &ALL {
        let committed = fs::read(workspace::root().join(generated.file)).unwrap_or_default();
        if generated.print()? != committed {
            stale.push(generated.file);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("not what the code makes: {} (cargo xtask generate writes them)", stale.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fewer words than this only repeat the name.
    const MIN_WORDS: usize = 3;

    /// The entries of `docs/cli.md`: each command, argument and option with the text below or beside it.
    fn entries(page: &str) -> Vec<(&str, &str)> {
        let mut lines = page.lines().filter(|line| !line.is_empty()).peekable();
        let mut entries = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(command) = line.strip_prefix("## ") {
                entries.push((command, lines.peek().copied().unwrap_or_default()));
            } else if let Some(item) = line.strip_prefix("* ") {
                entries.push(item.split_once(" — ").unwrap_or((item, "")));
            }
        }
        entries
    }

    #[test]
    fn every_command_argument_and_option_is_explained_in_words() {
        let page = fs::read_to_string(workspace::root().join("docs/cli.md")).unwrap();
        let entries = entries(&page);
        assert!(entries.iter().any(|(name, _)| *name == "`flysk-api serve`"));
        assert!(entries.iter().any(|(name, _)| *name == "`flysk-worker token:refresh-all`"));
        let unexplained: Vec<&str> = entries
            .iter()
            .filter(|(_, text)| text.starts_with("**Usage") || text.split_whitespace().count() < MIN_WORDS)
            .map(|(name, _)| *name)
            .collect();
        assert!(unexplained.is_empty(), "without an explanation: {}", unexplained.join(", "));
    }

    #[test]
    fn compose_and_dokku_know_the_processes_of_the_procfile_and_no_others() {
        let read = |file: &str| fs::read_to_string(workspace::root().join(file)).unwrap();
        let (procfile, compose) = (read("Procfile"), read("compose.yaml"));
        let app: serde_json::Value = serde_json::from_str(&read("app.json")).unwrap();
        let mut checked: Vec<&str> =
            app["healthchecks"].as_object().unwrap().keys().map(String::as_str).collect();
        checked.push("release");
        checked.sort_unstable();

        let processes: Vec<(&str, &str)> =
            procfile.lines().filter_map(|line| line.split_once(": ")).collect();
        let mut names: Vec<&str> = processes.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();

        assert_eq!(checked, names, "app.json checks other processes than the Procfile has");
        assert_eq!(compose.matches("<<: *process\n").count(), names.len(), "compose.yaml has others");
        for (name, command) in processes {
            let words: Vec<String> = command.split(' ').map(|word| format!("\"{word}\"")).collect();
            let service = format!("\n  {name}:\n    <<: *process\n    command: [{}]\n", words.join(", "));
            assert!(compose.contains(&service), "compose.yaml does not run `{command}` as {name}");
        }
    }

    #[test]
    fn every_place_the_glossary_names_is_there() {
        let glossary = fs::read_to_string(workspace::root().join("docs/glossary.md")).unwrap();
        let places = glossary.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`'));
        let places: Vec<&str> = places.map(|(_, place)| place).collect();
        assert!(places.len() > 90, "the table has another form: {} places", places.len());
        let gone: Vec<&&str> =
            places.iter().filter(|place| !workspace::root().join(place).exists()).collect();
        assert!(gone.is_empty(), "docs/glossary.md names {gone:?}");
    }
}
