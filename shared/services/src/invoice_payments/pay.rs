//! Paying an invoice on the bank's form, with or without the consent to later charges.

use flysk_crypto::{Keyring, SealedContact, aad};
use flysk_domain::Clock;
use flysk_domain::id::UserId;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{PRICE_NOTICE_DAYS, PeriodLength};
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_domain::russian::roubles;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::vendors::Vendor;
use secrecy::ExposeSecret as _;

use super::begin::{FormOutcome, FormRequest, open_form};
use crate::live_payments::{withdraw_form, withdraw_waiting};
use crate::subscriptions::{record_consent, set_contact};

/// Version of the offer's wording. A consent keeps version and text.
const OFFER_VERSION: &str = "2026-12-01";

/// Text that a payer agrees to by having the card saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalOffer {
    /// Version of the wording.
    pub version: &'static str,
    /// Text in Russian: who charges, how much, when, and how to stop it.
    pub text: String,
}

/// The offer for an invoice. The box beside it must not be ticked beforehand. `None` if the seller has no legal name or no INN: a
/// consent that does not say who may charge proves nothing.
pub fn renewal_offer(vendor: &Vendor, widget_name: &str, invoice: &Invoice) -> Option<RenewalOffer> {
    let seller = Some(vendor.legal_name.trim()).filter(|name| !name.is_empty())?;
    let inn = vendor.inn.as_deref()?;
    let price = roubles(invoice.terms.total().unwrap_or(invoice.total));
    let rhythm = match invoice.terms.length {
        PeriodLength::Month => "раз в месяц",
        PeriodLength::Quarter => "раз в 3 месяца",
        PeriodLength::HalfYear => "раз в 6 месяцев",
        PeriodLength::Year => "раз в год",
    };
    let text = format!(
        "Я разрешаю {seller} (ИНН {inn}) сохранить карту и списывать с неё {rhythm} оплату следующего периода \
         подписки на виджет «{widget_name}». Сейчас это {price}. Сумма изменится, если изменить тариф, число мест \
         или длину периода. Её может изменить и продавец: о новой цене сообщат не позже чем за \
         {PRICE_NOTICE_DAYS} дней до первого периода с ней, и до его начала от подписки можно отказаться. О каждом \
         списании сообщат заранее. Отвязать карту можно в любой момент на странице подписки, после этого списаний \
         не будет."
    );
    Some(RenewalOffer { version: OFFER_VERSION, text })
}

/// A payment to begin.
#[derive(Debug, Clone, Copy)]
pub struct PayRequest<'a> {
    /// User who pays.
    pub user: UserId,
    /// Address of the receipt.
    pub email: &'a Email,
    /// The address, sealed for `subscription_invoices.contact:<id>`, with the hash that finds it.
    pub contact: &'a SealedContact,
    /// Opens the address that the invoice has.
    pub keyring: &'a Keyring,
    /// Key of the vendor's terminal.
    pub terminal_key: &'a str,
    /// The offer that the payer agreed to, and the payer's IP address; `None` without consent: nothing is saved.
    pub consent: Option<(&'a RenewalOffer, &'a str)>,
}

/// Begins to pay an open invoice on the bank's form. Repeated, it returns the form that is already open. Locks the
/// subscription.
///
/// The bank sends the receipt to the address that the form was opened with. A form with another address than the payer gives
/// now is cancelled first, as one with another consent is. A transfer invoice that waits for money is withdrawn.
pub async fn pay_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: &Invoice,
    request: PayRequest<'_>,
) -> StoreResult<FormOutcome> {
    subscriptions::lock_subscription(unit, invoice.subscription_id).await?;
    let locked = subscriptions::lock_invoice(unit, invoice.id).await?;
    if has_other_address(&locked, request)
        && let Some(former) = withdraw_form(unit, invoice.id).await?
    {
        return Ok(FormOutcome::Busy(former));
    }
    let form = FormRequest { save_card: request.consent.is_some(), terminal_key: request.terminal_key };
    let outcome = open_form(unit, clock, invoice.id, form).await?;
    if let FormOutcome::Opening(_) = outcome {
        withdraw_waiting(unit, clock, PaymentSubject::Invoice(invoice.id), "paid_otherwise").await?;
        set_contact(unit, clock, invoice.id, request.contact).await?;
        if let Some((offer, address)) = request.consent {
            let told = (offer.version, offer.text.as_str());
            record_consent(unit, clock, invoice, request.user, told, address).await?;
        }
    }
    Ok(outcome)
}

/// Whether the invoice's receipts go to another address than the payer gives now. One that cannot be opened is another one.
fn has_other_address(invoice: &Invoice, request: PayRequest<'_>) -> bool {
    let Some(sealed) = &invoice.contact_sealed else { return false };
    let known = request.keyring.open(sealed, &aad::invoice_contact(invoice.id));
    !known.is_ok_and(|known| known.expose_secret() == request.email.as_str())
}
