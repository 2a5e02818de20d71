//! `Charge` of a saved card, and `Confirm` of a held payment.

use flysk_domain::Clock;
use serde_json::{Map, Value};

use super::answer::{Answer, told, with_payment};
use super::fields::{Field, Kind, amount, text};
use super::model::{BankState, ChargeAnswer, ChargeScript, Ending, Terminal};
use super::notifications::Notification;
use super::payer::settle;
use super::refusal::{ApiError, ApiResult};
use super::{Payment, TBank};
use crate::lock::locked;
use crate::server::AnswerFault;

pub(super) const CHARGE_FIELDS: &[Field] = &[
    ("PaymentId", Kind::Digits(20), true),
    ("RebillId", Kind::Digits(20), true),
    ("IP", Kind::Text(45), false),
    ("SendEmail", Kind::Flag, false),
    ("InfoEmail", Kind::Text(100), false),
];

pub(super) const CONFIRM_FIELDS: &[Field] = &[
    ("PaymentId", Kind::Digits(20), true),
    ("Amount", Kind::Amount, false),
    ("IP", Kind::Text(45), false),
    ("Receipt", Kind::Object, false),
    ("Shops", Kind::List, false),
    ("Route", Kind::Text(20), false),
    ("Source", Kind::Text(20), false),
];

/// Sends the notifications of a charge before its response.
pub(super) async fn charge(
    bank: &TBank,
    terminal: &Terminal,
    body: &Map<String, Value>,
) -> Result<Answer, ApiError> {
    if terminal.blocked {
        return Err(ApiError::new(202, "Терминал заблокирован"));
    }
    if !terminal.charge_enabled {
        return Err(ApiError::new(10, "Обратитесь в поддержку, чтобы разрешить Charge"));
    }
    if body.get("SendEmail") == Some(&Value::Bool(true)) && text(body, "InfoEmail").is_none() {
        return Err(ApiError::field("InfoEmail", "обязательно при SendEmail=true"));
    }
    let (payment, script, notifications) = begin(bank, terminal, body)?;
    let answered = bank.announce(notifications);
    if script.ending == Ending::LateSuccess {
        bank.succeed_later(&payment.id);
    }
    if bank.behaviour().charge_waits_for_notifications {
        answered.await;
    }
    let fault = match script.answer {
        ChargeAnswer::Arrives => None,
        ChargeAnswer::Lost => Some(AnswerFault::Cut),
        ChargeAnswer::Hangs => Some(AnswerFault::Hang),
    };
    let body = match payment.error_code {
        0 => told(&payment),
        code => ApiError::new(code, "Операция отклонена").about(&payment).body(&terminal.key),
    };
    Ok(Answer { body, fault })
}

fn begin(
    bank: &TBank,
    terminal: &Terminal,
    body: &Map<String, Value>,
) -> Result<(Payment, ChargeScript, Vec<Notification>), ApiError> {
    let now = bank.control().clock().now();
    let mut bank_state = locked(&bank.inner.bank_state);
    let id = text(body, "PaymentId").unwrap_or_default();
    let payment = bank_state.payment(id, now).ok_or_else(|| ApiError::new(255, "Платёж не найден"))?;
    // The documents do not promise a second charge of a payment, whether the first was paid, declined or is
    // unknown.
    if payment.status != "NEW" {
        return Err(ApiError::state(payment));
    }
    if matches!(payment.initiator.as_deref(), Some("0" | "1")) || payment.recurrent {
        return Err(ApiError::new(1126, "Тип инициатора не допускает RebillId").about(payment));
    }
    let rebill = text(body, "RebillId").unwrap_or_default();
    let removed_chargeable = bank.behaviour().removed_cards_chargeable;
    let (card, card_id, script) = saved_card(&mut bank_state, terminal, rebill, removed_chargeable)
        .ok_or_else(|| ApiError::new(104, "RebillId не найден"))?;
    let payment = bank_state.payment(id, now).ok_or_else(|| ApiError::new(255, "Платёж не найден"))?;
    (payment.card, payment.card_id) = (Some(card), Some(card_id));
    let notifications = settle(payment, script.ending);
    Ok((payment.clone(), script, notifications))
}

/// Card of a `RebillId` and the script of this charge.
fn saved_card(
    bank_state: &mut BankState,
    terminal: &Terminal,
    rebill: &str,
    removed_chargeable: bool,
) -> Option<(String, u64, ChargeScript)> {
    let id = rebill.parse().ok()?;
    let number = bank_state.rebill(id)?.card.clone();
    let own = bank_state.means(&number).map_or(Ending::Paid, |means| means.charge);
    let saved = bank_state.rebill(id)?;
    if saved.terminal != terminal.key || (saved.removed && !removed_chargeable) {
        return None;
    }
    let script = if saved.next.is_empty() { own.into() } else { saved.next.remove(0) };
    Some((saved.card.clone(), saved.card_id, script))
}

pub(super) async fn confirm(bank: &TBank, body: &Map<String, Value>) -> ApiResult {
    let (payment, notifications) = with_payment(bank, body, |payment| {
        if !matches!(payment.status.as_str(), "AUTHORIZED" | "PARTIAL_REVERSED") {
            return Err(ApiError::state(payment));
        }
        let sum = amount(body, "Amount").unwrap_or(payment.left);
        if sum > payment.left {
            return Err(ApiError::new(8, "Сумма больше захолдированной").about(payment));
        }
        payment.left = sum;
        payment.become_status("CONFIRMED");
        Ok((payment.clone(), vec![Notification::of(payment)]))
    })?;
    bank.announce(notifications).await;
    Ok(told(&payment))
}
