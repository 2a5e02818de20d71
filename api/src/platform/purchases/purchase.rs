//! `/v1/flycoins/purchases`: purchases of Flycoins.

use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::package_of_sum;
use flysk_domain::trace::Trace;
use flysk_services::purchases::PurchaseItem;
use flysk_store::platform::purchases::{self, Purchase};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::buy::{Buyer, Order, PurchaseResult, buy, wallet_of};
use super::views::{CreatedPurchase, PurchasePage, PurchaseView};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// Default number of purchases on a page.
fn default_limit() -> u32 {
    50
}

/// Request to buy a package.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct PurchaseInput {
    /// The `id` of a package on offer. Send either this or `amount_kopecks`.
    package_id: Option<String>,
    /// Any sum within the limits of `getTopUpLimits`, in kopecks. One Flycoin costs one rouble.
    amount_kopecks: Option<i64>,
    /// Email address for the fiscal receipt (54-FZ), at most 64 characters.
    email: String,
    /// The buyer agrees to save the card for later payments.
    #[oai(default)]
    save_card: bool,
}

impl Example for PurchaseInput {
    fn example() -> Self {
        Self {
            package_id: Some("pkg_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned()),
            amount_kopecks: None,
            email: "buh@example.com".to_owned(),
            save_card: false,
        }
    }
}

answers! {
    /// Responses of `createFlycoinPurchase`.
    Created {
        /// The purchase is created. T-Bank's payment form opens within seconds.
        202 => Accepted(Json<CreatedPurchase>, header "Idempotency-Replayed" Option<String>),
    }
    problems {
        /// Malformed request, or no valid idempotency key.
        400 => BadRequest [IdempotencyKeyMissing, InvalidRequest],
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not active in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// Purchases are not configured, the package is not on offer, or the account has no wallet yet.
        409 => Conflict [PurchasesUnavailable, PackageNotAvailable, WrongState],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not valid, or the idempotency key was already used with a different request.
        422 => Invalid [Invalid, IdempotencyKeyReused],
        /// Too many unpaid purchases.
        429 => TooManyRequests,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getFlycoinPurchase`.
    Got {
        /// The purchase.
        200 => Ok(Json<PurchaseView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such purchase.
        404 => NotFound,
        /// The account has no wallet yet.
        409 => Conflict,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listFlycoinPurchases`.
    Listed {
        /// A page of purchases, newest first.
        200 => Ok(Json<PurchasePage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no wallet yet.
        409 => Conflict,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on purchases.
pub(crate) struct PurchasesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl PurchasesApi {
    /// Create a purchase of Flycoins. Only for administrators of the account.
    ///
    /// T-Bank is called in the background: poll the purchase until it has a `payment_url`, and redirect the buyer there.
    /// A request with the same `Idempotency-Key` and body returns the same purchase.
    #[oai(path = "/v1/flycoins/purchases", method = "post", operation_id = "createFlycoinPurchase")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Idempotency key of the purchase: 1 to 120 visible ASCII characters, unique per account.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<PurchaseInput>,
    ) -> Created {
        match begin(&deps, &trace, &caller.0, &key.0, &body.0).await {
            Ok(result) => {
                let replayed = result.replayed.then(|| "true".to_owned());
                Created::Accepted(Json(CreatedPurchase::from(&result.purchase)), replayed)
            }
            Err(problem) => problem.into(),
        }
    }

    /// Get a purchase. Only for administrators of the account.
    #[oai(path = "/v1/flycoins/purchases/:id", method = "get", operation_id = "getFlycoinPurchase")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Purchase id, `pur_…`.
        id: Path<String>,
    ) -> Got {
        match find(&deps, &caller.0, &id.0).await {
            Ok(purchase) => Got::Ok(Json(PurchaseView::new(purchase, deps.clock().now()))),
            Err(problem) => problem.into(),
        }
    }

    /// List the account's purchases, newest first. Only for administrators of the account.
    #[oai(path = "/v1/flycoins/purchases", method = "get", operation_id = "listFlycoinPurchases")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of purchases.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        match list_page(&deps, &caller.0, cursor.0.as_deref(), limit.0).await {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }
}

async fn begin(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    key: &str,
    order: &PurchaseInput,
) -> Result<PurchaseResult, Problem> {
    user.must_be_admin()?;
    let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
    let order = Order {
        item: item_of(order.package_id.as_deref(), order.amount_kopecks)?,
        email: &order.email.parse().map_err(|error| invalid(format!("email: {error}")))?,
        save_card: order.save_card,
        key,
    };
    buy(deps, trace, Buyer { install: &user.install, user_id: user.user_id }, order).await
}

/// Item of a purchase: a package or a sum, of which a request names one.
pub(crate) fn item_of(
    package_id: Option<&str>,
    amount_kopecks: Option<i64>,
) -> Result<PurchaseItem, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
    match (package_id, amount_kopecks) {
        (Some(package), None) => {
            let id = package.parse().map_err(|error| invalid(format!("package_id: {error}")))?;
            Ok(PurchaseItem::Package(id))
        }
        (None, Some(kopecks)) => {
            let sum = Kopecks(kopecks);
            package_of_sum(sum).map_err(|error| invalid(format!("amount_kopecks: {error}")))?;
            Ok(PurchaseItem::Sum(sum))
        }
        _ => Err(invalid("send either `package_id` or `amount_kopecks`".to_owned())),
    }
}

/// The account's purchase. Purchases of other installs are not found.
async fn find(deps: &Deps, user: &WidgetUser, id: &str) -> Result<Purchase, Problem> {
    user.must_be_admin()?;
    let absent = || Problem::new(ProblemCode::NotFound, "no such purchase in this account");
    let id: PurchaseId = id.parse().map_err(|_| absent())?;
    let mut conn = deps.conn().await?;
    let purchase = purchases::find_purchase(&mut conn, id).await?;
    purchase.filter(|purchase| purchase.install_id == user.install.id).ok_or_else(absent)
}

async fn list_page(
    deps: &Deps,
    user: &WidgetUser,
    cursor: Option<&str>,
    limit: u32,
) -> Result<PurchasePage, Problem> {
    user.must_be_admin()?;
    let bad = |detail: &str| Problem::new(ProblemCode::BadRequest, detail);
    let before = cursor.map(str::parse::<PurchaseId>).transpose();
    let before = before.map_err(|_| bad("`cursor` must be the `next` of a page"))?;
    let wallet = wallet_of(deps, &user.install).await?;
    let mut conn = deps.conn().await?;
    let mut found = purchases::list_purchases(&mut conn, wallet.id, before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let now = deps.clock().now();
    let items = found.into_iter().map(|purchase| PurchaseView::new(purchase, now)).collect();
    Ok(PurchasePage { items, next })
}
