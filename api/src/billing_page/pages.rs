//! Handlers of the billing pages.

use flysk_domain::id::PurchaseId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_store::platform::ledger;
use flysk_store::platform::purchases::{self, Purchase};
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Json, Path, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::purchase_form::{PurchaseForm, chosen_item, load_shop, reshow_form, validate_key};
use super::session::{Visitor, visitor};
use super::view::{OnePurchase, progress_of};
use super::{error_page, flycoins_transfer, render_page};
use crate::billing_links::HostedPage;
use crate::deps::Deps;
use crate::platform::purchases::{Buyer, Order, buy};
use crate::problem::{Problem, ProblemCode};

/// `GET /billing/flycoins/{install}`: balance, packages, latest purchases.
#[handler]
pub(super) async fn show_shop(deps: Data<&Deps>, request: &Request, Path(install): Path<String>) -> Response {
    let shown = async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        let shop = load_shop(&deps, &visitor, &PurchaseForm::default()).await?;
        render_page(StatusCode::OK, &shop)
    };
    shown.await.unwrap_or_else(|problem: Problem| error_page(HostedPage::Flycoins, &problem))
}

/// `POST /billing/flycoins/{install}/purchases`: creates a purchase and redirects to its page.
#[handler]
pub(super) async fn place_order(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    Form(sent): Form<PurchaseForm>,
) -> Response {
    let response = async {
        let visitor = visitor(&deps, HostedPage::Flycoins, request, &install).await?;
        if !visitor.owns_form(&deps, &sent.token) {
            return Err(Problem::new(ProblemCode::BadRequest, "the form has expired: reload the page"));
        }
        match begin_purchase(&deps, &trace, &visitor, &sent).await {
            Ok(id) => Ok(Response::builder()
                .status(StatusCode::SEE_OTHER)
                .header(header::LOCATION, format!("/billing/flycoins/{install}/purchases/{id}"))
                .finish()),
            Err(problem) => reshow_form(&deps, &visitor, &sent, problem).await,
        }
    };
    response.await.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem))
}

async fn begin_purchase(
    deps: &Deps,
    trace: &Trace,
    visitor: &Visitor,
    sent: &PurchaseForm,
) -> Result<PurchaseId, Problem> {
    let email: Email =
        sent.email.parse().map_err(|error| Problem::new(ProblemCode::Invalid, format!("email: {error}")))?;
    let order = Order {
        item: chosen_item(&sent.package, &sent.sum)?,
        email: &email,
        save_card: sent.save_card.is_some(),
        key: validate_key(&sent.key)?,
    };
    let buyer = Buyer { install: &visitor.install, user_id: visitor.user_id };
    Ok(buy(deps, trace, buyer, order).await?.purchase.id)
}

/// Query of T-Bank's return URL.
#[derive(Debug, Deserialize)]
pub(super) struct ReturnQuery {
    from: Option<String>,
}

/// `GET /billing/flycoins/{install}/purchases/{id}`: state of a purchase, and redirect to T-Bank's payment form.
#[handler]
pub(super) async fn show_purchase(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    Query(back): Query<ReturnQuery>,
) -> Response {
    let shown = async {
        let (purchase, balance) = find(&deps, request, &install, &id).await?;
        if let Some(invoice) = flycoins_transfer::page_of(&deps, &purchase).await? {
            return Ok(invoice);
        }
        let from_bank = back.from.as_deref() == Some("bank");
        let form = payment_form_url(&deps, &purchase);
        render_page(StatusCode::OK, &OnePurchase::of(&purchase, form, balance, from_bank))
    };
    shown.await.unwrap_or_else(|problem: Problem| error_page(HostedPage::Flycoins, &problem))
}

/// Response to the page's polling script.
#[derive(Debug, Serialize)]
struct PollState {
    progress: String,
    form: Option<String>,
}

/// `GET /billing/flycoins/{install}/purchases/{id}/state`: polled by the page until the state changes.
#[handler]
pub(super) async fn show_state(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    match find(&deps, request, &install, &id).await {
        Ok((purchase, _)) => {
            let form = payment_form_url(&deps, &purchase);
            let state = PollState { progress: progress_of(&purchase), form };
            Json(state).into_response()
        }
        Err(problem) => problem.response(),
    }
}

/// URL of T-Bank's payment form, if the purchase awaits payment. The URL is validated again: the worker that stored it may have
/// a different configuration.
fn payment_form_url(deps: &Deps, purchase: &Purchase) -> Option<String> {
    use flysk_domain::platform::purchases::PurchaseState;
    let tbank = deps.config.tbank.as_ref()?;
    let url = purchase.payment_url.as_ref().filter(|_| purchase.state == PurchaseState::Awaiting)?;
    let url: url::Url = url.parse().ok()?;
    tbank.is_payment_form(&url).then(|| url.into())
}

async fn find(
    deps: &Deps,
    request: &Request,
    install: &str,
    id: &str,
) -> Result<(Purchase, MicroCoins), Problem> {
    let visitor = visitor(deps, HostedPage::Flycoins, request, install).await?;
    let absent = || Problem::new(ProblemCode::NotFound, "no such purchase of this install");
    let id: PurchaseId = id.parse().map_err(|_| absent())?;
    let mut conn = deps.conn().await?;
    let purchase = purchases::find_purchase(&mut conn, id).await?;
    let purchase = purchase.filter(|found| found.install_id == visitor.install.id).ok_or_else(absent)?;
    let wallet = ledger::find_wallet(&mut conn, purchase.wallet_id).await?;
    Ok((purchase, wallet.map(|wallet| wallet.available).unwrap_or_default()))
}
