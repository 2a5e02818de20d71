//! The examples of `docs/sandbox.md`: the sandbox takes the file of a widget, and its state has the fields of the one shown.

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::Context as _;
use flysk_suite::environment::{Options, SandboxProcess};
use serde_json::{Value, json};

use super::START;

const GUIDE: &str = include_str!("../../../../../docs/sandbox.md");

/// The JSON of the guide that begins like this.
fn shown(begins: &str) -> anyhow::Result<&'static str> {
    let blocks = GUIDE.split("```json\n").skip(1).filter_map(|part| part.split_once("\n```"));
    let found = blocks.map(|(block, _)| block).find(|block| block.starts_with(begins));
    found.with_context(|| format!("the guide has no JSON that begins with {begins}"))
}

/// Pointers to all fields, in a list to those of its first item.
fn fields(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![(String::new(), value)];
    while let Some((pointer, value)) = left.pop() {
        match value {
            Value::Object(members) => {
                left.extend(members.iter().map(|(name, member)| (format!("{pointer}/{name}"), member)));
            }
            Value::Array(items) => left.extend(items.first().map(|item| (format!("{pointer}/0"), item))),
            _ => {}
        }
        found.insert(pointer);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_takes_the_guides_widget_and_has_the_state_that_it_shows() -> anyhow::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(shown("{\"code\": \"acme-notes\"")?.as_bytes())?;
    let path = file.path().to_str().context("a path")?;
    let sandbox =
        SandboxProcess::start(&Options::with_fixtures(0.0)?, &["--starts-at", START, "--widget", path])?;
    let told: Value = serde_json::from_str(shown("{\"ready\": true")?)?;
    assert_eq!(fields(&sandbox.state), fields(&told));
    let widget = &sandbox.state["widget"];
    assert_eq!(widget["services"], json!(["acme-notes.words", "acme-notes.talk"]), "{widget}");
    assert_eq!((&widget["packages"], &widget["plans"]), (&json!(["start"]), &json!(["pro"])), "{widget}");
    assert_eq!(sandbox.text("/accounts/0/status"), "active");
    sandbox.stop()
}
