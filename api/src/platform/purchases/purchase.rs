//! `/v1/flycoins/purchases`.

use flysk_domain::id::PurchaseId;
use flysk_domain::trace::Trace;
use flysk_store::purchases::{self, Purchase};
use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::buy::{Bought, Buyer, Order, buy, wallet_of};
use super::views::{BegunView, PurchasePage, PurchaseView};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::{Deps, on};
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// Purchases of one page at most.
const LONGEST_PAGE: u32 = 100;

/// What is to be bought.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct PurchaseOrder {
    /// The `id` of a package on offer.
    package_id: String,
    /// Where the cash register's receipt goes (54-FZ), at most 64 characters.
    email: String,
    /// The buyer agrees that the card is kept for later payments.
    #[oai(default)]
    save_card: bool,
}

impl Example for PurchaseOrder {
    fn example() -> Self {
        Self {
            package_id: "pkg_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned(),
            email: "buh@example.com".to_owned(),
            save_card: false,
        }
    }
}

answers! {
    /// Answers of `createFlycoinPurchase`.
    Created {
        /// It is begun; the bank's form opens within seconds.
        202 => Accepted(Json<BegunView>, header "Idempotency-Replayed" Option<String>),
    }
    problems {
        /// The request cannot be read, or has no key.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or the widget is not active in the account.
        403 => Forbidden,
        /// Nothing can be bought here, the package is not on offer, or there is no wallet yet.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not acceptable, or the key was used for something else.
        422 => Invalid,
        /// Too many purchases wait for their payment.
        429 => TooManyRequests,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `getFlycoinPurchase`.
    Got {
        /// As it stands.
        200 => Ok(Json<PurchaseView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden,
        /// The account has no such purchase.
        404 => NotFound,
        /// The account has no wallet yet.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `listFlycoinPurchases`.
    Listed {
        /// The youngest first.
        200 => Ok(Json<PurchasePage>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden,
        /// The account has no wallet yet.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Purchases of Flycoins.
pub(crate) struct PurchasesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl PurchasesApi {
    /// Begin to buy Flycoins. For administrators of the account.
    ///
    /// The bank is called by a job: ask for the purchase until it has a `payment_url`, and lead the buyer there.
    /// The same `Idempotency-Key` and body is the same purchase.
    #[oai(path = "/v1/flycoins/purchases", method = "post", operation_id = "createFlycoinPurchase")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// 1 to 120 visible ASCII characters; unique per account.
        #[oai(name = "Idempotency-Key")]
        key: Header<Option<String>>,
        body: StrictJson<PurchaseOrder>,
    ) -> Created {
        match begin(&deps, &trace, &caller.0, key.0.as_deref(), &body.0).await {
            Ok(bought) => {
                let replayed = bought.replayed.then(|| "true".to_owned());
                Created::Accepted(Json(BegunView::from(&bought.purchase)), replayed)
            }
            Err(problem) => problem.into(),
        }
    }

    /// A purchase as it stands. For administrators of the account.
    #[oai(path = "/v1/flycoins/purchases/:id", method = "get", operation_id = "getFlycoinPurchase")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// `pur_…`.
        id: Path<String>,
    ) -> Got {
        match find(&deps, &caller.0, &id.0).await {
            Ok(purchase) => Got::Ok(Json(purchase.into())),
            Err(problem) => problem.into(),
        }
    }

    /// The account's purchases, the youngest first. For administrators of the account.
    #[oai(path = "/v1/flycoins/purchases", method = "get", operation_id = "listFlycoinPurchases")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// The `next` of the page before.
        before: Query<Option<String>>,
        /// 1 to 100; 20 if left out.
        limit: Query<Option<u32>>,
    ) -> Listed {
        match page(&deps, &caller.0, before.0.as_deref(), limit.0).await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

async fn begin(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    key: Option<&str>,
    order: &PurchaseOrder,
) -> Result<Bought, Problem> {
    user.must_be_admin()?;
    let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
    let order = Order {
        package_id: order.package_id.parse().map_err(|error| invalid(format!("package_id: {error}")))?,
        email: &order.email.parse().map_err(|error| invalid(format!("email: {error}")))?,
        save_card: order.save_card,
        key: checked(key)?,
    };
    buy(deps, trace, Buyer { install: &user.install, user_id: user.user_id }, order).await
}

fn checked(key: Option<&str>) -> Result<&str, Problem> {
    key.filter(|key| (1..=120).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| Problem::new(ProblemCode::IdempotencyKeyMissing, "a purchase is named by its key"))
}

/// A neighbour's purchase is not there.
async fn find(deps: &Deps, user: &WidgetUser, id: &str) -> Result<Purchase, Problem> {
    user.must_be_admin()?;
    let absent = || Problem::new(ProblemCode::NotFound, "no such purchase in this account");
    let id: PurchaseId = id.parse().map_err(|_| absent())?;
    let mut conn = deps.conn().await?;
    let purchase = purchases::find_purchase(on(&mut conn), id).await?;
    purchase.filter(|purchase| purchase.install_id == user.install.id).ok_or_else(absent)
}

async fn page(
    deps: &Deps,
    user: &WidgetUser,
    before: Option<&str>,
    limit: Option<u32>,
) -> Result<PurchasePage, Problem> {
    user.must_be_admin()?;
    let bad = |detail: &str| Problem::new(ProblemCode::BadRequest, detail);
    let limit = limit.unwrap_or(20);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(bad("`limit` is 1 to 100"));
    }
    let before = before.map(str::parse::<PurchaseId>).transpose();
    let before = before.map_err(|_| bad("`before` is the `next` of another page"))?;
    let wallet = wallet_of(deps, &user.install).await?;
    let mut conn = deps.conn().await?;
    let mut found = purchases::list_purchases(on(&mut conn), wallet.id, before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(PurchasePage { items: found.into_iter().map(PurchaseView::from).collect(), next })
}
