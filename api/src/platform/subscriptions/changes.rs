//! Cancelling, restoring, and withdrawing changes that wait.

use flysk_domain::platform::subscriptions::PendingKind;
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{
    SubscriptionDetails, cancel, load_details, restore, settings_of, withdraw_pending,
};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use super::views::SubscriptionView;
use super::work::{Refusal, actor, lock, lock_to_end};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

answers! {
    /// Responses of operations that change a subscription.
    Changed {
        /// The subscription after the change.
        200 => Ok(Json<SubscriptionView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// There is nothing to withdraw.
        404 => NotFound,
        /// The widget sells no subscriptions, or the state does not allow it.
        409 => Conflict [SubscriptionsNotUsed, ChangeNotPossible, VersionConflict, WrongState],
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

/// Change that a user asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// Cancel the subscription.
    Cancel,
    /// Revoke a cancellation.
    Restore,
    /// Withdraw the change of this kind that waits for the next period.
    Withdraw(PendingKind),
}

/// Operations that change a subscription without a payment.
pub(crate) struct SubscriptionChangesApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl SubscriptionChangesApi {
    /// Cancel the subscription. Only for administrators of the account.
    ///
    /// A paid subscription ends with its period and can be restored until then. If the next period is unpaid, it ends at once.
    #[oai(path = "/v1/subscription/cancel", method = "post", operation_id = "cancelSubscription")]
    async fn cancel(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        _body: NoBody,
    ) -> Changed {
        answer(fulfil(&deps, &trace, &caller.0, Wish::Cancel).await)
    }

    /// Revoke a cancellation before it takes effect. Only for administrators of the account.
    #[oai(path = "/v1/subscription/restore", method = "post", operation_id = "restoreSubscription")]
    async fn restore(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        _body: NoBody,
    ) -> Changed {
        answer(fulfil(&deps, &trace, &caller.0, Wish::Restore).await)
    }

    /// Withdraw a change that waits for the next period. Only for administrators of the account.
    #[oai(
        path = "/v1/subscription/pending_changes/:kind",
        method = "delete",
        operation_id = "withdrawPendingChange"
    )]
    async fn withdraw(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// `kind` of the pending change.
        kind: Path<String>,
        _body: NoBody,
    ) -> Changed {
        answer(match kind.0.parse() {
            Ok(kind) => fulfil(&deps, &trace, &caller.0, Wish::Withdraw(kind)).await,
            Err(_) => Err(Problem::new(ProblemCode::NotFound, "there is no such kind of change").into()),
        })
    }
}

fn answer(result: Result<SubscriptionDetails, Refusal>) -> Changed {
    match result {
        Ok(details) => Changed::Ok(Json(details.into())),
        Err(refusal) => Problem::from(refusal).into(),
    }
}

/// Does what an administrator of the account asks for.
pub(crate) async fn fulfil(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    wish: Wish,
) -> Result<SubscriptionDetails, Refusal> {
    user.must_be_admin()?;
    let change = || async {
        let (mut unit, row) = match wish {
            Wish::Cancel | Wish::Withdraw(_) => lock_to_end(deps, trace, user).await?,
            Wish::Restore => lock(deps, trace, user).await?,
        };
        let (clock, settings) = (deps.clock(), settings_of(&user.widget));
        let changed = match wish {
            Wish::Cancel => {
                cancel(&mut unit, clock, &settings, &row, actor(user), None).await.map(|(row, _)| row)
            }
            Wish::Restore => restore(&mut unit, clock, &settings, &row, actor(user)).await,
            Wish::Withdraw(kind) => {
                withdraw_pending(&mut unit, clock, &settings, &row, kind, actor(user)).await
            }
        };
        let details = load_details(&mut unit, &user.widget, changed?, clock.now()).await?;
        unit.commit().await?;
        Ok::<_, Refusal>(details)
    };
    let changed = repeat_contended(change).await;
    deps.cache.invalidate_install(user.install.id);
    changed
}
