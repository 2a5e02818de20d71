//! What calls cost, held against what the ledger says.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::Running;
use flysk_suite::stand::{Client, Options, Road, Stand, Transcription};
use serde_json::Value;

/// How long a payment may take.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The product with FlySense installed, its welcome bonus, and a road to the platform that can be cut.
pub(crate) async fn stand_with(bonus: Option<i64>) -> anyhow::Result<(Stand, Running<Road>)> {
    let road = Road::open().await?;
    let mut options = Options::with_fixtures(0.02)?;
    options.welcome_bonus = bonus;
    options.more.insert("FLYSENSE_PLATFORM_URL".to_owned(), road.url.clone());
    let stand = Stand::start(options).await?;
    road.state.lead_to(&stand.api_url);
    stand.install().await?;
    Ok((stand, road))
}

/// Every one of these calls is paid for, once; their receipts add up to what the ledger says was taken of the
/// account for calls; nothing is set aside any more; and the ledger proves itself.
pub(crate) async fn everything_is_paid(
    stand: &Stand,
    client: &Client,
    calls: &[String],
) -> anyhow::Result<()> {
    let mut total = 0;
    for id in calls {
        let call = client.wait_for_payment(id, "paid", PATIENCE).await.with_context(|| stand.logs())?;
        total += checked_receipt(&call)?;
    }
    let (charges, taken) = stand.taken().await?;
    anyhow::ensure!(usize::try_from(charges)? == calls.len(), "{charges} charges for {} calls", calls.len());
    anyhow::ensure!(taken == total, "the ledger took {taken}, the receipts say {total}");
    stand.wait_for("SELECT IF(SUM(held_micro) = 0, 1, 0) FROM wallets", 1).await?;
    stand.prove_ledger().await
}

/// What a call cost: its receipt adds up and follows from what was done.
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
    // 2.5 Flycoins a minute, to the nearest millionth.
    let price = (seconds * 2_500_000 + 30) / 60;
    anyhow::ensure!(number(recognition, "amount_micro") == price, "{recognition} is not {price}");
    let summaries = lines.iter().filter(|line| line["service"] == "flysense.summary").count();
    let summarised = call.raw.get("summary").is_some_and(Value::is_string);
    anyhow::ensure!(summaries == usize::from(summarised), "{summaries} summaries are paid for: {}", call.raw);
    anyhow::ensure!(call.payment("transaction_id").as_str().is_some_and(|id| id.starts_with("ltx_")));
    Ok(charged)
}
