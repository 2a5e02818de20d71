//! The card for renewals, and why there is none.

use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_services::subscriptions::SubscriptionDetails;
use flysk_store::platform::invoice_payments::{self as attempts, Card};
use flysk_store::platform::subscriptions::Invoice;
use flysk_store::{Conn, StoreResult};

use super::texts;

/// The section about renewal.
#[derive(Debug)]
pub(super) struct Renewal {
    /// The card, as people know it; `None` if renewal is off.
    pub(super) card: Option<String>,
    /// Whether the seller can charge the card.
    pub(super) can_charge: bool,
    /// When the card was saved.
    pub(super) saved_on: String,
    /// Why renewal is off, if that is known.
    pub(super) why_off: Option<&'static str>,
}

impl Renewal {
    /// Describes the card, or why the latest payment on a form has left none; `None` before the first purchase. `invoices` are the
    /// latest ones, newest first.
    pub(super) async fn load(
        conn: &mut Conn,
        details: &SubscriptionDetails,
        card: Option<&Card>,
        invoices: &[Invoice],
    ) -> StoreResult<Option<Self>> {
        if details.row.subscription.terms.is_none() {
            return Ok(None);
        }
        if let Some(card) = card {
            return Ok(Some(Self {
                card: Some(texts::card(card.pan.as_deref())),
                can_charge: details.can_charge_card,
                saved_on: texts::moment(card.linked_at),
                why_off: None,
            }));
        }
        let paid = invoices.iter().find(|invoice| invoice.paid_by.as_deref() == Some("form"));
        let why_off = match paid {
            Some(invoice) => why_off(conn, invoice).await?,
            None => None,
        };
        Ok(Some(Self { card: None, can_charge: false, saved_on: String::new(), why_off }))
    }
}

async fn why_off(conn: &mut Conn, invoice: &Invoice) -> StoreResult<Option<&'static str>> {
    let all = attempts::list_attempts(conn, invoice.id).await?;
    let Some(paid) = all.iter().rev().find(|attempt| attempt.state == AttemptState::Paid) else {
        return Ok(None);
    };
    if !paid.save_card {
        return Ok(Some("При последней оплате вы не давали согласия на списания, и карта не сохранена."));
    }
    Ok(Some(match attempts::find_card_of_payment(conn, paid.id).await? {
        Some(_) => "Карта отвязана.",
        None => NO_CARD_FROM_BANK,
    }))
}

/// Note to a payer who agreed to renewals, but whose payment gave no `RebillId`. Source: T-Bank, eacq/autopay.
pub(super) const NO_CARD_FROM_BANK: &str =
    "Банк не сохранил карту: так бывает после оплаты через СБП или SberPay, реже после оплаты картой.";
