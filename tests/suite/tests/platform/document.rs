//! Documents that are run: their commands in their order, by a shell, with the real executables, and the answers they show
//! compared with the real ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use flysk_suite::stand::Stand;
use serde_json::Value;

/// Commands of a document, and what it says they answer.
#[derive(Debug)]
pub(crate) struct Step {
    /// What the test does around it.
    pub(crate) name: String,
    pub(crate) commands: String,
    answer: Option<(String, String)>,
}

/// Steps are marked `<!-- run -->`, so that everything else may be told without being run.
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

/// What a reader of the documents has at hand.
pub(crate) struct Reader {
    pub(crate) stand: Stand,
    pub(crate) variables: BTreeMap<&'static str, String>,
    pub(crate) binaries: PathBuf,
}

impl Reader {
    /// Runs commands in the reader's folder; what they printed. They must go well.
    pub(crate) fn run(&self, commands: &str) -> String {
        let commands = format!("PATH=\"$BINARIES:$PATH\"\n{commands}");
        let output = Command::new("bash")
            .args(["-eu", "-o", "pipefail", "-c", &commands])
            .current_dir(self.stand.scratch())
            .envs(self.stand.environment())
            .envs(&self.variables)
            .env("BINARIES", &self.binaries)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{commands}\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Takes a step; what it answered, which is what the document says.
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

/// Everything the document shows is there and as it shows it; the answer may say more.
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

/// `…` stands for anything.
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
fn answers_are_really_compared() {
    assert!(same_text("Rotated `x`.\n  token  fpt_…", "Rotated `x`.\n  token  fpt_abc\n"));
    assert!(!same_text("202", "409") && !same_text("202", "2020") && !same_text("a…c", "abd"));
    assert!(same_json(r#"{"a": [{"b": "…"}]}"#, r#"{"a": [{"b": "x", "c": 1}], "d": 2}"#));
    for other in [r#"{"a": []}"#, r#"{"a": [{"b": 1}]}"#, r"{}", r#"{"a": [{"c": "x"}]}"#] {
        assert!(!same_json(r#"{"a": [{"b": "…"}]}"#, other), "{other}");
    }
}
