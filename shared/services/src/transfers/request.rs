//! Asking for an invoice that a firm pays by transfer.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use flysk_crypto::aad;
use flysk_domain::id::{InstallId, TransferInvoiceId, VendorId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::mail::TransferLetter;
use flysk_domain::platform::purchases::{Email, PurchaseState};
use flysk_domain::platform::subscriptions::{InvoiceKind, VatRate, day_start, moscow_day};
use flysk_domain::platform::transfers::{
    BalanceCause, DAYS_IN_TRANSIT, InvoiceNumber, MAX_PURPOSE_CHARS, Payer, PaymentSubject,
    TransferInvoiceState,
};
use flysk_jobs::platform::transfers::SendTransferInvoice;
use flysk_queue::UnitOfWork;
use flysk_store::platform::transfers::{self, BalanceOwner, NewTransferInvoiceRow, TransferInvoice};
use flysk_store::platform::{purchases, vendors};
use flysk_store::{StoreError, StoreResult};

use super::cover::cover_from_balance;
use super::letters::queue_letter;
use super::settle::settle_transfer;
use super::{TransferContext, TransferError};
use crate::live_payments::end_invoice;
use crate::purchases::TRANSFER_TERMINAL;
use crate::subscriptions::{self, Actor};

/// Maximum length of a title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// An invoice to be asked for.
#[derive(Debug, Clone, Copy)]
pub struct NewTransferInvoice<'a> {
    /// Subject that the invoice pays: an open invoice of a subscription, or a purchase of
    /// [`super::order_coins_by_transfer`].
    pub subject: PaymentSubject,
    /// Firm that asks for the invoice, with its requisites.
    pub payer: &'a Payer,
    /// Address that the invoice is sent to.
    pub email: &'a Email,
    /// VAT rate of a vendor without taxes of its own: that of the environment.
    pub default_vat: VatRate,
    /// Requester of the invoice.
    pub requested_by: Actor<'a>,
}

/// Why there is no invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// The subject is paid, void or unknown, or its time to be paid is over.
    #[error("what is to be paid is not open")]
    NotPayable,
    /// The vendor has no access to the bank's T-API.
    #[error("the seller does not take transfers")]
    NotOffered,
    /// The vendor's series of numbers is exhausted.
    #[error("the seller's series of numbers is exhausted")]
    SeriesExhausted,
}

/// Whether there is an invoice to pay now.
#[derive(Debug)]
pub enum RequestOutcome {
    /// An invoice was written and is sent to the bank.
    Requested(Box<TransferInvoice>),
    /// An invoice to the same payer waits for the money already.
    Waiting(Box<TransferInvoice>),
    /// The firm's balance paid all of it, or what was missing of one that waited.
    PaidFromBalance(Box<TransferInvoice>),
    /// There is no invoice.
    Refused(RequestRefusal),
}

/// Facts about the subject of an invoice.
struct Sale {
    vendor: VendorId,
    install: InstallId,
    widget: WidgetId,
    title: String,
    total: Kopecks,
    vat: VatRate,
    /// Time from which what is paid cannot be held any more.
    held_at_most: Option<DateTime<Utc>>,
}

/// Writes an invoice for a subject at its price, takes the firm's balance first, and has the rest sent by the bank. The seller's
/// terms say how long it can be paid.
///
/// One invoice waits for a subject. A request of another payer replaces one of which nothing has arrived. A request of the same
/// payer pays it from the balance, if that has all that is missing by now.
///
/// # Errors
///
/// See [`TransferError`].
pub async fn request_transfer_invoice(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    new: NewTransferInvoice<'_>,
) -> Result<RequestOutcome, TransferError> {
    let now = context.clock.now();
    let issued_on = moscow_day(now);
    let Some(sale) = find_sale(unit, &new, now).await? else {
        return Ok(RequestOutcome::Refused(RequestRefusal::NotPayable));
    };
    let Some(access) = transfers::find_access(unit, sale.vendor).await? else {
        return Ok(RequestOutcome::Refused(RequestRefusal::NotOffered));
    };
    if let Some(waiting) = transfers::find_open_transfer_invoice(unit, new.subject).await? {
        let waiting = transfers::lock_transfer_invoice(unit, waiting.id).await?;
        let is_same = waiting.payer == *new.payer;
        if is_same && let Some(paid) = cover_from_balance(unit, context, &waiting).await? {
            return Ok(RequestOutcome::PaidFromBalance(Box::new(paid)));
        }
        if is_same || waiting.paid.is_positive() {
            return Ok(RequestOutcome::Waiting(Box::new(waiting)));
        }
        end_invoice(unit, context.clock, &waiting, TransferInvoiceState::Void, "replaced").await?;
    }
    let serial = transfers::take_serial(unit, sale.vendor, now).await?;
    let Ok(number) = InvoiceNumber::of_serial(serial) else {
        return Ok(RequestOutcome::Refused(RequestRefusal::SeriesExhausted));
    };
    let due_on = access.due.last_day(issued_on);
    let invoice = write(unit, context, &new, &sale, (number, issued_on, due_on)).await?;
    let transit = TimeDelta::days(i64::try_from(DAYS_IN_TRANSIT).unwrap_or_default() + 1);
    let held_until = day_start(due_on) + transit;
    let held_until = sale.held_at_most.map_or(held_until, |most| held_until.min(most));
    transfers::hold_subject(unit, new.subject, held_until, now).await?;
    if invoice.amount.is_positive() {
        unit.enqueue(&SendTransferInvoice { transfer_invoice_id: invoice.id }).await?;
        queue_letter(unit, context.clock, &invoice, TransferLetter::Issued).await?;
        return Ok(RequestOutcome::Requested(Box::new(invoice)));
    }
    settle_transfer(unit, context, &invoice, now).await?;
    let paid = transfers::find_transfer_invoice(unit, invoice.id).await?.unwrap_or(invoice);
    Ok(RequestOutcome::PaidFromBalance(Box::new(paid)))
}

/// Writes the row, and takes the firm's balance for it.
async fn write(
    unit: &mut UnitOfWork,
    context: TransferContext<'_>,
    new: &NewTransferInvoice<'_>,
    sale: &Sale,
    (number, issued_on, due_on): (InvoiceNumber, NaiveDate, NaiveDate),
) -> Result<TransferInvoice, TransferError> {
    let (id, now) = (TransferInvoiceId::generate(context.clock), context.clock.now());
    let owner = BalanceOwner { vendor: sale.vendor, install: sale.install, inn: new.payer.inn };
    let from_balance = transfers::find_balance(unit, owner).await?.min(sale.total);
    let email = context.keyring.seal_email(new.email.as_str(), &aad::transfer_email(id))?;
    let requested_by = new.requested_by.to_string();
    let row = NewTransferInvoiceRow {
        id,
        vendor_id: sale.vendor,
        number,
        install_id: sale.install,
        widget_id: sale.widget,
        subject: new.subject,
        payer: new.payer,
        email_sealed: &email.sealed,
        email_hash: email.index.as_bytes(),
        title: &cut(&sale.title, MAX_TITLE_CHARS),
        purpose: &purpose(number, issued_on, sale),
        total: sale.total,
        from_balance,
        amount: Kopecks(sale.total.0 - from_balance.0),
        vat: sale.vat,
        issued_on,
        due_on,
        requested_by: &cut(&requested_by, 80),
        now,
    };
    transfers::insert_transfer_invoice(unit, &row).await?;
    if from_balance.is_positive() {
        let (taken, key) = (Kopecks(-from_balance.0), id.to_string());
        transfers::change_balance(unit, owner, taken, (BalanceCause::Applied, key.as_str()), now).await?;
    }
    let written = transfers::find_transfer_invoice(unit, id).await?;
    Ok(written.ok_or(StoreError::WrongState { what: "transfer invoice" })?)
}

/// Purpose that the payer is asked to write; the number comes first, because banks cut the end.
fn purpose(number: InvoiceNumber, issued_on: NaiveDate, sale: &Sale) -> String {
    let vat = match sale.vat {
        VatRate::None => "НДС не облагается",
        VatRate::Vat0 => "НДС 0 %",
        VatRate::Vat5 => "в том числе НДС 5 %",
        VatRate::Vat7 => "в том числе НДС 7 %",
        VatRate::Vat10 => "в том числе НДС 10 %",
        VatRate::Vat20 => "в том числе НДС 20 %",
        VatRate::Vat22 => "в том числе НДС 22 %",
    };
    let day = issued_on.format("%d.%m.%Y");
    let text = format!("Оплата по счету № {number} от {day}, {vat}. {}", sale.title);
    cut(&text, MAX_PURPOSE_CHARS)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Locks the subject and reads what is sold; `None` if it is not to be paid.
async fn find_sale(
    unit: &mut UnitOfWork,
    new: &NewTransferInvoice<'_>,
    now: DateTime<Utc>,
) -> StoreResult<Option<Sale>> {
    match new.subject {
        PaymentSubject::Invoice(id) => {
            if flysk_store::platform::subscriptions::find_invoice(unit, id).await?.is_none() {
                return Ok(None);
            }
            let invoice = subscriptions::lock(unit, id).await?.invoice;
            let held_at_most = match invoice.kind {
                InvoiceKind::Change => Some(invoice.period.ends_at()),
                InvoiceKind::Start | InvoiceKind::Renewal => None,
            };
            let payable = invoice.is_payable(now) && invoice.total.is_positive();
            Ok(payable.then(|| Sale {
                vendor: invoice.vendor_id,
                install: invoice.install_id,
                widget: invoice.widget_id,
                vat: invoice.vat.unwrap_or(new.default_vat),
                total: invoice.total,
                title: invoice.title,
                held_at_most,
            }))
        }
        PaymentSubject::Purchase(id) => {
            if purchases::find_purchase(unit, id).await?.is_none() {
                return Ok(None);
            }
            let purchase = purchases::lock_purchase(unit, id).await?;
            let vendor = vendors::find_vendor_of_widget(unit, purchase.widget_id).await?;
            let vendor = vendor.ok_or(StoreError::WrongState { what: "vendor" })?;
            let taxes = vendors::find_taxes(unit, vendor.id, moscow_day(now)).await?;
            let payable =
                purchase.state == PurchaseState::Awaiting && purchase.terminal_key == TRANSFER_TERMINAL;
            Ok(payable.then(|| Sale {
                vendor: vendor.id,
                install: purchase.install_id,
                widget: purchase.widget_id,
                vat: taxes.map_or(new.default_vat, |taxes| taxes.vat),
                total: purchase.price,
                title: format!("Пополнение Flycoins: пакет «{}»", purchase.title),
                held_at_most: None,
            }))
        }
    }
}
