//! `GET /v1/backend/subscription`.

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;

use super::read::find_subscription;
use super::views::SubscriptionView;
use super::work::not_sold;
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};

answers! {
    /// Responses of `getBackendSubscription`.
    Got {
        /// The subscription.
        200 => Ok(Json<SubscriptionView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has not installed the widget.
        404 => NotFound [InstallNotFound],
        /// The widget sells no subscriptions.
        409 => Conflict [SubscriptionsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// The operation for backends.
pub(crate) struct BackendSubscriptionApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl BackendSubscriptionApi {
    /// Get the subscription of an account, to decide by its `access`.
    #[oai(path = "/v1/backend/subscription", method = "get", operation_id = "getBackendSubscription")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Account id in amoCRM.
        account_id: Query<u64>,
    ) -> Got {
        match of_account(&deps, &trace, &caller.0, account_id.0).await {
            Ok(subscription) => Got::Ok(Json(subscription)),
            Err(problem) => problem.into(),
        }
    }
}

async fn of_account(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account: u64,
) -> Result<SubscriptionView, Problem> {
    let install = find_install(deps, widget, AccountId(account)).await?;
    if !widget.uses_subscriptions {
        return Err(not_sold());
    }
    Ok(find_subscription(deps, trace, widget, install.id).await?.into())
}

/// The widget's install in an account.
pub(super) async fn find_install(
    deps: &Deps,
    widget: &Widget,
    account: AccountId,
) -> Result<Install, Problem> {
    let found = installs::find_in_account(&mut *deps.conn().await?, widget.id, account).await?;
    found.ok_or_else(|| {
        Problem::new(ProblemCode::InstallNotFound, "the widget is not installed in this account")
    })
}
