//! `GET /v1/subscription` and `GET /v1/subscription/plans`.

use flysk_domain::id::{InstallId, WidgetId};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{
    SubscriptionDetails, SubscriptionFacts, load_details, load_facts, open_late_subscription,
};
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::own_seat::show_seat;
use super::views::{PlanView, SubscriptionView};
use super::work::{must_sell, was_bought};
use crate::auth::WidgetCaller;
use crate::cache::InstallSubscription;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, answers};

/// All plans on offer, by code.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionPlanPage")]
pub(crate) struct PlanPage {
    /// The plans.
    items: Vec<PlanView>,
    /// Always null: the list has one page.
    next: Option<String>,
}

answers! {
    /// Responses of `getSubscription`.
    Got {
        /// The subscription.
        200 => Ok(Json<SubscriptionView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// The widget sells no subscriptions.
        409 => Conflict [SubscriptionsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listSubscriptionPlans`.
    Listed {
        /// The plans on offer.
        200 => Ok(Json<PlanPage>),
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

/// Operations that read.
pub(crate) struct SubscriptionApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl SubscriptionApi {
    /// Get the subscription of the account: state, access, plan, seats, period, pending changes and open invoice.
    #[oai(path = "/v1/subscription", method = "get", operation_id = "getSubscription")]
    async fn get(&self, deps: Data<&Deps>, trace: Data<&Trace>, caller: WidgetCaller) -> Got {
        let user = caller.0;
        let found = async {
            must_sell(&user)?;
            let details = find_subscription(&deps, &trace, &user.widget, user.install.id).await?;
            show_seat(&deps, &user.widget, details, user.user_id).await
        };
        match found.await {
            Ok(subscription) => Got::Ok(Json(subscription)),
            Err(problem) => problem.into(),
        }
    }

    /// List the plans on offer for the widget, by code. The list has one page.
    #[oai(path = "/v1/subscription/plans", method = "get", operation_id = "listSubscriptionPlans")]
    async fn plans(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Listed {
        match plans_on_offer(&deps, caller.0.widget.id).await {
            Ok(items) => Listed::Ok(Json(PlanPage { items, next: None })),
            Err(problem) => problem.into(),
        }
    }
}

async fn plans_on_offer(deps: &Deps, widget: WidgetId) -> Result<Vec<PlanView>, Problem> {
    let plans = subscriptions::list_plans_on_offer(&mut *deps.conn().await?, widget).await?;
    Ok(plans.iter().map(PlanView::from).collect())
}

/// The subscription of an install of a widget that sells subscriptions. Opened now if the install is older than that.
pub(crate) async fn find_subscription(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> Result<SubscriptionDetails, Problem> {
    let found = subscriptions::find_subscription_of_install(&mut *deps.conn().await?, install).await?;
    let row = match found {
        Some(row) => row,
        None => open_late_subscription(&deps.outbox, trace, widget, install).await?,
    };
    Ok(load_details(&mut *deps.conn().await?, widget, row, deps.clock().now()).await?)
}

/// [`plans_on_offer`] from the cache, if possible.
pub(crate) async fn known_offer(deps: &Deps, widget: WidgetId) -> Result<Vec<PlanView>, Problem> {
    if let Some(plans) = deps.cache.offer(widget) {
        return Ok(plans.iter().map(PlanView::from).collect());
    }
    let epoch = deps.cache.read_epoch();
    let plans = subscriptions::list_plans_on_offer(&mut *deps.conn().await?, widget).await?;
    let views = plans.iter().map(PlanView::from).collect();
    deps.cache.insert_offer(epoch, widget, plans);
    Ok(views)
}

/// [`find_subscription`] from the cache, if possible: only what changes with time is computed anew.
pub(crate) async fn known_subscription(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> Result<SubscriptionDetails, Problem> {
    let facts = if let Some(facts) = known_facts(deps, widget, install).await? {
        facts
    } else {
        let row = open_late_subscription(&deps.outbox, trace, widget, install).await?;
        deps.cache.invalidate_install(install);
        load_facts(&mut *deps.conn().await?, widget, row).await?
    };
    Ok(facts.details_at(widget, deps.clock().now()))
}

/// [`keeps_subscription`](super::work::keeps_subscription) from the cache, if possible.
pub(crate) async fn is_known_to_keep_subscription(
    deps: &Deps,
    widget: &Widget,
    install: InstallId,
) -> Result<bool, Problem> {
    if widget.uses_subscriptions || !widget.sold_subscriptions {
        return Ok(widget.uses_subscriptions);
    }
    let facts = known_facts(deps, widget, install).await?;
    Ok(facts.is_some_and(|facts| was_bought(facts.row())))
}

/// The subscription of an install as it is stored, from the cache, if possible.
async fn known_facts(
    deps: &Deps,
    widget: &Widget,
    install: InstallId,
) -> Result<Option<SubscriptionFacts>, Problem> {
    if let Some(InstallSubscription(known)) = deps.cache.subscription(widget.id, install)
        && known.as_ref().is_none_or(|facts| facts.fits(widget))
    {
        return Ok(known);
    }
    let epoch = deps.cache.read_epoch();
    let mut conn = deps.conn().await?;
    let facts = match subscriptions::find_subscription_of_install(&mut conn, install).await? {
        Some(row) => Some(load_facts(&mut conn, widget, row).await?),
        None => None,
    };
    deps.cache.insert_subscription(epoch, install, InstallSubscription(facts.clone()));
    Ok(facts)
}
