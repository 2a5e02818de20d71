//! `POST /v1/backend/flycoins/estimate`.

use flysk_domain::trace::Trace;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{customer_of, refresh};
use super::pricing::{QuoteView, WantedLine, price};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// What would be charged.
#[derive(Debug, Object)]
#[oai(example)]
struct EstimateRequest {
    /// The account that would pay.
    account_id: u64,
    /// For what.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<WantedLine>,
}

impl Example for EstimateRequest {
    fn example() -> Self {
        Self { account_id: 31_234_567, lines: vec![WantedLine::example()] }
    }
}

/// What it would cost.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct EstimateView {
    /// A quote a line.
    lines: Vec<QuoteView>,
    /// Their sum.
    total_micro: i64,
    /// What the account can spend.
    available_micro: i64,
    /// Whether that is enough.
    covered: bool,
}

impl Example for EstimateView {
    fn example() -> Self {
        Self {
            lines: vec![QuoteView::example()],
            total_micro: 3_958_333,
            available_micro: 963_000_000,
            covered: true,
        }
    }
}

answers! {
    /// Answers of `estimateFlycoins`.
    Estimated {
        /// What it would cost.
        200 => Ok(Json<EstimateView>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read, or names no service of the widget.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Estimates.
pub(crate) struct EstimateApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl EstimateApi {
    /// What a charge would cost, and whether the account's coins cover it. Nothing moves.
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
    wanted: &EstimateRequest,
) -> Result<EstimateView, Problem> {
    let customer = customer_of(deps, trace, widget, wanted.account_id).await?;
    let priced = price(deps, widget, &wanted.lines, deps.clock().now()).await?;
    let wallet = refresh(deps, customer.wallet).await?;
    Ok(EstimateView {
        lines: priced.receipt(),
        total_micro: priced.total.0,
        available_micro: wallet.available.0,
        covered: priced.total <= wallet.available,
    })
}
