//! Asking for invoices, finding and cancelling them.

use flysk_domain::id::{InstallId, PurchaseId, TransferInvoiceId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::platform::transfers::{Payer, PaymentSubject};
use flysk_domain::trace::Trace;
use flysk_services::purchases::{CreatePurchaseOutcome, MAX_OPEN_PURCHASES, PurchaseItem};
use flysk_services::subscriptions::Actor;
use flysk_services::transfers::{
    CoinOrder, NewTransferInvoice, PayByTransfer, RequestOutcome, RequestRefusal, TransferContext,
    TransferError, find_repeated_coin_order, order_coins_by_transfer, pay_by_transfer, pay_from_balance,
    withdraw_transfer_invoice,
};
use flysk_store::platform::ledger;
use flysk_store::platform::transfers::{TransferInvoice, find_transfer_invoice, list_transfer_invoices};
use flysk_store::repeat_contended;

use crate::auth::WidgetUser;
use crate::deps::Deps;
use crate::platform::purchases::{Buyer, install_inactive, wallet_of};
use crate::platform::subscriptions::{Refusal, find_offer, must_be_installed, must_sell};
use crate::problem::{Problem, ProblemCode};

/// Newest invoices among which that of a subject is looked for.
const MAX_EARLIER_INVOICES: u32 = 100;

/// Payer, and the address that the invoice is sent to.
#[derive(Debug)]
pub(crate) struct Firm {
    /// Checked requisites.
    pub(crate) payer: Payer,
    /// Checked address.
    pub(crate) email: Email,
}

/// Requests an invoice that pays an open invoice of the administrator's subscription.
pub(crate) async fn invoice_for_subscription(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    id: &str,
    firm: &Firm,
) -> Result<TransferInvoice, Refusal> {
    must_sell(user)?;
    let (invoice, _, _) = find_offer(deps, user, id).await?;
    must_be_installed(user)?;
    let new = NewTransferInvoice {
        subject: PaymentSubject::Invoice(invoice.id),
        payer: &firm.payer,
        email: &firm.email,
        default_vat: default_vat(deps),
        requested_by: Actor::User(user.user_id),
    };
    let ask = || async {
        let mut unit = deps.begin(trace).await?;
        let outcome = pay_by_transfer(&mut unit, context(deps), new).await.map_err(failed)?;
        unit.commit().await?;
        Ok::<_, Problem>(outcome)
    };
    match Box::pin(repeat_contended(ask)).await? {
        PayByTransfer::Busy => Err(Refusal::PaymentBusy),
        PayByTransfer::Answered(RequestOutcome::Refused(RequestRefusal::NotPayable)) => {
            Err(Refusal::InvoiceClosed)
        }
        PayByTransfer::Answered(outcome) => written(outcome).map_err(Refusal::Other),
    }
}

/// Requests an invoice that pays coins: creates their purchase, or finds that of an earlier request with the same key. The second
/// value is whether an earlier request created it.
pub(crate) async fn invoice_for_coins(
    deps: &Deps,
    trace: &Trace,
    buyer: Buyer<'_>,
    (item, key): (PurchaseItem, &str),
    firm: &Firm,
) -> Result<(TransferInvoice, bool), Problem> {
    if buyer.install.status != InstallStatus::Active {
        return repeat_order(deps, buyer, (item, key), firm).await;
    }
    let wallet = wallet_of(deps, buyer.install).await?;
    let order = CoinOrder { wallet: &wallet, item, email: &firm.email, bought_by: buyer.user_id, key };
    let ask = || async {
        let mut unit = deps.begin(trace).await?;
        let ordered = order_coins_by_transfer(&mut unit, context(deps), order).await.map_err(failed)?;
        let (purchase, replayed) = purchase_of(ordered)?;
        let new = NewTransferInvoice {
            subject: PaymentSubject::Purchase(purchase),
            payer: &firm.payer,
            email: &firm.email,
            default_vat: default_vat(deps),
            requested_by: Actor::User(buyer.user_id),
        };
        let outcome = pay_by_transfer(&mut unit, context(deps), new).await.map_err(failed)?;
        let PayByTransfer::Answered(outcome) = outcome else { return Err(busy()) };
        // A purchase that was created now and cannot be invoiced is rolled back.
        if replayed && matches!(outcome, RequestOutcome::Refused(RequestRefusal::NotPayable)) {
            drop(unit);
            let known = find_latest_of(deps, buyer.install.id, PaymentSubject::Purchase(purchase)).await?;
            return known.map(|invoice| (invoice, true)).ok_or_else(closed);
        }
        let invoice = written(outcome)?;
        unit.commit().await?;
        Ok::<_, Problem>((invoice, replayed))
    };
    Box::pin(repeat_contended(ask)).await
}

/// The invoice of an earlier identical order, whatever has happened to the install since; nothing new is bought.
async fn repeat_order(
    deps: &Deps,
    buyer: Buyer<'_>,
    (item, key): (PurchaseItem, &str),
    firm: &Firm,
) -> Result<(TransferInvoice, bool), Problem> {
    let mut conn = deps.conn().await?;
    let wallet = ledger::find_wallet_of_install(&mut conn, buyer.install.id).await?;
    let wallet = wallet.ok_or_else(install_inactive)?;
    let order = CoinOrder { wallet: &wallet, item, email: &firm.email, bought_by: buyer.user_id, key };
    let repeated = find_repeated_coin_order(&mut conn, &deps.keyring, order).await?;
    drop(conn);
    let (purchase, _) = purchase_of(repeated.ok_or_else(install_inactive)?)?;
    let known = find_latest_of(deps, buyer.install.id, PaymentSubject::Purchase(purchase)).await?;
    known.map(|invoice| (invoice, true)).ok_or_else(closed)
}

/// Finds an invoice of an install. Invoices of others are not found.
pub(crate) async fn find_of_install(
    deps: &Deps,
    install: InstallId,
    id: &str,
) -> Result<TransferInvoice, Problem> {
    let id: TransferInvoiceId = id.parse().map_err(|_| not_found())?;
    let found = find_transfer_invoice(&mut *deps.conn().await?, id).await?;
    found.filter(|invoice| invoice.install_id == install).ok_or_else(not_found)
}

/// The newest invoice of an install for a subject, whatever became of it.
pub(crate) async fn find_latest_of(
    deps: &Deps,
    install: InstallId,
    subject: PaymentSubject,
) -> Result<Option<TransferInvoice>, Problem> {
    let mut conn = deps.conn().await?;
    let known = list_transfer_invoices(&mut conn, install, None, MAX_EARLIER_INVOICES).await?;
    Ok(known.into_iter().find(|invoice| invoice.subject == subject))
}

/// A page of the invoices of an install, newest first, and the cursor of the next page.
pub(crate) async fn list_of_install(
    deps: &Deps,
    install: InstallId,
    cursor: Option<&str>,
    limit: u32,
) -> Result<(Vec<TransferInvoice>, Option<String>), Problem> {
    let bad = |_| Problem::new(ProblemCode::BadRequest, "`cursor` must be the `next` of a page");
    let before = cursor.map(str::parse::<TransferInvoiceId>).transpose().map_err(bad)?;
    let mut conn = deps.conn().await?;
    let mut found = list_transfer_invoices(&mut conn, install, before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok((found, next))
}

/// Cancels an invoice of an install that waits for money; what arrived of it is in the firm's balance.
pub(crate) async fn cancel_invoice(
    deps: &Deps,
    trace: &Trace,
    install: InstallId,
    id: &str,
) -> Result<TransferInvoice, Problem> {
    let invoice = find_of_install(deps, install, id).await?;
    let withdraw = || async {
        let mut unit = deps.begin(trace).await?;
        let withdrawn =
            withdraw_transfer_invoice(&mut unit, context(deps), invoice.id).await.map_err(failed)?;
        unit.commit().await?;
        Ok::<_, Problem>(withdrawn)
    };
    if !Box::pin(repeat_contended(withdraw)).await? {
        return Err(Problem::new(ProblemCode::WrongState, "the invoice does not wait for money"));
    }
    find_of_install(deps, install, id).await
}

/// Pays an invoice of an install that waits for money from its firm's balance, which must have all that is missing.
pub(crate) async fn cover_invoice(
    deps: &Deps,
    trace: &Trace,
    install: InstallId,
    id: &str,
) -> Result<(), Problem> {
    let invoice = find_of_install(deps, install, id).await?;
    let cover = || async {
        let mut unit = deps.begin(trace).await?;
        let covered = pay_from_balance(&mut unit, context(deps), invoice.id).await.map_err(failed)?;
        unit.commit().await?;
        Ok::<_, Problem>(covered)
    };
    if !Box::pin(repeat_contended(cover)).await? {
        return Err(Problem::new(ProblemCode::WrongState, "the balance does not pay this invoice"));
    }
    deps.cache.invalidate_install(install);
    Ok(())
}

fn context(deps: &Deps) -> TransferContext<'_> {
    TransferContext { keyring: &deps.keyring, clock: deps.clock() }
}

/// The VAT rate of the environment. Receipts may name the computed rate, such as `vat122`.
fn default_vat(deps: &Deps) -> VatRate {
    let Some(tbank) = &deps.config.tbank else { return VatRate::None };
    let plain = match tbank.vat.as_str() {
        "vat105" => "vat5",
        "vat107" => "vat7",
        "vat110" => "vat10",
        "vat122" => "vat22",
        other => other,
    };
    plain.parse().unwrap_or(VatRate::None)
}

/// The purchase of an order, and whether an earlier request created it.
fn purchase_of(ordered: CreatePurchaseOutcome) -> Result<(PurchaseId, bool), Problem> {
    match ordered {
        CreatePurchaseOutcome::Created(purchase) => Ok((purchase.id, false)),
        CreatePurchaseOutcome::Replayed(purchase) => Ok((purchase.id, true)),
        CreatePurchaseOutcome::KeyReused => {
            Err(Problem::new(ProblemCode::IdempotencyKeyReused, "use a new key for another purchase"))
        }
        CreatePurchaseOutcome::PackageNotAvailable => {
            Err(Problem::new(ProblemCode::PackageNotAvailable, "the widget does not offer this package"))
        }
        CreatePurchaseOutcome::TooManyOpen => {
            let detail = format!("{MAX_OPEN_PURCHASES} purchases are unpaid: pay one of them or wait");
            Err(Problem::new(ProblemCode::TooManyRequests, detail))
        }
    }
}

fn written(outcome: RequestOutcome) -> Result<TransferInvoice, Problem> {
    match outcome {
        RequestOutcome::Requested(invoice)
        | RequestOutcome::Waiting(invoice)
        | RequestOutcome::PaidFromBalance(invoice) => Ok(*invoice),
        RequestOutcome::Refused(RequestRefusal::NotPayable) => Err(closed()),
        RequestOutcome::Refused(RequestRefusal::NotOffered) => {
            Err(Problem::new(ProblemCode::PurchasesUnavailable, "the seller is not paid by transfer"))
        }
        RequestOutcome::Refused(refusal @ RequestRefusal::SeriesExhausted) => {
            tracing::error!(%refusal, "no invoice can be written");
            Err(Problem::new(ProblemCode::Internal, "quote X-Request-Id to support"))
        }
    }
}

fn failed(error: TransferError) -> Problem {
    match error {
        TransferError::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "a transfer invoice failed");
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
        }
    }
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such invoice in this account")
}

fn closed() -> Problem {
    Problem::new(ProblemCode::WrongState, "the purchase cannot be paid any more")
}

fn busy() -> Problem {
    Problem::new(ProblemCode::WrongState, "another payment is under way: retry in a moment")
}
