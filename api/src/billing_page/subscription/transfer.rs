//! «Оплатить по счёту» on the page of a subscription.

use flysk_domain::id::InvoiceId;
use flysk_domain::platform::transfers::{PaymentSubject, TransferInvoiceState};
use flysk_domain::russian::{day, roubles};
use flysk_domain::trace::Trace;
use poem::http::StatusCode;
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};

use super::super::render_page;
use super::super::transfer::{FormFault, RequisitesForm, TransferFormPage, TransferPage};
use super::super::transfer_rows::{BalanceRow, balances};
use super::caller::Caller;
use super::form::{Button, fields};
use super::texts::refusal_ru;
use super::{answer, see_other};
use crate::auth::WidgetUser;
use crate::deps::Deps;
use crate::platform::subscriptions::find_offer;
use crate::platform::transfers::{
    cancel_invoice, cover_invoice, find_due_day, find_latest_of, find_of_install, invoice_for_subscription,
    takes_transfers,
};
use crate::problem::{Problem, ProblemCode};

/// Section of an invoice's page about transfers.
#[derive(Debug)]
pub(super) struct ByTransfer {
    /// Whether the seller is paid by transfer.
    pub(super) is_taken: bool,
    /// Id and number of the invoice for a transfer that waits for money.
    pub(super) waiting: Option<(String, String)>,
    /// Id of the invoice that paid by transfer, with its documents.
    pub(super) paid: Option<String>,
    /// Money of firms that waits for their next invoices.
    pub(super) balances: Vec<BalanceRow>,
}

impl ByTransfer {
    /// Reads it for an invoice of the user's account.
    pub(super) async fn load(deps: &Deps, user: &WidgetUser, id: InvoiceId) -> Result<Self, Problem> {
        let subject = PaymentSubject::Invoice(id);
        let latest = find_latest_of(deps, user.install.id, subject).await?;
        let waiting = latest.as_ref().filter(|invoice| invoice.state.is_open());
        let paid = latest.as_ref().filter(|invoice| invoice.state == TransferInvoiceState::Paid);
        Ok(Self {
            is_taken: takes_transfers(deps, user.widget.id).await?,
            waiting: waiting.map(|invoice| (invoice.id.to_string(), invoice.number.to_string())),
            paid: paid.map(|invoice| invoice.id.to_string()),
            balances: balances(deps, user.install.id).await?,
        })
    }
}

/// `GET /billing/subscription/{install}/invoices/{invoice}/transfer`: the form for the requisites. Only for administrators.
#[handler]
pub(super) async fn ask(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let page = form_page(&deps, &caller, &id, (&RequisitesForm::default(), None)).await?;
        render_page(StatusCode::OK, &page)
    }))
    .await
}

/// `POST /billing/subscription/{install}/invoices/{invoice}/transfer`: asks for the invoice and goes to its page.
#[handler]
pub(super) async fn issue(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<RequisitesForm>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let form = fields(sent)?;
        caller.must_own_form(&deps, &form.token)?;
        let buyer = match form.firm() {
            Ok(buyer) => buyer,
            Err(fault) => {
                let page = form_page(&deps, &caller, &id, (&form, Some(fault))).await?;
                return render_page(StatusCode::UNPROCESSABLE_ENTITY, &page);
            }
        };
        let refusal = match invoice_for_subscription(&deps, &trace, &caller.user, &id, &buyer).await {
            Ok(invoice) => return Ok(see_other(caller.path(&format!("/transfers/{}", invoice.id)))),
            Err(refusal) => refusal,
        };
        let text = refusal_ru(&refusal);
        let problem = Problem::from(refusal);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
        let fault = FormFault::of_form(text.ok_or(problem)?);
        let page = form_page(&deps, &caller, &id, (&form, Some(fault))).await?;
        render_page(status, &page)
    }))
    .await
}

/// `GET /billing/subscription/{install}/transfers/{transfer}`. Only for administrators.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.user.must_be_admin()?;
        let invoice = find_of_install(&deps, caller.user.install.id, &id).await?;
        let paths = (caller.path(&format!("/transfers/{}", invoice.id)), caller.path(""));
        let page = TransferPage::load(&deps, &invoice, paths, caller.form_token(&deps)).await?;
        render_page(StatusCode::OK, &page)
    }))
    .await
}

/// `POST /billing/subscription/{install}/transfers/{transfer}/cancel`.
#[handler]
pub(super) async fn cancel(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.user.must_be_admin()?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        match cancel_invoice(&deps, &trace, caller.user.install.id, &id).await {
            // Pressed twice, or paid meanwhile: the page says which.
            Err(problem) if problem.problem_code() != ProblemCode::WrongState => Err(problem),
            Ok(_) | Err(_) => Ok(see_other(caller.path(&format!("/transfers/{id}")))),
        }
    }))
    .await
}

/// `POST /billing/subscription/{install}/transfers/{transfer}/cover`: pays the invoice from the firm's balance.
#[handler]
pub(super) async fn cover(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.user.must_be_admin()?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        match cover_invoice(&deps, &trace, caller.user.install.id, &id).await {
            // Pressed twice, or the balance has gone to another invoice: the page says what is to be paid.
            Err(problem) if problem.problem_code() != ProblemCode::WrongState => Err(problem),
            Ok(()) | Err(_) => Ok(see_other(caller.path(&format!("/transfers/{id}")))),
        }
    }))
    .await
}

/// The form for the requisites of an open invoice.
async fn form_page(
    deps: &Deps,
    caller: &Caller,
    id: &str,
    (typed, fault): (&RequisitesForm, Option<FormFault>),
) -> Result<TransferFormPage, Problem> {
    let user = &caller.user;
    let (invoice, _, _) = find_offer(deps, user, id).await?;
    let not_taken = || Problem::new(ProblemCode::PurchasesUnavailable, "the seller is not paid by transfer");
    let due_on = find_due_day(deps, user.widget.id).await?.ok_or_else(not_taken)?;
    if !invoice.is_payable(deps.clock().now()) {
        return Err(Problem::new(ProblemCode::WrongState, "the invoice cannot be paid any more"));
    }
    Ok(TransferFormPage {
        action: caller.path(&format!("/invoices/{}/transfer", invoice.id)),
        back: caller.path(&format!("/invoices/{}", invoice.id)),
        title: invoice.title,
        total: roubles(invoice.total),
        token: caller.form_token(deps),
        typed: TransferFormPage::typed(typed),
        fault,
        due: day(due_on),
    })
}
