//! The pages.

use flysk_domain::id::PurchaseId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_store::ledger;
use flysk_store::purchases::{self, Purchase};
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Json, Path, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::session::{Visitor, visitor};
use super::view::{Bought, Offer, OnePurchase, Shop, progress_of};
use super::{html, money, trouble};
use crate::deps::{Deps, on};
use crate::platform::purchases::{Buyer, Order, buy};
use crate::problem::{Problem, ProblemCode};

/// Latest purchases shown.
const LATEST: u32 = 5;

/// `GET /billing/flycoins/{install}`: balance, packages, latest purchases.
#[handler]
pub(super) async fn show_shop(deps: Data<&Deps>, request: &Request, Path(install): Path<String>) -> Response {
    let shown = async {
        let visitor = visitor(&deps, request, &install).await?;
        let shop = shop_of(&deps, &visitor, &Sent::default()).await?;
        write(StatusCode::OK, &shop)
    };
    shown.await.unwrap_or_else(|problem: Problem| trouble(&problem))
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sent {
    package: String,
    email: String,
    save_card: Option<String>,
    token: String,
    key: String,
}

/// `POST /billing/flycoins/{install}/purchases`: begins a purchase and leads to its page.
#[handler]
pub(super) async fn place_order(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let led = async {
        let visitor = visitor(&deps, request, &install).await?;
        if !visitor.sent(&deps, &sent.token) {
            return Err(Problem::new(ProblemCode::BadRequest, "not a form of this visitor"));
        }
        match begin(&deps, &trace, &visitor, &sent).await {
            Ok(id) => Ok(Response::builder()
                .status(StatusCode::SEE_OTHER)
                .header(header::LOCATION, format!("/billing/flycoins/{install}/purchases/{id}"))
                .finish()),
            Err(problem) => again(&deps, &visitor, &sent, problem).await,
        }
    };
    led.await.unwrap_or_else(|problem| trouble(&problem))
}

async fn begin(deps: &Deps, trace: &Trace, visitor: &Visitor, sent: &Sent) -> Result<PurchaseId, Problem> {
    let email: Email =
        sent.email.parse().map_err(|error| Problem::new(ProblemCode::Invalid, format!("email: {error}")))?;
    let package_id = sent.package.parse();
    let order = Order {
        package_id: package_id.map_err(|_| Problem::new(ProblemCode::NotOnOffer, "choose a package"))?,
        email: &email,
        save_card: sent.save_card.is_some(),
        key: key_of(&sent.key)?,
    };
    let buyer = Buyer { install: &visitor.install, user_id: visitor.user_id };
    Ok(buy(deps, trace, buyer, order).await?.purchase.id)
}

fn key_of(key: &str) -> Result<&str, Problem> {
    let ours = (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ours.then_some(key).ok_or_else(|| Problem::new(ProblemCode::BadRequest, "not a form of ours"))
}

/// The same form with what is wrong in words; what is not the buyer's to mend is a page of its own.
async fn again(deps: &Deps, visitor: &Visitor, sent: &Sent, problem: Problem) -> Result<Response, Problem> {
    let (about_email, error) = match problem.problem_code() {
        ProblemCode::Invalid => {
            (true, "Проверьте адрес: он нужен, чтобы прислать чек. Например, buh@company.ru")
        }
        ProblemCode::NotOnOffer => (false, "Выберите пакет из списка: этот больше не продаётся."),
        ProblemCode::TooManyRequests => {
            (false, "Слишком много неоплаченных покупок. Оплатите одну из них или подождите.")
        }
        ProblemCode::IdempotencyKeyReused => {
            (false, "Эта форма уже отправлена с другими данными. Проверьте покупки ниже и повторите.")
        }
        _ => return Err(problem),
    };
    let mut shop = shop_of(deps, visitor, sent).await?;
    (shop.error, shop.error_is_email) = (Some(error), about_email);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    write(status, &shop)
}

async fn shop_of(deps: &Deps, visitor: &Visitor, sent: &Sent) -> Result<Shop, Problem> {
    let mut conn = deps.conn().await?;
    let install = &visitor.install;
    let wallet = ledger::find_wallet_of_install(on(&mut conn), install.id).await?;
    let packages = purchases::list_packages_on_offer(on(&mut conn), install.widget_id).await?;
    let bought = match &wallet {
        Some(wallet) => purchases::list_purchases(on(&mut conn), wallet.id, None, LATEST).await?,
        None => Vec::new(),
    };
    let closed = if install.status != InstallStatus::Active {
        Some("Виджет сейчас выключен. Пополнить баланс можно, когда он снова заработает.")
    } else if deps.config.tbank.is_none() || wallet.is_none() {
        Some("Пополнение пока недоступно. Мы сообщим, когда оно заработает.")
    } else if packages.is_empty() {
        Some("Пока нет ни одного пакета. Загляните позже.")
    } else {
        None
    };
    let chosen = Some(sent.package.as_str()).filter(|id| !id.is_empty());
    let mut offers: Vec<Offer> = packages.iter().map(|package| Offer::of(package, chosen)).collect();
    // One is always chosen, so that the button always does something.
    if !offers.iter().any(|offer| offer.checked)
        && let Some(first) = offers.first_mut()
    {
        first.checked = true;
    }
    let held = wallet.map(|wallet| wallet.held).filter(|held| held.is_positive());
    Ok(Shop {
        install: install.id.to_string(),
        balance: wallet.map(|wallet| money::coins(wallet.available)),
        held: held.map(money::coins),
        packages: offers,
        closed,
        purchases: bought.iter().map(Bought::from).collect(),
        token: visitor.form_token(deps),
        key: format!("{:032x}", rand::random::<u128>()),
        email: sent.email.chars().take(200).collect(),
        save_card: sent.save_card.is_some(),
        error: None,
        error_is_email: false,
    })
}

/// What the bank's way back carries.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    from: Option<String>,
}

/// `GET /billing/flycoins/{install}/purchases/{id}`: how a purchase stands, and on to the bank.
#[handler]
pub(super) async fn show_purchase(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    Query(back): Query<Back>,
) -> Response {
    let shown = async {
        let (purchase, balance) = find(&deps, request, &install, &id).await?;
        let from_bank = back.from.as_deref() == Some("bank");
        let form = form_of(&deps, &purchase);
        write(StatusCode::OK, &OnePurchase::of(&purchase, form, balance, from_bank))
    };
    shown.await.unwrap_or_else(|problem: Problem| trouble(&problem))
}

/// What the page's script is told.
#[derive(Debug, Serialize)]
struct State {
    progress: String,
    form: Option<String>,
}

/// `GET /billing/flycoins/{install}/purchases/{id}/state`: asked by the page until something changes.
#[handler]
pub(super) async fn tell_state(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    match find(&deps, request, &install, &id).await {
        Ok((purchase, _)) => {
            let form = form_of(&deps, &purchase);
            let state = State { progress: progress_of(&purchase), form };
            Json(state).into_response()
        }
        Err(problem) => problem.response(),
    }
}

/// The bank's form, if the purchase waits for its payer. Checked anew: what is stored was checked by another
/// process, perhaps with another list.
fn form_of(deps: &Deps, purchase: &Purchase) -> Option<String> {
    use flysk_domain::platform::purchases::PurchaseState;
    let tbank = deps.config.tbank.as_ref()?;
    let url = purchase.payment_url.as_ref().filter(|_| purchase.state == PurchaseState::Awaiting)?;
    let url: url::Url = url.parse().ok()?;
    tbank.is_form(&url).then(|| url.into())
}

async fn find(
    deps: &Deps,
    request: &Request,
    install: &str,
    id: &str,
) -> Result<(Purchase, MicroCoins), Problem> {
    let visitor = visitor(deps, request, install).await?;
    let absent = || Problem::new(ProblemCode::NotFound, "no such purchase of this install");
    let id: PurchaseId = id.parse().map_err(|_| absent())?;
    let mut conn = deps.conn().await?;
    let purchase = purchases::find_purchase(on(&mut conn), id).await?;
    let purchase = purchase.filter(|found| found.install_id == visitor.install.id).ok_or_else(absent)?;
    let wallet = ledger::find_wallet(on(&mut conn), purchase.wallet_id).await?;
    Ok((purchase, wallet.map(|wallet| wallet.available).unwrap_or_default()))
}

fn write(status: StatusCode, page: &impl askama::Template) -> Result<Response, Problem> {
    let body = page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be written");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    Ok(html(status, body))
}
