//! Events to vendors' backends, as webhooks of the OpenAPI document.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::events::EventKind;
use flysk_store::JsonText;
use poem_openapi::Object;
use poem_openapi::types::{Example, ToJSON as _};
use serde_json::{Value, json};

use crate::choice::Choice;
use crate::strict_json::FreeJson;
use crate::time::Time;

/// An event about an install, as it is delivered: the same body in every attempt.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct Event {
    /// Event id; the same in every delivery and in `webhook-id`.
    id: String,
    /// Event type.
    #[oai(rename = "type")]
    kind: Choice<EventKind>,
    /// Account id in amoCRM.
    account_id: u64,
    /// First label of the account's host.
    subdomain: String,
    /// The account's host.
    base_domain: String,
    /// Install id.
    install_id: String,
    /// Number of the event among the install's events. A gap means that an event was missed.
    sequence: u64,
    /// Number of the event among the widget's events, without gaps.
    number: u64,
    /// Time of the event.
    time: Time,
    /// Data of the type: see the example of each webhook.
    data: FreeJson,
}

impl Event {
    fn example_of(kind: EventKind) -> Self {
        Self {
            id: "evt_01KCQJ2D4F6H8K0M2P4R6T8V0X".to_owned(),
            kind: kind.into(),
            account_id: 31_234_567,
            subdomain: "demo".to_owned(),
            base_domain: "demo.amocrm.ru".to_owned(),
            install_id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            sequence: 1,
            number: 1,
            time: Time::example(),
            data: FreeJson(
                JsonText::parse(&data_of(kind).to_string()).unwrap_or_else(|_| JsonText::empty_object()),
            ),
        }
    }
}

/// Example of a kind's data.
fn data_of(kind: EventKind) -> Value {
    match kind {
        EventKind::Install | EventKind::Activate => json!({"status": "active", "reason": "access_granted"}),
        EventKind::Deactivate => json!({"status": "inactive", "reason": "switched_off"}),
        EventKind::SettingsChanged => json!({"version": 4, "changed_by": "user 501"}),
        EventKind::FlycoinsPurchased => {
            json!({"purchase_id": "pur_01KCQJ8R2T4V6X8Z0B2D4F6H8K", "price_kopecks": 50_000,
            "coins_micro": 500_000_000, "bonus_micro": 50_000_000, "available_micro": 560_000_000})
        }
        EventKind::FlycoinsBalanceLow => {
            json!({"available_micro": 49_500_000, "threshold_micro": 50_000_000})
        }
        EventKind::FlycoinsHoldExpired => {
            json!({"hold_id": "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F", "amount_micro": 2_500_000})
        }
        EventKind::SubscriptionTrialEnding
        | EventKind::SubscriptionTrialEnded
        | EventKind::SubscriptionActivated
        | EventKind::SubscriptionPriceChanging
        | EventKind::SubscriptionRenewed
        | EventKind::SubscriptionChanged
        | EventKind::SubscriptionCancelled
        | EventKind::SubscriptionExpired => example_of_subscription(),
        EventKind::SubscriptionRenewalUpcoming => {
            let mut data = example_of_subscription();
            data["days_before"] = json!(3);
            data["charges_on"] = json!("2027-01-01");
            data
        }
        EventKind::SubscriptionPaymentFailed | EventKind::SubscriptionPastDue => {
            let mut data = example_of_subscription();
            data["pay_url"] = json!("https://flysk.example.com/pay/inv_01KCQJ7B2N4Q6S8V0X2Z4B6D8F/3f9a…");
            data
        }
        EventKind::Test => {
            json!({"message": "This event was requested to test the backend. Nothing happened in the account."})
        }
    }
}

impl Example for Event {
    fn example() -> Self {
        Self::example_of(EventKind::Install)
    }
}

/// Data of the events of subscriptions.
fn example_of_subscription() -> Value {
    json!({"subscription_id": "sub_01KCQJ1A3C5E7G9J1L3N5Q7S9V", "state": "active", "access_level": "allowed",
        "access_reason": "paid", "access_until": "2026-12-31T21:00:00Z", "plan_id": "pln_01KCQJ3F8A1C5E7G9J2M4P6R8T",
        "seats": 3, "months": 1, "period_from": "2026-12-01", "period_until": "2027-01-01", "cancels": false,
        "invoice_id": "inv_01KCQJ7B2N4Q6S8V0X2Z4B6D8F", "days_before": null, "charges_on": null})
}

const fn summary(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Install => "An account installed the widget.",
        EventKind::Activate => "The widget began to work in the account.",
        EventKind::Deactivate => "The widget stopped working in the account, or was uninstalled.",
        EventKind::SettingsChanged => "The settings of the widget in the account were changed.",
        EventKind::FlycoinsPurchased => "The account bought Flycoins.",
        EventKind::FlycoinsBalanceLow => "The balance fell below the widget's threshold.",
        EventKind::FlycoinsHoldExpired => "A hold expired without capture or release.",
        EventKind::SubscriptionTrialEnding => "The trial of the account ends in some days.",
        EventKind::SubscriptionTrialEnded => "The trial of the account ended without a purchase.",
        EventKind::SubscriptionActivated => "A first period was paid, or a new one after an end.",
        EventKind::SubscriptionRenewalUpcoming => {
            "The next period begins in some days: the card will be charged, or the account has to pay it."
        }
        EventKind::SubscriptionPriceChanging => {
            "The account was notified that the price of its plan changes in a month or later."
        }
        EventKind::SubscriptionRenewed => "The next period was paid.",
        EventKind::SubscriptionPaymentFailed => "A charge for the next period failed.",
        EventKind::SubscriptionPastDue => "The period is over and the next one is not paid.",
        EventKind::SubscriptionChanged => "Plan, seats, length or period of the subscription changed.",
        EventKind::SubscriptionCancelled => {
            "The subscription was cancelled: it ends with its period, or has ended."
        }
        EventKind::SubscriptionExpired => "The subscription ended, because the next period was not paid.",
        EventKind::Test => "A test that the vendor requested.",
    }
}

/// The `webhooks` of the document: one for each kind of event.
pub(super) fn webhooks() -> Value {
    let described =
        EventKind::ALL.iter().map(|&kind| (kind.as_str().to_owned(), json!({ "post": operation(kind) })));
    Value::Object(described.collect())
}

fn operation(kind: EventKind) -> Value {
    let header = |name: &str, description: &str, required: bool, example: &str| {
        json!({"name": name, "in": "header", "required": required, "description": description,
            "schema": {"type": "string"}, "example": example})
    };
    json!({
        "operationId": operation_id(kind),
        "summary": summary(kind),
        "description": "Sent to the widget's event URL, at least once. Answer with 2xx within ten seconds. \
            Verify the signature: Standard Webhooks 1.0.",
        "tags": ["Events"],
        "parameters": [
            header("X-Project-Token", "The widget's project token, unless the widget wants signatures only.", false, "fpt_…"),
            header("webhook-id", "The event id, if the widget has an event secret.", false, "evt_01KCQJ2D4F6H8K0M2P4R6T8V0X"),
            header("webhook-timestamp", "Time of the attempt, in seconds since 1970, if the widget has an event secret.", false, "1796040000"),
            header("webhook-signature", "Signatures, separated by spaces, if the widget has an event secret.", false, "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ],
        "requestBody": {
            "description": "The event.",
            "required": true,
            "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/Event"},
                "example": Event::example_of(kind).to_json(),
            }},
        },
        "responses": {
            "2XX": {"description": "The event is delivered."},
            "410": {"description": "The backend refuses the event: it is not sent again."},
            "default": {"description": "The delivery failed: it is tried again."},
        },
    })
}

/// `onFlycoinsBalanceLow` for `flycoins.balance_low`.
fn operation_id(kind: EventKind) -> String {
    let words = kind.as_str().split(['.', '_']);
    let capitalized = words.map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    format!("on{}", capitalized.collect::<String>())
}
