//! «Оплатить по счёту» on the page of Flycoins.

use flysk_domain::platform::purchases::package_of_sum;
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_domain::russian::{day, roubles};
use flysk_domain::trace::Trace;
use flysk_services::purchases::PurchaseItem;
use flysk_services::transfers::TRANSFER_TERMINAL;
use flysk_store::platform::purchases::{self, Purchase};
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};
use serde::Deserialize;

use super::purchase_form::{PurchaseForm, chosen_item, reshow_form, validate_key};
use super::session::{Visitor, visitor};
use super::transfer::{FormFault, RequisitesForm, TransferFormPage, TransferPage};
use super::{error_page, render_page};
use crate::billing_links::HostedPage;
use crate::deps::Deps;
use crate::platform::purchases::Buyer;
use crate::platform::transfers::{
    cancel_invoice, cover_invoice, find_due_day, find_latest_of, find_of_install, invoice_for_coins,
};
use crate::problem::{Problem, ProblemCode};

/// A form with a button only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Button {
    /// CSRF token.
    token: String,
}

async fn answer(run: impl Future<Output = Result<Response, Problem>>) -> Response {
    run.await.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem))
}

fn must_own_form(deps: &Deps, visitor: &Visitor, token: &str) -> Result<(), Problem> {
    if visitor.owns_form(deps, token) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::BadRequest, "the form has expired: reload the page"))
}

fn see_other(path: String) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

/// `POST /billing/flycoins/{install}/transfers/new`: asks for the requisites for what was chosen in the shop. Nothing is bought yet.
#[handler]
pub(super) async fn ask(
    deps: Data<&Deps>,
    request: &Request,
    Path(install): Path<String>,
    Form(sent): Form<PurchaseForm>,
) -> Response {
    Box::pin(answer(async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        must_own_form(&deps, &visitor, &sent.token)?;
        let typed = RequisitesForm {
            key: sent.key.clone(),
            package: sent.package.clone(),
            sum: sent.sum.clone(),
            email: sent.email.clone(),
            ..RequisitesForm::default()
        };
        match form_page(&deps, &visitor, &typed, None).await {
            Ok(page) => render_page(StatusCode::OK, &page),
            Err(problem) => reshow_form(&deps, &visitor, &sent, problem).await,
        }
    }))
    .await
}

/// `POST /billing/flycoins/{install}/transfers`: creates purchase and invoice, and goes to the invoice's page.
#[handler]
pub(super) async fn issue(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    Form(sent): Form<RequisitesForm>,
) -> Response {
    Box::pin(answer(async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        must_own_form(&deps, &visitor, &sent.token)?;
        let firm = match sent.firm() {
            Ok(firm) => firm,
            Err(fault) => {
                let page = form_page(&deps, &visitor, &sent, Some(fault)).await?;
                return render_page(StatusCode::UNPROCESSABLE_ENTITY, &page);
            }
        };
        let order = (chosen_item(&sent.package, &sent.sum)?, validate_key(&sent.key)?);
        let buyer = Buyer { install: &visitor.install, user_id: visitor.user_id };
        match invoice_for_coins(&deps, &trace, buyer, order, &firm).await {
            Ok((invoice, _)) => {
                Ok(see_other(format!("/billing/flycoins/{install}/transfers/{}", invoice.id)))
            }
            Err(problem) => {
                let fault = FormFault::of_form(fault_ru(problem)?);
                let page = form_page(&deps, &visitor, &sent, Some(fault)).await?;
                render_page(StatusCode::CONFLICT, &page)
            }
        }
    }))
    .await
}

/// `GET /billing/flycoins/{install}/transfers/{transfer}`.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    Box::pin(answer(async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        let invoice = find_of_install(&deps, visitor.install.id, &id).await?;
        let back = format!("/billing/flycoins/{install}");
        let paths = (format!("{back}/transfers/{}", invoice.id), back);
        let page = TransferPage::load(&deps, &invoice, paths, visitor.form_token(&deps)).await?;
        render_page(StatusCode::OK, &page)
    }))
    .await
}

/// `POST /billing/flycoins/{install}/transfers/{transfer}/cancel`.
#[handler]
pub(super) async fn cancel(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    Form(sent): Form<Button>,
) -> Response {
    Box::pin(answer(async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        must_own_form(&deps, &visitor, &sent.token)?;
        match cancel_invoice(&deps, &trace, visitor.install.id, &id).await {
            // Pressed twice, or paid meanwhile: the page says which.
            Err(problem) if problem.problem_code() != ProblemCode::WrongState => Err(problem),
            Ok(_) | Err(_) => Ok(see_other(format!("/billing/flycoins/{install}/transfers/{id}"))),
        }
    }))
    .await
}

/// `POST /billing/flycoins/{install}/transfers/{transfer}/cover`: pays the invoice from the firm's balance.
#[handler]
pub(super) async fn cover(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    Form(sent): Form<Button>,
) -> Response {
    Box::pin(answer(async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        must_own_form(&deps, &visitor, &sent.token)?;
        match cover_invoice(&deps, &trace, visitor.install.id, &id).await {
            // Pressed twice, or the balance has gone to another invoice: the page says what is to be paid.
            Err(problem) if problem.problem_code() != ProblemCode::WrongState => Err(problem),
            Ok(()) | Err(_) => Ok(see_other(format!("/billing/flycoins/{install}/transfers/{id}"))),
        }
    }))
    .await
}

/// The redirect to the invoice that a purchase is paid by; `None` for a purchase at the bank's form.
pub(super) async fn page_of(deps: &Deps, purchase: &Purchase) -> Result<Option<Response>, Problem> {
    if purchase.terminal_key != TRANSFER_TERMINAL {
        return Ok(None);
    }
    let invoice = find_latest_of(deps, purchase.install_id, PaymentSubject::Purchase(purchase.id)).await?;
    let install = purchase.install_id;
    Ok(invoice.map(|invoice| see_other(format!("/billing/flycoins/{install}/transfers/{}", invoice.id))))
}

/// The form for the requisites, for what was chosen. Fails if it is not on sale.
async fn form_page(
    deps: &Deps,
    visitor: &Visitor,
    typed: &RequisitesForm,
    fault: Option<FormFault>,
) -> Result<TransferFormPage, Problem> {
    let widget = visitor.install.widget_id;
    let not_taken = || Problem::new(ProblemCode::PurchasesUnavailable, "the seller is not paid by transfer");
    let due_on = find_due_day(deps, widget).await?.ok_or_else(not_taken)?;
    let gone = || Problem::new(ProblemCode::PackageNotAvailable, "the widget does not offer this package");
    let terms = match chosen_item(&typed.package, &typed.sum)? {
        PurchaseItem::Package(id) => {
            let package = purchases::find_package(&mut *deps.conn().await?, id).await?;
            let offered = package.filter(|package| package.active && package.widget_id == widget);
            offered.ok_or_else(gone)?.terms
        }
        PurchaseItem::Sum(sum) => package_of_sum(sum).map_err(|_| gone())?.1,
    };
    let back = format!("/billing/flycoins/{}", visitor.install.id);
    Ok(TransferFormPage {
        action: format!("{back}/transfers"),
        back,
        title: terms.title,
        total: roubles(terms.price),
        token: visitor.form_token(deps),
        typed: TransferFormPage::typed(typed),
        fault,
        due: day(due_on),
    })
}

/// Correction that the form asks for after a refusal, in Russian; other problems are returned.
fn fault_ru(problem: Problem) -> Result<&'static str, Problem> {
    match problem.problem_code() {
        ProblemCode::TooManyRequests => {
            Ok("Слишком много неоплаченных покупок. Оплатите одну из них или подождите.")
        }
        ProblemCode::IdempotencyKeyReused => {
            Ok("Эта форма уже отправлена с другими данными. Вернитесь к пакетам и начните заново.")
        }
        ProblemCode::WrongState => {
            Ok("Эту покупку больше нельзя оплатить. Вернитесь к пакетам и начните заново.")
        }
        _ => Err(problem),
    }
}
