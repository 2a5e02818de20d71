//! `GET /v1/backend/flycoins/balance`: an account's balance, for the vendor's backend.

use flysk_domain::trace::Trace;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{customer_of, refresh_expired};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};

/// Balance of an account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct FlycoinBalance {
    /// Account id in amoCRM.
    account_id: u64,
    /// Coins that can be spent, in micro-Flycoins.
    available_micro: i64,
    /// Coins in open holds, in micro-Flycoins.
    held_micro: i64,
}

impl Example for FlycoinBalance {
    fn example() -> Self {
        Self { account_id: 31_234_567, available_micro: 963_000_000, held_micro: 0 }
    }
}

answers! {
    /// Responses of `getFlycoinBalance`.
    Balance {
        /// The balance.
        200 => Ok(Json<FlycoinBalance>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound [InstallNotFound],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on balances.
pub(crate) struct BalanceApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl BalanceApi {
    /// Get the balance of an account.
    #[oai(path = "/v1/backend/flycoins/balance", method = "get", operation_id = "getFlycoinBalance")]
    async fn balance(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Account id in amoCRM.
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
) -> Result<FlycoinBalance, Problem> {
    let customer = customer_of(deps, trace, widget, account_id).await?;
    let wallet = refresh_expired(deps, customer.wallet).await?;
    Ok(FlycoinBalance { account_id, available_micro: wallet.available.0, held_micro: wallet.held.0 })
}
