//! `/v1/subscription/quotes`: prices of changes, and applying them.

use flysk_domain::id::{PlanId, QuoteId};
use flysk_domain::platform::subscriptions::{Change, ChangeKind, PeriodLength};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{
    ApplyOutcome, ApplyRequest, SubscriptionDetails, apply_quote, create_quote, load_details,
};
use flysk_store::platform::subscriptions::{self, Invoice, StoredQuote};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::invoice_views::{InvoiceView, QuoteView};
use super::views::SubscriptionView;
use super::work::{Refusal, actor, lock, must_be_installed, must_sell, read};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{NoBody, StrictJson};

/// A change to be priced.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct QuoteRequest {
    /// The change. `start` needs `plan_id`, `seats` and `months`; `seats`, `plan` and `length` need their value; `renew`
    /// needs none. Asking for the present value withdraws a change that waits.
    change: Choice<ChangeKind>,
    /// Id of a plan on offer.
    plan_id: Option<String>,
    /// Number of seats.
    seats: Option<u32>,
    /// Months that are paid at once: 1, 3, 6 or 12.
    months: Option<u32>,
}

impl Example for QuoteRequest {
    fn example() -> Self {
        Self {
            change: ChangeKind::Start.into(),
            plan_id: Some("pln_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned()),
            seats: Some(3),
            months: Some(1),
        }
    }
}

impl QuoteRequest {
    /// The change, without values that its kind does not have.
    fn change(&self) -> Result<Change, Problem> {
        let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
        let missing = |field: &str| invalid(format!("this change needs `{field}`"));
        let plan = || -> Result<PlanId, Problem> {
            let text = self.plan_id.as_deref().ok_or_else(|| missing("plan_id"))?;
            text.parse().map_err(|error| invalid(format!("plan_id: {error}")))
        };
        let seats = || self.seats.ok_or_else(|| missing("seats"));
        let length = || {
            let months = self.months.ok_or_else(|| missing("months"))?;
            PeriodLength::try_from(months).map_err(|error| invalid(format!("months: {error}")))
        };
        let (change, used) = match self.change.0 {
            ChangeKind::Start => {
                (Change::Start { plan: plan()?, seats: seats()?, length: length()? }, [true, true, true])
            }
            ChangeKind::Seats => (Change::Seats(seats()?), [false, true, false]),
            ChangeKind::Plan => (Change::Plan(plan()?), [true, false, false]),
            ChangeKind::Length => (Change::Length(length()?), [false, false, true]),
            ChangeKind::Renew => (Change::Renew, [false, false, false]),
        };
        let given = [self.plan_id.is_some(), self.seats.is_some(), self.months.is_some()];
        for ((given, used), name) in given.into_iter().zip(used).zip(["plan_id", "seats", "months"]) {
            if given && !used {
                return Err(invalid(format!("this change has no `{name}`")));
            }
        }
        Ok(change)
    }
}

/// Result of applying a quote.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AppliedQuote {
    /// The subscription. A change that needs a payment takes effect when the invoice is paid.
    subscription: SubscriptionView,
    /// The invoice to be paid; null if the change costs nothing now.
    invoice: Option<InvoiceView>,
}

impl Example for AppliedQuote {
    fn example() -> Self {
        Self { subscription: SubscriptionView::example(), invoice: Some(InvoiceView::example()) }
    }
}

answers! {
    /// Responses of `createSubscriptionQuote`.
    Created {
        /// The price.
        201 => Ok(Json<QuoteView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The widget sells no subscriptions, the plan is not on offer, or the state does not allow the change.
        409 => Conflict [SubscriptionsNotUsed, PlanNotAvailable, ChangeNotPossible, WrongState, VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is missing or not valid.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getSubscriptionQuote`.
    Got {
        /// The quote.
        200 => Ok(Json<QuoteView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such quote.
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
    /// Responses of `applySubscriptionQuote`.
    Applied {
        /// Applied, by this request or by an earlier one with the same idempotency key.
        200 => Ok(Json<AppliedQuote>, header "Idempotency-Replayed" Option<String>),
    }
    problems {
        /// Malformed request, or no valid idempotency key.
        400 => BadRequest [BadRequest, IdempotencyKeyMissing, InvalidRequest],
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The account has no such quote.
        404 => NotFound,
        /// The facts changed since the quote (`quote_id` is the new one), or the change is not possible any more.
        409 => Conflict [QuoteChanged, SubscriptionsNotUsed, PlanNotAvailable, ChangeNotPossible, WrongState, VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The idempotency key was already used with a different request.
        422 => KeyReused [IdempotencyKeyReused],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on quotes.
pub(crate) struct QuotesApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl QuotesApi {
    /// Get the price of a purchase or a change. Only for administrators of the account.
    ///
    /// The quote is valid until the end of the day in Moscow, as long as the subscription does not change.
    #[oai(path = "/v1/subscription/quotes", method = "post", operation_id = "createSubscriptionQuote")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<QuoteRequest>,
    ) -> Created {
        let user = &caller.0;
        let priced = async {
            user.must_be_admin()?;
            must_be_installed(user)?;
            price_change(&deps, &trace, user, body.0.change()?).await
        };
        match priced.await {
            Ok(quote) => Created::Ok(Json(QuoteView::from(&quote))),
            Err(refusal) => Problem::from(refusal).into(),
        }
    }

    /// Get a quote. Only for administrators of the account.
    #[oai(path = "/v1/subscription/quotes/:id", method = "get", operation_id = "getSubscriptionQuote")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Quote id, `quo_…`.
        id: Path<String>,
    ) -> Got {
        match find_quote(&deps, &caller.0, &id.0).await {
            Ok(quote) => Got::Ok(Json(QuoteView::from(&quote))),
            Err(problem) => problem.into(),
        }
    }

    /// Apply a quote: freeze it into an invoice, or make a change that costs nothing now. Only for administrators of the
    /// account.
    ///
    /// The invoice has the lines and the total of the quote. A change that needs a payment takes effect when it is paid.
    #[oai(
        path = "/v1/subscription/quotes/:id/apply",
        method = "post",
        operation_id = "applySubscriptionQuote"
    )]
    async fn apply(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Quote id, `quo_…`.
        id: Path<String>,
        /// Idempotency key, unique per subscription: 1 to 120 visible ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        _body: NoBody,
    ) -> Applied {
        match apply_found_quote(&deps, &trace, &caller.0, &id.0, &key.0).await {
            Ok(applied) => {
                let replayed = applied.replayed.then(|| "true".to_owned());
                let invoice = applied.invoice.as_deref().map(InvoiceView::from);
                let subscription = applied.details.into();
                Applied::Ok(Json(AppliedQuote { subscription, invoice }), replayed)
            }
            Err(refusal) => Problem::from(refusal).into(),
        }
    }
}

/// Prices a change and stores the quote, for an administrator.
pub(crate) async fn price_change(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    change: Change,
) -> Result<StoredQuote, Refusal> {
    user.must_be_admin()?;
    must_be_installed(user)?;
    let create = || async {
        let (mut unit, row) = read(deps, trace, user).await?;
        let (quote, _) = create_quote(&mut unit, deps.clock(), &row, change, actor(user)).await?;
        unit.commit().await?;
        Ok::<_, Refusal>(quote)
    };
    repeat_contended(create).await
}

fn no_such_quote() -> Problem {
    Problem::new(ProblemCode::NotFound, "no such quote in this account")
}

/// Finds a quote of the administrator's account. Quotes of others are not found.
pub(crate) async fn find_quote(deps: &Deps, user: &WidgetUser, id: &str) -> Result<StoredQuote, Problem> {
    user.must_be_admin()?;
    must_sell(user)?;
    let id: QuoteId = id.parse().map_err(|_| no_such_quote())?;
    let mut conn = deps.conn().await?;
    let row = subscriptions::find_subscription_of_install(&mut conn, user.install.id).await?;
    let row = row.ok_or_else(no_such_quote)?;
    subscriptions::find_quote(&mut conn, row.id, id).await?.ok_or_else(no_such_quote)
}

/// A quote that was applied.
pub(crate) struct AppliedChange {
    /// The subscription after it.
    pub(crate) details: SubscriptionDetails,
    /// The invoice to be paid; `None` if the change costs nothing now.
    pub(crate) invoice: Option<Box<Invoice>>,
    /// Whether an earlier request applied it.
    pub(crate) replayed: bool,
}

/// Whether a quote of the account was applied under a key: the request is answered again, whatever has happened to the install since.
async fn was_applied(deps: &Deps, user: &WidgetUser, key: &str) -> Result<bool, Problem> {
    let mut conn = deps.conn().await?;
    let row = subscriptions::find_subscription_of_install(&mut conn, user.install.id).await?;
    let Some(row) = row else { return Ok(false) };
    Ok(subscriptions::find_quote_asked(&mut conn, row.id, key).await?.is_some())
}

/// Applies a quote of the administrator's account, once per key.
pub(crate) async fn apply_found_quote(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    id: &str,
    key: &str,
) -> Result<AppliedChange, Refusal> {
    user.must_be_admin()?;
    if let Err(problem) = must_be_installed(user)
        && !was_applied(deps, user, key).await?
    {
        return Err(problem.into());
    }
    let quote: QuoteId = id.parse().map_err(|_| no_such_quote())?;
    let apply = || async {
        let (mut unit, row) = lock(deps, trace, user).await?;
        let request = ApplyRequest { quote, key, actor: actor(user) };
        let answer = match apply_quote(&mut unit, deps.clock(), &user.widget, &row, request).await? {
            ApplyOutcome::Applied { row, invoice, replayed } => {
                let now = deps.clock().now();
                let details = load_details(&mut unit, &user.widget, *row, now).await?;
                Ok(AppliedChange { details, invoice, replayed })
            }
            ApplyOutcome::Changed(renewed) => Err(Refusal::QuoteChanged(renewed)),
            ApplyOutcome::NotFound => return Err(no_such_quote().into()),
            ApplyOutcome::AlreadyApplied => {
                let detail = "the quote was applied by another request";
                return Err(Problem::new(ProblemCode::WrongState, detail).into());
            }
            ApplyOutcome::KeyReused => {
                let detail = "the key was used for another quote";
                return Err(Problem::new(ProblemCode::IdempotencyKeyReused, detail).into());
            }
        };
        // A new quote is stored as well.
        unit.commit().await?;
        answer
    };
    let applied = repeat_contended(apply).await;
    deps.cache.invalidate_install(user.install.id);
    applied
}
