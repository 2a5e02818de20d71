//! `POST /v1/backend/flycoins/estimate`: the price of a charge.

use flysk_domain::trace::Trace;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{customer_of, refresh_expired};
use super::pricing::{PriceLine, PriceLineInput, price_lines};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// Request to estimate a charge.
#[derive(Debug, Object)]
#[oai(example)]
struct EstimateRequest {
    /// Id of the paying account in amoCRM.
    account_id: u64,
    /// Services and quantities, 1 to 20 lines.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<PriceLineInput>,
}

impl Example for EstimateRequest {
    fn example() -> Self {
        Self { account_id: 31_234_567, lines: vec![PriceLineInput::example()] }
    }
}

/// An estimate.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Estimate {
    /// Prices, one per requested line.
    lines: Vec<PriceLine>,
    /// Sum of the lines, in micro-Flycoins.
    total_micro: i64,
    /// Available balance, in micro-Flycoins.
    available_micro: i64,
    /// Whether the available balance covers the sum.
    covered: bool,
}

impl Example for Estimate {
    fn example() -> Self {
        Self {
            lines: vec![PriceLine::example()],
            total_micro: 3_958_333,
            available_micro: 963_000_000,
            covered: true,
        }
    }
}

answers! {
    /// Responses of `estimateFlycoins`.
    Estimated {
        /// The estimate.
        200 => Ok(Json<Estimate>),
    }
    problems (InvalidRequest) {
        /// Malformed request or unknown service.
        400 => BadRequest [UnknownService],
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound [InstallNotFound],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to estimate a charge.
pub(crate) struct EstimateApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl EstimateApi {
    /// Estimate the price of a charge, and whether the balance covers it. No coins are moved.
    #[oai(path = "/v1/backend/flycoins/estimate", method = "post", operation_id = "estimateFlycoins")]
    async fn estimate(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        body: StrictJson<EstimateRequest>,
    ) -> Estimated {
        match estimate(&deps, &trace, &caller.0, &body.0).await {
            Ok(view) => Estimated::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn estimate(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    request: &EstimateRequest,
) -> Result<Estimate, Problem> {
    let customer = customer_of(deps, trace, widget, request.account_id).await?;
    let priced = price_lines(deps, widget, &request.lines, deps.clock().now()).await?;
    let wallet = refresh_expired(deps, customer.wallet).await?;
    Ok(Estimate {
        lines: priced.receipt(),
        total_micro: priced.total.0,
        available_micro: wallet.available.0,
        covered: priced.total <= wallet.available,
    })
}
