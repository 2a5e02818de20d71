//! What a move of the clock answers: everything that happened on the way, in order.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_suite::environment::{ACCOUNT, ADMIN};
use reqwest::Method;
use serde_json::{Value, json};

use super::{START, entries, post, start};

/// What must have happened, in this order, among other things.
const WANTED: [&str; 7] = [
    "event subscription.renewal_upcoming",
    "letter My widget: спишем оплату",
    "charge insufficient_funds",
    "event subscription.payment_failed",
    "letter My widget: оплата не прошла",
    "charge paid",
    "event subscription.renewed",
];

/// The type of an entry, with what tells it from others of the type.
fn label(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    let what = match text("type") {
        "event" => text("event_type"),
        "charge" => text("outcome"),
        "letter" => text("subject"),
        _ => "",
    };
    format!("{} {what}", text("type"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_the_clock_tells_charges_events_and_letters_in_their_order() -> anyhow::Result<()> {
    let sandbox = start()?;
    let card = post(&sandbox, "/cards", json!({ "charges": ["insufficient_funds", "paid"] })).await?;
    sandbox.subscribe(ACCOUNT, ADMIN, card["number"].as_str().context("a card")?).await?;
    let before = sandbox.control(Method::GET, "/timeline", None).await?["next"].as_u64();
    let before = before.context("a number")?;
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "5w" })).await?;
    assert_eq!((&moved["from"], &moved["now"]), (&json!(START), &json!("2027-03-07T09:00:00Z")));

    let items = moved["items"].as_array().context("items")?;
    let mut told = items.iter().map(label);
    for wanted in WANTED {
        assert!(told.any(|label| label.starts_with(wanted)), "no {wanted} in its place: {moved}");
    }
    for letter in entries(&moved, "letter", &["to", "text"]) {
        assert_eq!(letter[0], &json!(["buh@example.test"]), "{moved}");
        assert!(letter[1].as_str().is_some_and(|text| text.contains(sandbox.text("/url"))), "{moved}");
    }
    let mut times: Vec<DateTime<Utc>> = Vec::new();
    for (entry, seq) in items.iter().zip(before + 1..) {
        assert_eq!(entry["seq"], seq, "numbers have no gaps: {moved}");
        times.push(entry["at"].as_str().context("a time")?.parse()?);
    }
    assert!(times.is_sorted(), "{moved}");
    let end = (&moved["next"], &moved["more"]);
    assert_eq!(end, (&items.last().context("entries")?["seq"], &json!(false)), "{moved}");
    for kind in ["charge", "event", "letter"] {
        assert_eq!(moved["counts"][kind], entries(&moved, kind, &["at"]).len(), "{kind}: {moved}");
    }
    sandbox.stop()
}
