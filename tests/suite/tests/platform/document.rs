//! Executable documents: runs their commands in order in a shell, with the real executables, and compares the
//! shown responses with the real ones.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use flysk_suite::environment::Environment;
use serde_json::Value;

/// Directories of the system's programs.
const SYSTEM_PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";

/// A block of commands and its shown response.
#[derive(Debug)]
pub(crate) struct Step {
    /// Name of the step, for actions of the test around it.
    pub(crate) name: String,
    pub(crate) commands: String,
    answer: Option<(String, String)>,
}

/// Steps of a document. They are marked `<!-- run -->`; unmarked blocks are not run.
pub(crate) fn steps(document: &str) -> Vec<Step> {
    let fence = |text: &str| -> Option<(String, String)> {
        let (kind, rest) = text.trim_start().strip_prefix("```")?.split_once('\n')?;
        Some((kind.to_owned(), rest.split_once("\n```")?.0.to_owned()))
    };
    document
        .split("<!-- run")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once("-->").unwrap();
            let (kind, commands) = fence(rest).expect("a step begins with its commands");
            assert_eq!(kind, "sh", "{name}");
            let after = rest.split_once("\n```\n").map(|(_, after)| after).unwrap_or_default();
            let answer = after.trim_start().starts_with("```").then(|| fence(after)).flatten();
            Step { name: name.trim_matches([':', ' ']).to_owned(), commands, answer }
        })
        .collect()
}

/// Files that a document contains, by name. They are marked `<!-- file: backend.py -->`.
pub(crate) fn files(document: &str) -> BTreeMap<&str, &str> {
    document
        .split("<!-- file: ")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once(" -->\n```").unwrap();
            let (_, rest) = rest.split_once('\n').unwrap();
            (name, rest.split_inclusive("\n```\n").next().unwrap().strip_suffix("```\n").unwrap())
        })
        .collect()
}

/// A reader of the documents. Their shell has what the documents speak of and nothing else: the programs of the system, the
/// operator's `flysk-worker`, and the variables that the documents name.
pub(crate) struct Reader {
    pub(crate) env: Environment,
    pub(crate) variables: BTreeMap<&'static str, String>,
    pub(crate) binaries: PathBuf,
}

impl Reader {
    pub(crate) fn new(
        env: Environment,
        variables: BTreeMap<&'static str, String>,
        binaries: PathBuf,
    ) -> anyhow::Result<Self> {
        let reader = Self { env, variables, binaries };
        reader.install_operator_command()?;
        Ok(reader)
    }

    /// The command of an operator brings the environment of the deployment, which vendors do not have.
    fn install_operator_command(&self) -> anyhow::Result<()> {
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in self.env.variables() {
            let value = value.replace('\'', "'\\''");
            writeln!(script, "export {name}='{value}'")?;
        }
        writeln!(script, "exec '{}' \"$@\"", self.binaries.join("flysk-worker").display())?;
        let programs = self.env.scratch().join("bin");
        std::fs::create_dir_all(&programs)?;
        let path = programs.join("flysk-worker");
        std::fs::write(&path, script)?;
        Ok(std::fs::set_permissions(path, Permissions::from_mode(0o700))?)
    }

    /// A program in the reader's directory and environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{SYSTEM_PROGRAMS}", self.env.scratch().join("bin").display());
        command.env_clear().env("PATH", path).env("HOME", self.env.scratch());
        command.envs(&self.variables).current_dir(self.env.scratch());
        command
    }

    /// Runs commands in the reader's shell; returns their output. They must succeed.
    pub(crate) fn run(&self, commands: &str) -> String {
        let output = self.command("bash").args(["-eu", "-o", "pipefail", "-c", commands]).output().unwrap();
        assert!(
            output.status.success(),
            "{commands}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a step and checks its response against the document; returns the response.
    pub(crate) fn follow(&self, step: &Step) -> String {
        let answer = self.run(&step.commands);
        if let Some((kind, told)) = &step.answer {
            let agree = if kind == "json" { same_json(told, &answer) } else { same_text(told, &answer) };
            assert!(agree, "{}\nthe document says:\n{told}\nit is:\n{answer}", step.commands);
        }
        answer
    }
}

fn same_json(told: &str, real: &str) -> bool {
    let (Ok(told), Ok(real)) = (serde_json::from_str(told), serde_json::from_str(real)) else { return false };
    agree(&told, &real)
}

/// Whether the real response contains everything that is shown; it may contain more.
fn agree(told: &Value, real: &Value) -> bool {
    match (told, real) {
        (Value::Object(told), Value::Object(real)) => told.iter().all(|(name, told)| {
            real.get(name).is_some_and(|real| name.ends_with("_ms") && real.is_number() || agree(told, real))
        }),
        (Value::Array(told), Value::Array(real)) => {
            told.len() == real.len() && told.iter().zip(real).all(|(told, real)| agree(told, real))
        }
        (Value::String(told), Value::String(real)) => same_text(told, real),
        _ => told == real,
    }
}

/// Compares texts; `…` matches anything.
fn same_text(told: &str, real: &str) -> bool {
    let (told, mut real) = (told.trim(), real.trim());
    let mut parts = told.split('…');
    let Some(rest) = parts.next().and_then(|first| real.strip_prefix(first)) else { return false };
    real = rest;
    for part in parts {
        let Some(at) = (if part.is_empty() { Some(real.len()) } else { real.find(part) }) else {
            return false;
        };
        real = real.get(at + part.len()..).unwrap_or_default();
    }
    real.is_empty()
}

#[test]
fn files_are_taken_out_of_a_document() {
    let document =
        "a\n<!-- file: x.py -->\n```py\nprint(1)\n\nprint(2)\n```\n\n<!-- file: y.js -->\n```js\n;\n```\nb";
    assert_eq!(files(document), BTreeMap::from([("x.py", "print(1)\n\nprint(2)\n"), ("y.js", ";\n")]));
}

#[test]
fn responses_are_compared() {
    assert!(same_text("Rotated `x`.\n  token  fpt_…", "Rotated `x`.\n  token  fpt_abc\n"));
    assert!(!same_text("202", "409") && !same_text("202", "2020") && !same_text("a…c", "abd"));
    assert!(same_json(r#"{"a": [{"b": "…"}]}"#, r#"{"a": [{"b": "x", "c": 1}], "d": 2}"#));
    for other in [r#"{"a": []}"#, r#"{"a": [{"b": 1}]}"#, r"{}", r#"{"a": [{"c": "x"}]}"#] {
        assert!(!same_json(r#"{"a": [{"b": "…"}]}"#, other), "{other}");
    }
}
