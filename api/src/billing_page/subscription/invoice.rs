//! Invoices: what was bought, the payment with its separate consent to renewals, receipts.

use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_store::platform::invoice_payments::{self as attempts, Attempt};
use flysk_store::platform::subscriptions;
use poem::http::StatusCode;
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};

use super::super::parties::Seller;
use super::super::render_page;
use super::caller::Caller;
use super::done::Done;
use super::form::{Button, PayForm, fields};
use super::frame::Frame;
use super::invoice_view::{FormError, InvoicePage, Payable, is_charging, open_form};
use super::overview::{self, Shown};
use super::texts::{card, moment, refusal_ru};
use super::transfer::ByTransfer;
use super::{answer, receipts, see_other};
use crate::deps::Deps;
use crate::platform::subscriptions::{
    PaymentInput, Refusal, begin_payment, discard_open_invoice, find_card_to_charge, find_offer,
};
use crate::problem::{Problem, ProblemCode};
use crate::source::source_of;

/// `GET /billing/subscription/{install}/invoices/{invoice}`. Only for administrators.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        render_page(StatusCode::OK, &page(&deps, &caller, &id, None).await?)
    }))
    .await
}

/// `POST /billing/subscription/{install}/invoices/{invoice}/payments`: begins to pay, or finds the form that is open, and goes to
/// the payment.
#[handler]
pub(super) async fn pay(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<PayForm>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let form = fields(sent)?;
        caller.must_own_form(&deps, &form.token)?;
        let refusal = if form.email.parse::<Email>().is_ok() {
            match begin(&deps, &trace, request, &caller, (&id, &form)).await {
                Ok(attempt) => return Ok(see_other(caller.path(&format!("/payments/{}", attempt.id)))),
                Err(refusal) => Some(refusal),
            }
        } else {
            None
        };
        let (status, error) = explain(refusal)?;
        render_page(status, &page(&deps, &caller, &id, Some((&form, error))).await?)
    }))
    .await
}

async fn begin(
    deps: &Deps,
    trace: &Trace,
    request: &Request,
    caller: &Caller,
    (id, form): (&str, &PayForm),
) -> Result<Attempt, Refusal> {
    let address = source_of(&deps.config.http.proxies, request);
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let consent_version = form.consent.as_ref().map(|_| form.offer.clone());
    let input = PaymentInput { email: form.email.clone(), consent_version };
    begin_payment(deps, trace, &caller.user, id, &input, &address).await
}

/// Status and text for a payment that did not begin; without a refusal the e-mail address is wrong. A refusal that the form
/// cannot correct is returned.
fn explain(refusal: Option<Refusal>) -> Result<(StatusCode, FormError), Problem> {
    let Some(refusal) = refusal else {
        let text = "Проверьте адрес: он нужен, чтобы прислать чек. Например, buh@company.ru".to_owned();
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, FormError { text, about_email: true }));
    };
    let text = match &refusal {
        Refusal::Other(problem) if problem.problem_code() == ProblemCode::Invalid => {
            Some("Условия продления изменились. Прочитайте их ещё раз и решите, согласны ли вы.".to_owned())
        }
        other => refusal_ru(other),
    };
    let problem = Problem::from(refusal);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
    text.map(|text| (status, FormError { text, about_email: false })).ok_or(problem)
}

/// `POST /billing/subscription/{install}/invoices/{invoice}/discard`.
#[handler]
pub(super) async fn discard(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        match discard_open_invoice(&deps, &trace, &caller.user, &id).await {
            Ok(_) => Ok(see_other(caller.path(&Done::Discarded.query()))),
            // The button was pressed twice, or the invoice was paid meanwhile: its page says which.
            Err(Refusal::NothingToWithdraw) => Ok(see_other(caller.path(&format!("/invoices/{id}")))),
            Err(refusal) => overview::refused(&deps, &trace, &caller, refusal, Shown::default()).await,
        }
    }))
    .await
}

async fn page(
    deps: &Deps,
    caller: &Caller,
    id: &str,
    submitted: Option<(&PayForm, FormError)>,
) -> Result<InvoicePage, Problem> {
    let user = &caller.user;
    let (invoice, vendor, offer) = find_offer(deps, user, id).await?;
    let mut frame = Frame::load(deps, caller).await?;
    // The seller of this invoice, should the widget have another one now.
    frame.seller = Seller::from(&vendor);
    let saved = find_card_to_charge(deps, user).await?;
    let by_transfer = ByTransfer::load(deps, user, invoice.id).await?;
    let mut conn = deps.conn().await?;
    let all = attempts::list_attempts(&mut conn, invoice.id).await?;
    let row = subscriptions::find_subscription(&mut conn, invoice.subscription_id).await?;
    let awaits_renewal = row.is_some_and(|row| row.subscription.state.awaits_renewal());
    let receipts = receipts::describe(&mut conn, &vendor, invoice.period, &all).await?;
    let mut page = InvoicePage::of(frame, &invoice, &all, awaits_renewal);
    page.receipts = receipts;
    page.paid_by_transfer = by_transfer.paid;
    if invoice.is_payable(deps.clock().now()) && user.widget.uses_subscriptions {
        let typed = submitted.as_ref().map(|(form, _)| *form);
        page.payable = Some(Payable {
            offer,
            charge_at: invoice.charge_at.filter(|_| saved.is_some()).map(moment),
            card: saved.map(|saved| card(saved.pan.as_deref())),
            email: typed.map(|form| form.email.chars().take(200).collect()).unwrap_or_default(),
            consent: typed.is_some_and(|form| form.consent.is_some()),
            due: invoice.due_at.map(moment),
            open_form: open_form(&all),
            charging: is_charging(&all),
            takes_transfers: by_transfer.is_taken,
            transfer: by_transfer.waiting,
            balances: by_transfer.balances,
        });
    }
    page.error = submitted.map(|(_, error)| error);
    Ok(page)
}
