//! `GET /v1/flycoins/top-up`: limits of purchases of any sum.

use flysk_domain::platform::purchases::{COIN_PRICE, MAX_SUM, MIN_SUM, SUM_STEP};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::platform::transfer_offers::takes_transfers;
use crate::problem::answers;

/// Limits of a purchase by sum: `amount_kopecks` of `createFlycoinPurchase`.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TopUpLimits {
    /// Smallest sum, in kopecks.
    min_kopecks: i64,
    /// Largest sum, in kopecks.
    max_kopecks: i64,
    /// Sums are multiples of this, in kopecks.
    step_kopecks: i64,
    /// Price of one Flycoin, in kopecks.
    coin_price_kopecks: i64,
    /// Whether firms can pay by bank transfer: on the page of `billing_urls.flycoins`, or by `buyFlycoinsByTransfer`.
    transfer_available: bool,
}

impl TopUpLimits {
    const fn new(transfer_available: bool) -> Self {
        Self {
            min_kopecks: MIN_SUM.0,
            max_kopecks: MAX_SUM.0,
            step_kopecks: SUM_STEP.0,
            coin_price_kopecks: COIN_PRICE.0,
            transfer_available,
        }
    }
}

impl Example for TopUpLimits {
    fn example() -> Self {
        Self::new(true)
    }
}

answers! {
    /// Responses of `getTopUpLimits`.
    Got {
        /// The limits.
        200 => Ok(Json<TopUpLimits>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for the limits of sums.
pub(crate) struct TopUpApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl TopUpApi {
    /// Get the limits of a purchase of any sum.
    #[oai(path = "/v1/flycoins/top-up", method = "get", operation_id = "getTopUpLimits")]
    async fn get(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Got {
        match takes_transfers(&deps, caller.0.widget.id).await {
            Ok(transfer_available) => Got::Ok(Json(TopUpLimits::new(transfer_available))),
            Err(problem) => problem.into(),
        }
    }
}
