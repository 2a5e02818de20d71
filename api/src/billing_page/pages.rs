//! Handlers of the billing pages.

use flysk_domain::id::PurchaseId;
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::{Email, package_of_sum};
use flysk_domain::russian;
use flysk_domain::trace::Trace;
use flysk_services::purchases::PurchaseItem;
use flysk_store::platform::installs::Install;
use flysk_store::platform::ledger;
use flysk_store::platform::purchases::{self, Purchase};
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Json, Path, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::parties::Parties;
use super::session::{HostedPage, Visitor, visitor};
use super::transfer::{TransferRow, balances};
use super::view::{Offer, OnePurchase, PurchaseRow, SUM_OFFER, Shop, progress_of};
use super::{error_page, flycoins_transfer, render_page};
use crate::deps::Deps;
use crate::platform::purchases::{Buyer, Order, buy};
use crate::platform::transfers::{list_of_install, takes_transfers};
use crate::problem::{Problem, ProblemCode};

/// Number of latest purchases on the page.
const MAX_RECENT_PURCHASES: u32 = 5;

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

/// Fields of the purchase form.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PurchaseForm {
    /// Id of a package, or `sum`.
    pub(super) package: String,
    /// Whole roubles, if `package` is `sum`.
    pub(super) sum: String,
    pub(super) email: String,
    save_card: Option<String>,
    pub(super) token: String,
    pub(super) key: String,
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

/// The chosen package or sum. A wrong sum is `invalid_request`, which distinguishes it from a wrong address.
pub(super) fn chosen_item(package: &str, sum: &str) -> Result<PurchaseItem, Problem> {
    if package != SUM_OFFER {
        let id = package.parse();
        let id = id.map_err(|_| Problem::new(ProblemCode::PackageNotAvailable, "choose a package"))?;
        return Ok(PurchaseItem::Package(id));
    }
    let roubles = sum.trim().parse::<i64>().ok().and_then(|roubles| roubles.checked_mul(Kopecks::PER_UNIT));
    let sum = roubles.map(Kopecks).filter(|sum| package_of_sum(*sum).is_ok());
    sum.map(PurchaseItem::Sum).ok_or_else(|| Problem::new(ProblemCode::InvalidRequest, "invalid sum"))
}

pub(super) fn validate_key(key: &str) -> Result<&str, Problem> {
    let ours = (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ours.then_some(key).ok_or_else(|| Problem::new(ProblemCode::BadRequest, "invalid form key"))
}

/// Renders the form again with an error message. Problems that the buyer cannot correct are returned and get an error page.
pub(super) async fn reshow_form(
    deps: &Deps,
    visitor: &Visitor,
    sent: &PurchaseForm,
    problem: Problem,
) -> Result<Response, Problem> {
    let (about_email, error) = match problem.problem_code() {
        ProblemCode::Invalid => {
            (true, "Проверьте адрес: он нужен, чтобы прислать чек. Например, buh@company.ru")
        }
        ProblemCode::InvalidRequest => (false, "Введите сумму целыми рублями, в указанных пределах."),
        ProblemCode::PackageNotAvailable => (false, "Выберите пакет из списка: этот больше не продаётся."),
        ProblemCode::TooManyRequests => {
            (false, "Слишком много неоплаченных покупок. Оплатите одну из них или подождите.")
        }
        ProblemCode::IdempotencyKeyReused => {
            (false, "Эта форма уже отправлена с другими данными. Проверьте покупки ниже и повторите.")
        }
        _ => return Err(problem),
    };
    let mut shop = load_shop(deps, visitor, sent).await?;
    (shop.error, shop.error_is_email) = (Some(error), about_email);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    render_page(status, &shop)
}

async fn load_shop(deps: &Deps, visitor: &Visitor, sent: &PurchaseForm) -> Result<Shop, Problem> {
    let install = &visitor.install;
    let takes_transfers = takes_transfers(deps, install.widget_id).await?;
    let (invoices, _) = list_of_install(deps, install.id, None, MAX_RECENT_PURCHASES).await?;
    let balances = balances(deps, install.id).await?;
    let mut conn = deps.conn().await?;
    let wallet = ledger::find_wallet_of_install(&mut conn, install.id).await?;
    let packages = purchases::list_packages_on_offer(&mut conn, install.widget_id).await?;
    let bought = match &wallet {
        Some(wallet) => purchases::list_purchases(&mut conn, wallet.id, None, MAX_RECENT_PURCHASES).await?,
        None => Vec::new(),
    };
    let by_card = deps.config.tbank.is_some();
    let is_sold = (by_card || takes_transfers) && wallet.is_some();
    let chosen = Some(sent.package.as_str()).filter(|id| !id.is_empty());
    let mut offers: Vec<Offer> = packages.iter().map(|package| Offer::of(package, chosen)).collect();
    let is_sum = chosen == Some(SUM_OFFER) || packages.is_empty();
    // One offer is always selected, so that the form can be submitted.
    if !is_sum
        && !offers.iter().any(|offer| offer.checked)
        && let Some(first) = offers.first_mut()
    {
        first.checked = true;
    }
    let held = wallet.map(|wallet| wallet.held).filter(|held| held.is_positive());
    Ok(Shop {
        frame: Parties::load(&mut conn, install).await?,
        install: install.id.to_string(),
        balance: wallet.map(|wallet| russian::coins(wallet.available)),
        held: held.map(russian::coins),
        packages: offers,
        is_sum,
        sum: sent.sum.clone(),
        closed: why_closed(install, is_sold),
        purchases: bought.iter().map(PurchaseRow::from).collect(),
        by_card,
        takes_transfers,
        transfers: invoices.iter().map(TransferRow::from).collect(),
        balances,
        token: visitor.form_token(deps),
        key: format!("{:032x}", deps.clock().random_u128()),
        email: sent.email.chars().take(200).collect(),
        save_card: sent.save_card.is_some(),
        error: None,
        error_is_email: false,
    })
}

/// Why purchases are not possible at present.
fn why_closed(install: &Install, is_sold: bool) -> Option<&'static str> {
    if install.status != InstallStatus::Active {
        Some("Виджет сейчас выключен. Пополнить баланс можно, когда он снова заработает.")
    } else if is_sold {
        None
    } else {
        Some("Пополнение пока недоступно. Мы сообщим, когда оно заработает.")
    }
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
