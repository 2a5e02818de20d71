//! `Charge` of a saved card, and `Confirm` of a held payment.

use flysk_domain::Clock;
use serde_json::{Map, Value};

use super::api::{told, with_payment};
use super::fields::{Field, Kind, amount, text};
use super::model::{Ending, Rebill, TEST_CARDS, Terminal, World};
use super::notices::Notice;
use super::payer::settle;
use super::refusal::{Answer, Refusal};
use super::{Payment, TBank};
use crate::control::locked;

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

/// Notices of a charge leave before its answer does.
pub(super) async fn charge(bank: &TBank, terminal: &Terminal, body: &Map<String, Value>) -> Answer {
    if !terminal.charge_enabled {
        return Err(Refusal::new(10, "Обратитесь в поддержку, чтобы разрешить Charge"));
    }
    if body.get("SendEmail") == Some(&Value::Bool(true)) && text(body, "InfoEmail").is_none() {
        return Err(Refusal::field("InfoEmail", "обязательно при SendEmail=true"));
    }
    let (payment, ending, notices) = begin(bank, terminal, body)?;
    let answered = bank.announce(notices);
    if ending == Ending::LateSuccess {
        bank.succeed_later(&payment.id);
    }
    if bank.behaviour().charge_waits_for_notices {
        answered.await;
    }
    match payment.error_code {
        0 => Ok(told(&payment)),
        code => Err(Refusal::new(code, "Операция отклонена").about(&payment)),
    }
}

fn begin(
    bank: &TBank,
    terminal: &Terminal,
    body: &Map<String, Value>,
) -> Result<(Payment, Ending, Vec<Notice>), Refusal> {
    let now = bank.control().clock().now();
    let mut world = locked(&bank.inner.world);
    let id = text(body, "PaymentId").unwrap_or_default();
    let payment = world.payment(id, now).ok_or_else(|| Refusal::new(255, "Платёж не найден"))?;
    // Nobody promises more than one charge per payment, whether it was paid, declined or is in doubt.
    if payment.status != "NEW" {
        return Err(Refusal::state(payment));
    }
    if matches!(payment.initiator.as_deref(), Some("0" | "1")) || payment.recurrent {
        return Err(Refusal::new(1126, "Тип инициатора не допускает RebillId").about(payment));
    }
    let rebill = text(body, "RebillId").unwrap_or_default();
    let (card, ending) =
        saved_card(&mut world, terminal, rebill).ok_or_else(|| Refusal::new(104, "RebillId не найден"))?;
    let payment = world.payment(id, now).ok_or_else(|| Refusal::new(255, "Платёж не найден"))?;
    payment.card = Some(card);
    let notices = settle(payment, ending);
    Ok((payment.clone(), ending, notices))
}

/// The card behind a `RebillId`, and how this charge of it ends.
fn saved_card(world: &mut World, terminal: &Terminal, rebill: &str) -> Option<(String, Ending)> {
    let saved: &mut Rebill = world
        .rebills
        .iter_mut()
        .find(|known| known.terminal == terminal.key && known.id.to_string() == rebill)?;
    let own =
        TEST_CARDS.iter().find(|card| card.number == saved.card).map_or(Ending::Paid, |card| card.charge);
    let ending = if saved.next.is_empty() { own } else { saved.next.remove(0) };
    Some((saved.card.clone(), ending))
}

pub(super) async fn confirm(bank: &TBank, body: &Map<String, Value>) -> Answer {
    let (payment, notices) = with_payment(bank, body, |payment| {
        if !matches!(payment.status.as_str(), "AUTHORIZED" | "PARTIAL_REVERSED") {
            return Err(Refusal::state(payment));
        }
        let sum = amount(body, "Amount").unwrap_or(payment.left);
        if sum > payment.left {
            return Err(Refusal::new(8, "Сумма больше захолдированной").about(payment));
        }
        payment.left = sum;
        payment.become_status("CONFIRMED");
        Ok((payment.clone(), vec![Notice::of(payment)]))
    })?;
    bank.announce(notices).await;
    Ok(told(&payment))
}
