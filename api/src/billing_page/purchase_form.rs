//! The form that buys Flycoins, and the page with it.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::package_of_sum;
use flysk_domain::russian;
use flysk_services::purchases::PurchaseItem;
use flysk_store::platform::installs::Install;
use flysk_store::platform::{ledger, purchases};
use poem::Response;
use poem::http::StatusCode;
use serde::Deserialize;

use super::parties::Parties;
use super::render_page;
use super::session::Visitor;
use super::transfer_rows::{TransferRow, balances};
use super::view::{Offer, PurchaseRow, SUM_OFFER, Shop};
use crate::deps::Deps;
use crate::platform::transfers::{list_of_install, takes_transfers};
use crate::problem::{Problem, ProblemCode};

/// Number of latest purchases on the page.
const MAX_RECENT_PURCHASES: u32 = 5;

/// Fields of the purchase form.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PurchaseForm {
    /// Id of a package, or `sum`.
    pub(super) package: String,
    /// Whole roubles, if `package` is `sum`.
    pub(super) sum: String,
    pub(super) email: String,
    pub(super) save_card: Option<String>,
    pub(super) token: String,
    pub(super) key: String,
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

/// The key of a form that this page made.
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

/// What the page shows, with what was sent.
pub(super) async fn load_shop(deps: &Deps, visitor: &Visitor, sent: &PurchaseForm) -> Result<Shop, Problem> {
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
