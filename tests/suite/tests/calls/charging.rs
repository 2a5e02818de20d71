//! Prices of calls compared with the ledger.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::Running;
use flysk_suite::environment::{ChaosProxy, Client, Environment, Options, Transcription};
use serde_json::Value;

/// Timeout for a payment.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// The product with FlySense installed and its welcome bonus, and a proxy to the platform that can fail.
pub(crate) async fn start_env_with_bonus(
    bonus: Option<i64>,
) -> anyhow::Result<(Environment, Running<ChaosProxy>)> {
    let proxy = ChaosProxy::start().await?;
    let mut options = Options::with_fixtures(0.02)?;
    options.welcome_bonus = bonus;
    options.more.insert("FLYSENSE_PLATFORM_URL".to_owned(), proxy.url.clone());
    let env = Environment::start(options).await?;
    proxy.state.set_target(&env.api_url);
    env.install().await?;
    Ok((env, proxy))
}

/// Checks that each of these calls was charged once, that their receipts add up to the account's charges in the
/// ledger, that nothing is held, and that the ledger is consistent.
pub(crate) async fn everything_is_paid(
    env: &Environment,
    client: &Client,
    calls: &[String],
) -> anyhow::Result<()> {
    let mut total = 0;
    for id in calls {
        let call = client.wait_for_payment(id, "paid", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
        total += checked_receipt(&call)?;
    }
    let (charges, taken) = env.taken().await?;
    anyhow::ensure!(usize::try_from(charges)? == calls.len(), "{charges} charges for {} calls", calls.len());
    anyhow::ensure!(taken == total, "the ledger took {taken}, the receipts say {total}");
    env.wait_for("SELECT IF(SUM(held_micro) = 0, 1, 0) FROM wallets", 1).await?;
    env.prove_ledger().await
}

/// Price of a call. Checks that its receipt adds up and matches the work done.
pub(crate) fn checked_receipt(call: &Transcription) -> anyhow::Result<i64> {
    let charged = call.payment("charged_micro").as_i64().context("a price")?;
    let lines = call.payment("receipt").as_array().cloned().context("a receipt")?;
    let number = |line: &Value, field: &str| line.get(field).and_then(Value::as_i64).unwrap_or(-1);
    let sum: i64 = lines.iter().map(|line| number(line, "amount_micro")).sum();
    anyhow::ensure!(sum == charged, "the receipt adds up to {sum}: {}", call.raw);
    let recognition =
        lines.iter().find(|line| line["service"] == "flysense.recognition").context("a line")?;
    let seconds = call.raw.get("seconds_billed").and_then(Value::as_i64).context("seconds")?;
    anyhow::ensure!(number(recognition, "billed") == seconds, "{recognition} is not {seconds} s");
    anyhow::ensure!(
        recognition["rounding"] == "half_up" && number(recognition, "version") == 1,
        "{recognition}"
    );
    // 2.5 Flycoins per minute, rounded to the nearest micro-Flycoin.
    let price = (seconds * 2_500_000 + 30) / 60;
    anyhow::ensure!(number(recognition, "amount_micro") == price, "{recognition} is not {price}");
    let summaries = lines.iter().filter(|line| line["service"] == "flysense.summary").count();
    let summarised = call.raw.get("summary").is_some_and(Value::is_string);
    anyhow::ensure!(summaries == usize::from(summarised), "{summaries} summaries are paid for: {}", call.raw);
    anyhow::ensure!(call.payment("transaction_id").as_str().is_some_and(|id| id.starts_with("ltx_")));
    Ok(charged)
}
