//! Terminal output of the demo.

#![expect(clippy::print_stdout, reason = "the demo prints to the terminal")]

use std::time::Duration;

use flysk_domain::money::MicroCoins;
use flysk_simulators::bot::Line;
use serde_json::Value;

use super::report::Report;
use crate::environment::{Coins, Environment, LEAD, Panel, Transcription};

/// Prints a headline.
pub(super) fn headline(text: &str) {
    println!("\n== {text}");
}

/// Prints an indented remark.
pub(super) fn note(text: &str) {
    println!("   {text}");
}

/// Prints a dialogue with the bot.
pub(super) fn chat(lines: &[Line]) {
    for line in lines {
        let who = if line.from_bot { "FlySense" } else { "Анна" };
        // The payload of a link is a secret.
        let text = match line.text.split_once(' ') {
            Some((command @ "/start", _)) => command,
            _ => &line.text,
        };
        for (at, row) in text.lines().filter(|row| !row.is_empty()).enumerate() {
            println!("   {:<9} {row}", if at == 0 { who } else { "" });
        }
    }
}

/// Prints the state of a call.
pub(super) fn state(call: &Transcription) {
    let label = call.raw.get("state_label").and_then(Value::as_str).unwrap_or_default();
    println!("   … {:<14} {label}", call.state);
}

/// Prints the result of a call.
pub(super) fn call(report: &Report, call: &Transcription, waited: Duration) {
    let text = |pointer: &str| call.raw.pointer(pointer).and_then(Value::as_str);
    if let Some(code) = &report.error_code {
        println!("   {code}: {}", text("/failure_label").unwrap_or_default());
        return;
    }
    println!(
        "   {:.1} s, {} channel(s), {} s billed, {:.1} s after the previous result",
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

/// Prints the balance of the account.
pub(super) fn wallet(when: &str, coins: Coins) {
    println!(
        "   Wallet {when}: {} Flycoins available, {} held",
        flycoins(coins.available),
        flycoins(coins.held)
    );
}

/// Prints the top-up for a call that waits for coins.
pub(super) fn short(price: MicroCoins, before: Coins, after: Coins) {
    println!("     needs {price} Flycoins, {} available: topping up the wallet", flycoins(before.available));
    println!("     {} Flycoins available; waiting calls resume, oldest first", flycoins(after.available));
}

/// Prints the price of a call.
pub(super) fn payment(report: &Report, coins: Coins) {
    let told = |amount: Option<i64>| amount.map_or_else(|| "nothing".to_owned(), flycoins);
    println!(
        "   Flycoins: estimated {}, held {}, charged {} ({}){}",
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

/// Prints the total of all charges.
pub(super) fn taken((charges, sum): (i64, i64)) {
    println!("   {charges} charges in the ledger, {} Flycoins in total", flycoins(sum));
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

/// Formats a time as `01:05.3`.
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

/// Prints the totals of all calls.
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

/// Prints the addresses of the running services.
pub(super) fn addresses(env: &Environment, panel: &Panel, has_widget: bool) -> anyhow::Result<()> {
    headline("Running until Ctrl-C");
    println!(
        "   Lead's card      {}  (open it in a browser)",
        env.page_url(&format!("/leads/detail/{LEAD}"))
    );
    if !has_widget {
        println!(
            "                    without the widget, which is not built: it needs Node and `cargo xtask widget build`"
        );
    }
    println!("   Swagger UI       {}/docs", env.api_url);
    println!("   OpenAPI          {}/openapi.json", env.api_url);
    println!("   Readiness        {}/readyz", env.api_url);
    println!("   Admin panel      {}  (login {}, password {})", panel.url, panel.login, panel.password);
    println!(
        "                    the first sign-in sets up the second factor: an authenticator app reads the QR code"
    );
    println!("   Portal           {}/portal  (docs/portal.md says how to invite yourself)", panel.url);
    println!("   Simulators, with a page of what each can do:");
    println!("   amoCRM           {}/_sim/", env.simulators.amocrm.url);
    println!("   T-Bank           {}/_sim/", env.simulators.tbank.url);
    println!(
        "   Telegram         {}/_sim/  (the app of a person: open a link to the bot there)",
        env.simulators.telegram.url
    );
    println!("   MAX              {}/_sim/", env.simulators.max.url);
    println!("   E-mail           {}/_sim/  (letters that were sent)", env.simulators.inbox.url);
    println!("   SpeechKit        {}/_sim/", env.simulators.speechkit.url);
    println!("   Object Storage   {}/_sim/", env.simulators.s3.url);
    println!(
        "   Project token of FlySense (not of your own widget), for X-Project-Token:\n   {}",
        env.project_token
    );
    let variables = env.scratch().join("demo.env");
    let lines: Vec<String> =
        env.variables().iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    std::fs::write(&variables, lines.join("\n") + "\n")?;
    println!(
        "   Environment of the processes, for flysk-worker's commands:\n   set -a; . {}; set +a",
        variables.display()
    );
    println!(
        "   Token of FlySense's page for Swagger UI's Authorize button, valid for 30 minutes:\n   {}",
        env.client()?.token()?
    );
    Ok(())
}

/// Prints the logs of the processes.
pub(super) fn logs(text: &str) {
    println!("{text}");
}
