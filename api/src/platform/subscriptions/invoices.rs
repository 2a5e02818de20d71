//! `/v1/subscription/invoices`.

use flysk_domain::id::InvoiceId;
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{SubscriptionDetails, discard_invoice, load_details, settings_of};
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;

use super::invoice_views::{InvoicePage, InvoiceView};
use super::views::SubscriptionView;
use super::work::{Refusal, actor, lock_to_end, must_have_subscription};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

/// Default number of invoices on a page.
fn default_limit() -> u32 {
    50
}

answers! {
    /// Responses of `listSubscriptionInvoices`.
    Listed {
        /// A page of invoices, newest first.
        200 => Ok(Json<InvoicePage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The widget sells no subscriptions.
        409 => Conflict [SubscriptionsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getSubscriptionInvoice`.
    Got {
        /// The invoice.
        200 => Ok(Json<InvoiceView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such invoice.
        404 => NotFound,
        /// The widget sells no subscriptions.
        409 => Conflict [SubscriptionsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `discardSubscriptionInvoice`.
    Discarded {
        /// The subscription without the invoice.
        200 => Ok(Json<SubscriptionView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such open invoice that can be discarded.
        404 => NotFound,
        /// The widget sells no subscriptions, or the subscription changed meanwhile.
        409 => Conflict [SubscriptionsNotUsed, ChangeNotPossible, VersionConflict, WrongState],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on invoices.
pub(crate) struct InvoicesApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl InvoicesApi {
    /// List the invoices of the account's subscription, newest first. Only for administrators of the account.
    #[oai(path = "/v1/subscription/invoices", method = "get", operation_id = "listSubscriptionInvoices")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of invoices.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        match list_page(&deps, &caller.0, cursor.0.as_deref(), limit.0).await {
            Ok((items, next)) => {
                let items = items.iter().map(InvoiceView::from).collect();
                Listed::Ok(Json(InvoicePage { items, next }))
            }
            Err(problem) => problem.into(),
        }
    }

    /// Get an invoice. Only for administrators of the account.
    #[oai(path = "/v1/subscription/invoices/:id", method = "get", operation_id = "getSubscriptionInvoice")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Invoice id, `inv_…`.
        id: Path<String>,
    ) -> Got {
        match find_invoice(&deps, &caller.0, &id.0).await {
            Ok(invoice) => Got::Ok(Json(InvoiceView::from(&invoice))),
            Err(problem) => problem.into(),
        }
    }

    /// Discard the open invoice of a purchase or a change. Only for administrators of the account.
    ///
    /// The change does not take effect. The invoice of a renewal is discarded by cancelling the subscription. Money that is
    /// already on its way is refunded.
    #[oai(
        path = "/v1/subscription/invoices/:id",
        method = "delete",
        operation_id = "discardSubscriptionInvoice"
    )]
    async fn discard(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Invoice id, `inv_…`.
        id: Path<String>,
        _body: NoBody,
    ) -> Discarded {
        match discard_open_invoice(&deps, &trace, &caller.0, &id.0).await {
            Ok(details) => Discarded::Ok(Json(details.into())),
            Err(refusal) => Problem::from(refusal).into(),
        }
    }
}

fn no_such_invoice() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such invoice in this account")
}

/// A page of the invoices of the administrator's account, newest first, and the cursor of the next page.
pub(crate) async fn list_page(
    deps: &Deps,
    user: &WidgetUser,
    cursor: Option<&str>,
    limit: u32,
) -> Result<(Vec<Invoice>, Option<String>), Problem> {
    user.must_be_admin()?;
    must_have_subscription(deps, user).await?;
    let before = cursor.map(str::parse::<InvoiceId>).transpose();
    let before =
        before.map_err(|_| Problem::new(ProblemCode::BadRequest, "`cursor` must be the `next` of a page"))?;
    let mut conn = deps.conn().await?;
    let row = subscriptions::find_subscription_of_install(&mut conn, user.install.id).await?;
    let Some(row) = row else { return Ok((Vec::new(), None)) };
    let mut found = subscriptions::list_invoices(&mut conn, row.id, before, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok((found, next))
}

/// Finds an invoice of the administrator's account. Invoices of others are not found.
async fn find_invoice(deps: &Deps, user: &WidgetUser, id: &str) -> Result<Invoice, Problem> {
    user.must_be_admin()?;
    must_have_subscription(deps, user).await?;
    let id: InvoiceId = id.parse().map_err(|_| no_such_invoice())?;
    let found = subscriptions::find_invoice(&mut *deps.conn().await?, id).await?;
    found.filter(|invoice| invoice.install_id == user.install.id).ok_or_else(no_such_invoice)
}

/// Discards an open invoice of the administrator's account.
pub(crate) async fn discard_open_invoice(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    id: &str,
) -> Result<SubscriptionDetails, Refusal> {
    user.must_be_admin()?;
    let id: InvoiceId = id.parse().map_err(|_| no_such_invoice())?;
    let discard = || async {
        let (mut unit, row) = lock_to_end(deps, trace, user).await?;
        let settings = settings_of(&user.widget);
        let row = discard_invoice(&mut unit, deps.clock(), &settings, &row, id, actor(user)).await?;
        let details = load_details(&mut unit, &user.widget, row, deps.clock().now()).await?;
        unit.commit().await?;
        Ok::<_, Refusal>(details)
    };
    let discarded = repeat_contended(discard).await;
    deps.cache.invalidate_install(user.install.id);
    discarded
}
