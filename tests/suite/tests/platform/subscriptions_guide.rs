//! Runs `docs/subscriptions.md`.

use super::document::steps;
use super::integrate;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_about_subscriptions_is_correct() -> anyhow::Result<()> {
    let backend = integrate::backend().await?;
    let mut reader = integrate::reader(&backend).await?;
    let integrating = steps(&std::fs::read_to_string(integrate::DOCUMENT)?);
    let register = integrating.iter().find(|step| step.name == "register").expect("it begins so");
    let answer = reader.follow(register);
    reader.live_on(&register.name, &answer).await;

    let steps = steps(&std::fs::read_to_string("../../docs/subscriptions.md")?);
    assert!(steps.len() >= 7, "steps are not found: {}", steps.len());
    for step in &steps {
        let answer = reader.follow(step);
        reader.live_on(&step.name, &answer).await;
    }
    reader.env.stop()
}
