//! `cargo xtask generate`: files that are made from the code, and whether they are current.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// A committed file that a command of ours prints.
struct Generated {
    /// Its path in the repository.
    file: &'static str,
    /// `cargo run` with these prints it.
    run: &'static [&'static str],
}

const ALL: [Generated; 3] = [
    Generated { file: ".env.example", run: &["-p", "flysk-runtime", "--example", "env_example"] },
    Generated { file: "api/openapi.json", run: &["-p", "flysk-api", "--bin", "flysk-api", "--", "openapi"] },
    Generated {
        file: "docs/jobs.md",
        run: &["-p", "flysk-workers", "--bin", "flysk-worker", "--", "jobs:catalogue"],
    },
];

impl Generated {
    fn print(&self) -> Result<Vec<u8>> {
        process::go_on()?;
        let run = self.run.join(" ");
        process::output(workspace::cargo(["run", "--quiet"]).args(self.run))
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
