//! Payers and their saved cards: `AddCustomer`, `GetCustomer`, `GetCardList`, `RemoveCard`, and cards bound elsewhere.

use serde_json::{Map, Value, json};

use super::fields::{Field, Kind, text};
use super::model::{Customer, Ending, Source, TEST_CARDS, Terminal};
use super::notifications::masked;
use super::refusal::{ApiError, ApiResult};
use super::scenario_error::ScenarioError;
use super::{Card, TBank};
use crate::lock::locked;

pub(super) const CUSTOMER_FIELDS: &[Field] = &[
    ("CustomerKey", Kind::Text(36), true),
    ("Email", Kind::Text(100), false),
    ("Phone", Kind::Text(20), false),
    ("IP", Kind::Text(45), false),
];

pub(super) const CUSTOMER_KEY_FIELDS: &[Field] =
    &[("CustomerKey", Kind::Text(36), true), ("IP", Kind::Text(45), false)];

pub(super) const LIST_FIELDS: &[Field] =
    &[("CustomerKey", Kind::Text(36), true), ("SavedCard", Kind::Flag, false), ("IP", Kind::Text(45), false)];

pub(super) const REMOVE_FIELDS: &[Field] = &[
    ("CustomerKey", Kind::Text(36), true),
    ("CardId", Kind::Digits(20), true),
    ("IP", Kind::Text(45), false),
];

pub(super) fn add_customer(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let key = text(body, "CustomerKey").unwrap_or_default();
    let mut bank_state = locked(&bank.inner.bank_state);
    let own = |name: &str| text(body, name).map(str::to_owned);
    let customer = Customer { email: own("Email"), phone: own("Phone") };
    let known = bank_state.customers.contains_key(&(terminal.key.clone(), key.to_owned()));
    if known {
        return Err(ApiError::new(7, "Покупатель уже существует"));
    }
    bank_state.customers.insert((terminal.key.clone(), key.to_owned()), customer);
    Ok(json!({"Success": true, "ErrorCode": "0", "TerminalKey": terminal.key, "CustomerKey": key}))
}

pub(super) fn get_customer(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let key = text(body, "CustomerKey").unwrap_or_default();
    let bank_state = locked(&bank.inner.bank_state);
    let customer = bank_state.customers.get(&(terminal.key.clone(), key.to_owned())).ok_or_else(unknown)?;
    let mut told =
        json!({"Success": true, "ErrorCode": "0", "TerminalKey": terminal.key, "CustomerKey": key});
    for (name, value) in [("Email", &customer.email), ("Phone", &customer.phone)] {
        if let Some(value) = value {
            told[name] = json!(value);
        }
    }
    Ok(told)
}

/// A bare list, removed cards included. The latest `RebillId` of each card.
pub(super) fn list(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let key = text(body, "CustomerKey").unwrap_or_default();
    let bank_state = locked(&bank.inner.bank_state);
    if !bank_state.customers.contains_key(&(terminal.key.clone(), key.to_owned())) {
        return Err(unknown());
    }
    let mut cards: Vec<Value> = Vec::new();
    for saved in bank_state.rebills.iter().rev() {
        let card_id = json!(saved.card_id.to_string());
        let ours = saved.terminal == terminal.key && saved.customer_key == key;
        if ours && cards.iter().all(|card| card["CardId"] != card_id) {
            cards.push(json!({
                "CardId": card_id, "Pan": masked(&saved.card), "ExpDate": "1230", "CardType": 0,
                "Status": if saved.removed { "D" } else { "A" }, "RebillId": saved.id.to_string(),
            }));
        }
    }
    cards.reverse();
    Ok(Value::Array(cards))
}

pub(super) fn remove(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> ApiResult {
    let (key, card_id) =
        (text(body, "CustomerKey").unwrap_or_default(), text(body, "CardId").unwrap_or_default());
    let mut bank_state = locked(&bank.inner.bank_state);
    if !bank_state.customers.contains_key(&(terminal.key.clone(), key.to_owned())) {
        return Err(unknown());
    }
    let mut found = false;
    for saved in &mut bank_state.rebills {
        if saved.terminal == terminal.key && saved.customer_key == key && saved.card_id.to_string() == card_id
        {
            saved.removed = true;
            found = true;
        }
    }
    if !found {
        return Err(ApiError::new(107, "Карта не найдена"));
    }
    Ok(json!({
        "Success": true, "ErrorCode": "0", "TerminalKey": terminal.key, "CustomerKey": key,
        "CardId": card_id, "Status": "D", "CardType": 0,
    }))
}

fn unknown() -> ApiError {
    ApiError::new(503, "CustomerKey не найден")
}

impl TBank {
    /// A payer binds a card without a purchase (`AddCard` with `CheckType=3DSHOLD`, on another page of the shop). The
    /// bank tells the terminal's URL with `NotificationType=LINKCARD`. Returns the `RebillId`.
    pub fn bind_card(
        &self,
        terminal: &str,
        customer_key: &str,
        card_number: &str,
    ) -> Result<u64, ScenarioError> {
        let card: &Card = TEST_CARDS
            .iter()
            .find(|card| card.number == card_number && card.source == Source::Card)
            .ok_or(ScenarioError::UnknownCard)?;
        let bound = card.form == Ending::Paid;
        let (fields, url, rebill_id) = {
            let mut bank_state = locked(&self.inner.bank_state);
            let url = bank_state.terminal(terminal).ok_or(ScenarioError::UnknownTerminal)?;
            let url = url.notification_url.clone().ok_or(ScenarioError::NoAddress)?;
            let customer = (terminal.to_owned(), customer_key.to_owned());
            bank_state.customers.entry(customer).or_default();
            let saved = bank_state.save_card(terminal, customer_key, card_number);
            let mut fields = json!({
                "NotificationType": "LINKCARD", "TerminalKey": terminal, "CustomerKey": customer_key,
                "RequestKey": format!("{:032x}", rand::random::<u128>()), "Success": bound,
                "Status": if bound { "COMPLETED" } else { "REJECTED" },
                "PaymentId": saved.id, "ErrorCode": if bound { "0" } else { "1005" },
                "CardId": saved.card_id, "Pan": masked(card_number), "ExpDate": "1230",
            });
            if bound {
                fields["RebillId"] = json!(saved.id);
            }
            (fields, url, saved.id)
        };
        self.send_fields(url, terminal, &fields)?;
        Ok(rebill_id)
    }
}
