//! Requests to the bank about invoices, with their receipts (54-FZ).

use flysk_clients::tbank::{
    CancelRequest, ClosingReceiptRequest, InitRequest, InitiatorType, Language, PaymentMethod, PaymentObject,
    Receipt, ReceiptItem, Vat,
};
use flysk_crypto::aad;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{ReceiptBasis, ReceiptKind, VatRate, receipt_line};
use flysk_queue::{JobContext, JobError};
use flysk_services::invoice_payments::ReceiptFacts;
use flysk_store::Conn;
use flysk_store::platform::invoice_payments::{Attempt, InvoiceRefund};
use flysk_store::platform::subscriptions::{Invoice, Seller};
use flysk_store::platform::vendors::{self, VendorTaxes};
use secrecy::ExposeSecret as _;

use crate::App;
use crate::acquiring::Acquiring;
use crate::platform::keyring::keyring_unavailable;

/// Longest description on the form, in characters.
const MAX_DESCRIPTION_LEN: usize = 140;

/// Parts of a request about an invoice.
struct Parts {
    invoice: Invoice,
    seller: Seller,
    contact: Email,
}

/// Reads what the request about an attempt is made of.
pub(super) async fn find_facts(run: &JobContext, attempt: &Attempt) -> Result<ReceiptFacts, JobError> {
    let found = ReceiptFacts::find(&mut *run.pool().acquire().await?, attempt.invoice_id).await?;
    found.ok_or_else(gone)
}

fn gone() -> JobError {
    JobError::give_up("the invoice is gone")
}

async fn parts(run: &JobContext, app: &App, attempt: &Attempt) -> Result<Parts, JobError> {
    open_facts(app, find_facts(run, attempt).await?)
}

fn open_facts(app: &App, facts: ReceiptFacts) -> Result<Parts, JobError> {
    let ReceiptFacts { invoice, seller, contact } = facts;
    let (of, sealed) = contact.ok_or_else(|| JobError::give_up("no address for the receipt is known"))?;
    let text =
        app.keyring.open(&sealed, &aad::invoice_contact(of)).map_err(|error| keyring_unavailable(&error))?;
    let contact = text.expose_secret().parse();
    let contact = contact.map_err(|error| JobError::give_up(format!("the stored contact: {error}")))?;
    Ok(Parts { invoice, seller, contact })
}

/// The request that opens the payment of a charge. It has no payer and saves no card (eacq/autopay).
pub(super) fn charge_request(
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    facts: ReceiptFacts,
) -> Result<InitRequest, JobError> {
    let parts = open_facts(app, facts)?;
    let initiator: InitiatorType = parts
        .seller
        .charge_initiator
        .parse()
        .map_err(|error| JobError::give_up(format!("the vendor's initiator of charges: {error}")))?;
    let basis = basis_of_payment(&parts, attempt);
    Ok(InitRequest {
        description: Some(description(&parts.invoice)),
        notification_url: Some(acquiring.notification_url().map_err(give_up)?),
        initiator: Some(initiator),
        receipt: Some(receipt(acquiring, &parts, attempt.amount, &basis)?),
        ..InitRequest::new(attempt.id.to_string(), attempt.amount)
    })
}

/// The request that opens the payment of a form.
pub(super) async fn form_request(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
) -> Result<InitRequest, JobError> {
    let parts = parts(run, app, attempt).await?;
    let basis = basis_of_payment(&parts, attempt);
    let back = |how| acquiring.payment_page(attempt.install_id, attempt.id, how).map_err(give_up);
    let initiator =
        if attempt.save_card { InitiatorType::CustomerSavesCard } else { InitiatorType::Customer };
    Ok(InitRequest {
        description: Some(description(&parts.invoice)),
        customer_key: attempt.save_card.then(|| attempt.install_id.to_string()),
        save_card: attempt.save_card,
        language: Some(Language::Ru),
        notification_url: Some(acquiring.notification_url().map_err(give_up)?),
        success_url: Some(back("from=bank")?),
        fail_url: Some(back("from=bank&paid=no")?),
        due: Some(parts.invoice.link_ends_at(attempt.created_at)),
        initiator: Some(initiator),
        receipt: Some(receipt(acquiring, &parts, attempt.amount, &basis)?),
        ..InitRequest::new(attempt.id.to_string(), attempt.amount)
    })
}

/// What the receipt of a payment says. An attempt of an earlier release does not know it.
fn basis_of_payment(parts: &Parts, attempt: &Attempt) -> ReceiptBasis {
    attempt.receipt.clone().unwrap_or_else(|| ReceiptBasis {
        kind: parts.seller.receipts.at_payment(),
        taxation: parts.invoice.taxation.clone(),
        vat: parts.invoice.vat,
    })
}

/// What the closing receipt of a payment is made of.
#[derive(Debug)]
pub(super) struct ClosingFacts {
    /// `None`: the invoice is gone.
    receipt: Option<ReceiptFacts>,
    /// The seller's taxes on the last day of what was sold: that is the day of the settlement, and a year may cross a change of rates.
    taxes: Option<VendorTaxes>,
}

impl ClosingFacts {
    /// Reads the facts about the payment of an attempt.
    pub(super) async fn read(conn: &mut Conn, attempt: &Attempt) -> Result<Self, JobError> {
        let receipt = ReceiptFacts::find(conn, attempt.invoice_id).await?;
        let taxes = match &receipt {
            Some(ReceiptFacts { invoice, seller, .. }) => {
                vendors::find_taxes(conn, seller.id, invoice.period.last_day()).await?
            }
            None => None,
        };
        Ok(Self { receipt, taxes })
    }
}

/// The closing receipt of a prepaid payment, over what is left of it, and what it says.
pub(super) fn closing_request(
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    left: Kopecks,
    facts: ClosingFacts,
) -> Result<(ClosingReceiptRequest, ReceiptBasis), JobError> {
    let parts = open_facts(app, facts.receipt.ok_or_else(gone)?)?;
    let payment_id = attempt.payment_id.clone();
    let payment_id = payment_id.ok_or_else(|| JobError::give_up("a paid attempt without a payment"))?;
    let (taxation, vat) = facts.taxes.map(|taxes| (taxes.taxation, taxes.vat)).unzip();
    let basis = ReceiptBasis { kind: ReceiptKind::Settlement, taxation, vat };
    let receipt = receipt(acquiring, &parts, left, &basis)?;
    Ok((ClosingReceiptRequest { payment_id, receipt }, basis))
}

/// A refund. The refund of all that was paid has no receipt lines, a partial one mirrors the receipt that it undoes: the closing
/// one, if it is registered.
pub(super) async fn refund_request(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    attempt: &Attempt,
    refund: &InvoiceRefund,
    closing: Option<ReceiptBasis>,
) -> Result<CancelRequest, JobError> {
    let payment_id = attempt.payment_id.clone();
    let payment_id = payment_id.ok_or_else(|| JobError::give_up("a paid attempt without a payment"))?;
    let receipt = if refund.amount == attempt.amount {
        None
    } else {
        let parts = parts(run, app, attempt).await?;
        let basis = match closing {
            // Of a closing receipt of an earlier release only the invoice is known.
            Some(closing) => ReceiptBasis {
                kind: closing.kind,
                taxation: closing.taxation.or_else(|| parts.invoice.taxation.clone()),
                vat: closing.vat.or(parts.invoice.vat),
            },
            None => basis_of_payment(&parts, attempt),
        };
        Some(receipt(acquiring, &parts, refund.amount, &basis)?)
    };
    Ok(CancelRequest {
        payment_id,
        amount: refund.amount,
        external_request_id: Some(refund.id.clone()),
        receipt,
    })
}

fn receipt(
    acquiring: &Acquiring,
    parts: &Parts,
    amount: Kopecks,
    basis: &ReceiptBasis,
) -> Result<Receipt, JobError> {
    let ReceiptBasis { kind, vat, ref taxation } = *basis;
    let line = receipt_line(&parts.invoice.lines, amount, vat.unwrap_or(VatRate::None), kind);
    let line = line.ok_or_else(|| JobError::give_up("the invoice has no line for a receipt"))?;
    let tax = match vat {
        Some(rate) => rate.bank_code(kind).parse().map_err(give_up)?,
        None => default_vat(acquiring, kind),
    };
    let taxation = match taxation {
        Some(code) => code.parse().map_err(give_up)?,
        None => acquiring.default_taxation(),
    };
    let item = ReceiptItem {
        name: line.name,
        price: line.amount,
        quantity: 1,
        amount: line.amount,
        tax,
        payment_method: match kind {
            ReceiptKind::Prepayment => PaymentMethod::FullPrepayment,
            ReceiptKind::Settlement => PaymentMethod::FullPayment,
        },
        payment_object: PaymentObject::Service,
        measurement_unit: acquiring.measurement_unit(),
    };
    Ok(Receipt {
        ffd_version: acquiring.ffd_version(),
        taxation,
        email: Some(parts.contact.as_str().to_owned()),
        phone: None,
        items: vec![item],
    })
}

/// The environment's rate: a prepayment carries the computed one.
const fn default_vat(acquiring: &Acquiring, kind: ReceiptKind) -> Vat {
    match (acquiring.default_vat(), kind) {
        (Vat::Vat5, ReceiptKind::Prepayment) => Vat::Vat105,
        (Vat::Vat7, ReceiptKind::Prepayment) => Vat::Vat107,
        (Vat::Vat10, ReceiptKind::Prepayment) => Vat::Vat110,
        (Vat::Vat22, ReceiptKind::Prepayment) => Vat::Vat122,
        (vat, _) => vat,
    }
}

fn description(invoice: &Invoice) -> String {
    invoice.title.chars().take(MAX_DESCRIPTION_LEN).collect()
}

fn give_up(error: impl std::fmt::Display) -> JobError {
    JobError::give_up(format!("the request: {error}"))
}
