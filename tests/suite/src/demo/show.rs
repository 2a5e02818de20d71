//! The demonstration's words on the terminal.

#![expect(clippy::print_stdout, reason = "a demonstration talks to whoever called it")]

use std::time::Duration;

use flysk_domain::money::MicroCoins;
use serde_json::Value;

use super::report::Report;
use crate::stand::{Coins, Stand, Transcription};

/// A new chapter.
pub(super) fn headline(text: &str) {
    println!("\n== {text}");
}

/// A remark.
pub(super) fn note(text: &str) {
    println!("   {text}");
}

/// A state a call has reached.
pub(super) fn state(call: &Transcription) {
    let label = call.raw.get("state_label").and_then(Value::as_str).unwrap_or_default();
    println!("   … {:<14} {label}", call.state);
}

/// What came of a call.
pub(super) fn call(report: &Report, call: &Transcription, waited: Duration) {
    let text = |pointer: &str| call.raw.pointer(pointer).and_then(Value::as_str);
    if let Some(code) = &report.error_code {
        println!("   {code}: {}", text("/failure_label").unwrap_or_default());
        return;
    }
    println!(
        "   {:.1} s, {} channel(s), {} s to pay for, shown {:.1} s after the one before",
        Duration::from_millis(report.duration_ms.unwrap_or_default()).as_secs_f64(),
        report.channels.unwrap_or_default(),
        report.seconds_billed,
        waited.as_secs_f64()
    );
    dialogue(&report.utterances);
    if let Some(summary) = &report.summary {
        println!("   Summary ({}): {summary}", text("/summary_source").unwrap_or_default());
    } else if let Some(why) = text("/summary_absence/label") {
        println!("   No summary: {why}");
    }
    if let Some(mood) = text("/sentiment/label") {
        println!("   Sentiment: {mood}");
    }
    classifiers(&report.classifiers);
    stages(&call.raw);
}

/// The account's coins.
pub(super) fn wallet(when: &str, coins: Coins) {
    println!(
        "   Wallet {when}: {} Flycoins available, {} set aside",
        flycoins(coins.available),
        flycoins(coins.held)
    );
}

/// A call waited for coins, and there are some now.
pub(super) fn short(price: MicroCoins, before: Coins, after: Coins) {
    println!(
        "     it needs {price} Flycoins, {} are there; the wallet is filled",
        flycoins(before.available)
    );
    println!(
        "     {} Flycoins are there now: it goes on by itself, the oldest first",
        flycoins(after.available)
    );
}

/// What a call cost.
pub(super) fn payment(report: &Report, coins: Coins) {
    let told = |amount: Option<i64>| amount.map_or_else(|| "nothing".to_owned(), flycoins);
    println!(
        "   Flycoins: estimated {}, set aside {}, taken {} ({}){}",
        told(report.estimated_micro),
        told(report.held_micro),
        told(report.charged_micro),
        report.payment_state.as_deref().unwrap_or("no payment"),
        if report.waited_for_coins { ", after waiting for coins" } else { "" }
    );
    for line in &report.receipt {
        let word = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| line.get(name).and_then(Value::as_i64).unwrap_or_default();
        println!(
            "     {} by rule {}: {} {}(s), {} billed, {} Flycoins ({})",
            word("service"),
            number("version"),
            number("quantity"),
            word("unit"),
            number("billed"),
            flycoins(number("amount_micro")),
            word("rounding")
        );
    }
    wallet("now", coins);
}

/// What all calls cost.
pub(super) fn taken((charges, sum): (i64, i64)) {
    println!("   {charges} charges in the ledger took {} Flycoins", flycoins(sum));
}

fn flycoins(micro: i64) -> String {
    MicroCoins(micro).to_string()
}

fn dialogue(utterances: &[Value]) {
    for utterance in utterances {
        let word = |name: &str| utterance.get(name).and_then(Value::as_str).unwrap_or_default();
        let ms = |name: &str| utterance.get(name).and_then(Value::as_u64).unwrap_or_default();
        let speaker = match word("speaker") {
            "operator" => "Оператор",
            "client" => "Клиент",
            _ => "Собеседник",
        };
        println!("   {} – {}  {speaker:<10}  {}", clock(ms("start_ms")), clock(ms("end_ms")), word("text"));
    }
}

/// `01:05.3`.
fn clock(ms: u64) -> String {
    format!("{:02}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms % 1_000 / 100)
}

fn classifiers(found: &[Value]) {
    let hits: Vec<String> = found
        .iter()
        .filter(|verdict| verdict.get("hits").and_then(Value::as_u64).unwrap_or_default() > 0)
        .map(|verdict| {
            let word = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
            let hits = verdict.get("hits").and_then(Value::as_u64).unwrap_or_default();
            format!("{} ({}, {hits}×)", word("classifier"), word("speaker"))
        })
        .collect();
    let found = if hits.is_empty() { "none fired".to_owned() } else { hits.join(", ") };
    println!("   Classifiers: {found}");
}

fn stages(call: &Value) {
    let stages = call.get("stages").and_then(Value::as_array).cloned().unwrap_or_default();
    let told: Vec<String> = stages
        .iter()
        .map(|stage| {
            let name = stage.get("stage").and_then(Value::as_str).unwrap_or_default();
            let took = stage.get("took_ms").and_then(Value::as_i64).unwrap_or_default();
            format!("{name} {took} ms")
        })
        .collect();
    println!("   Stages: {}", told.join(", "));
}

/// The end of it.
pub(super) fn totals(reports: &[Report]) {
    if reports.is_empty() {
        return;
    }
    let count = |state: &str| reports.iter().filter(|report| report.state == state).count();
    let left: usize = reports.iter().map(|report| report.objects_left_in_bucket).sum();
    headline(&format!(
        "{} calls: {} done, {} without speech, {} failed; {left} objects left in the bucket",
        reports.len(),
        count("done"),
        count("no_speech"),
        count("failed")
    ));
}

/// Where to look.
pub(super) fn addresses(stand: &Stand) -> anyhow::Result<()> {
    headline("Everything goes on until Ctrl-C");
    println!("   Swagger UI       {}/docs", stand.api_url);
    println!("   OpenAPI          {}/openapi.json", stand.api_url);
    println!("   readiness        {}/readyz", stand.api_url);
    println!("   amoCRM           {}  (simulated; control under /_sim/)", stand.outside.amocrm.url);
    println!("   SpeechKit        {}  (simulated)", stand.outside.speechkit.url);
    println!("   Object Storage   {}  (simulated)", stand.outside.s3.url);
    println!(
        "   A token for Swagger UI's Authorize button, good for half an hour:\n   {}",
        stand.client()?.token()?
    );
    Ok(())
}

/// What the processes logged.
pub(super) fn logs(text: &str) {
    println!("{text}");
}
