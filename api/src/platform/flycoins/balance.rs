//! `GET /v1/backend/flycoins/balance`.

use flysk_domain::trace::Trace;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{customer_of, refresh};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};

/// An account's coins.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct BalanceView {
    /// The account.
    account_id: u64,
    /// What can be spent.
    available_micro: i64,
    /// What is set aside by holds.
    held_micro: i64,
}

impl Example for BalanceView {
    fn example() -> Self {
        Self { account_id: 31_234_567, available_micro: 963_000_000, held_micro: 0 }
    }
}

answers! {
    /// Answers of `getFlycoinBalance`.
    Balance {
        /// The account's coins.
        200 => Ok(Json<BalanceView>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Balances.
pub(crate) struct BalanceApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl BalanceApi {
    /// What an account can spend, and what is set aside.
    #[oai(path = "/v1/backend/flycoins/balance", method = "get", operation_id = "getFlycoinBalance")]
    async fn balance(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The account.
        account_id: Query<u64>,
    ) -> Balance {
        match balance(&deps, &trace, &caller.0, account_id.0).await {
            Ok(view) => Balance::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn balance(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account_id: u64,
) -> Result<BalanceView, Problem> {
    let customer = customer_of(deps, trace, widget, account_id).await?;
    let wallet = refresh(deps, customer.wallet).await?;
    Ok(BalanceView { account_id, available_micro: wallet.available.0, held_micro: wallet.held.0 })
}
