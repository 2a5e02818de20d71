//! Runs `docs/flycoins.md`, and the commands of `docs/payments.md` that need no bank.

use serde_json::Value;

use super::document::{Reader, steps};
use super::integrate;

/// Copies ids from a response into the next command.
fn go_on(reader: &mut Reader, step: &str, answer: &str) {
    let id = |field: &str| {
        let answer: Value = serde_json::from_str(answer).unwrap();
        answer[field].as_str().unwrap().to_owned()
    };
    match step {
        "charge" => reader.variables.insert("CHARGE", id("transaction_id")),
        "hold" => reader.variables.insert("HOLD", id("hold_id")),
        _ => None,
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_about_flycoins_are_correct() -> anyhow::Result<()> {
    let backend = integrate::backend().await?;
    let mut reader = integrate::reader(&backend).await?;
    let integrating = steps(&std::fs::read_to_string(integrate::DOCUMENT)?);
    let register = integrating.iter().find(|step| step.name == "register").expect("it begins so");
    let answer = reader.follow(register);
    reader.live_on(&register.name, &answer).await;

    for (document, least) in [("flycoins", 12), ("payments", 2)] {
        let steps = steps(&std::fs::read_to_string(format!("../../docs/{document}.md"))?);
        assert!(steps.len() >= least, "steps of {document} are not found: {}", steps.len());
        for step in &steps {
            if step.name == "release" {
                // A hold for other work: that of the document has just been captured.
                let hold = steps.iter().find(|step| step.name == "hold").expect("holds are told of");
                let other = reader.run(&hold.commands.replace("hold-920002", "hold-920003"));
                go_on(&mut reader, "hold", &other);
            }
            let answer = reader.follow(step);
            go_on(&mut reader, &step.name, &answer);
        }
    }
    reader.env.prove_ledger().await?;
    reader.env.stop()
}
