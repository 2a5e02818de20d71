//! Quotes: the calculator asks for one, its page shows the lines, and a button applies it.

use askama::Template;
use flysk_domain::platform::subscriptions::{Change, moscow_day};
use flysk_domain::russian::roubles;
use flysk_domain::trace::Trace;
use flysk_store::platform::subscriptions::{self, Plan, StoredQuote};
use poem::http::StatusCode;
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};

use super::super::render_page;
use super::super::view::STYLE;
use super::caller::Caller;
use super::done::Done;
use super::form::{Button, QuoteForm, fields};
use super::frame::Frame;
use super::lines::{self, LineRow};
use super::offers::Offer;
use super::overview::{self, Shown};
use super::quote_view::{self, Former};
use super::texts::last_day;
use super::{answer, pending, see_other};
use crate::deps::Deps;
use crate::platform::subscriptions::{
    Refusal, apply_found_quote, find_quote, find_subscription, price_change,
};
use crate::problem::Problem;

/// `POST /billing/subscription/{install}/quotes`: prices a change and goes to its quote.
#[handler]
pub(super) async fn create(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    sent: poem::Result<Form<QuoteForm>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let form = fields(sent)?;
        caller.must_own_form(&deps, &form.token)?;
        caller.user.must_be_admin()?;
        let change = match form.change() {
            Ok(change) => change,
            Err(error) => {
                let shown = Shown { error: Some(error.to_owned()), typed: Some(&form), done: None };
                return overview::show(&deps, &trace, &caller, StatusCode::UNPROCESSABLE_ENTITY, shown).await;
            }
        };
        match price_change(&deps, &trace, &caller.user, change).await {
            Ok(quote) => Ok(see_other(caller.path(&format!("/quotes/{}", quote.id)))),
            Err(refusal) => {
                let shown = Shown { typed: Some(&form), ..Shown::default() };
                overview::refused(&deps, &trace, &caller, refusal, shown).await
            }
        }
    }))
    .await
}

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/subscription/quote.html")]
struct QuotePage {
    frame: Frame,
    id: String,
    asked: String,
    multiplication: Option<String>,
    lines: Vec<LineRow>,
    total: String,
    is_paid: bool,
    effect: Vec<String>,
    /// Price of the next period, for a change that waits for it.
    next_total: Option<String>,
    valid_until: String,
    former: Option<Former>,
    /// Whether an open invoice will be replaced.
    replaces: bool,
    /// The calculator of a first purchase, with the values of the quote.
    offer: Option<Offer>,
}

/// `GET /billing/subscription/{install}/quotes/{quote}`. An applied quote leads to its invoice.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let quote = find_quote(&deps, &caller.user, &id).await?;
        if let Some(invoice) = quote.invoice_id {
            return Ok(see_other(caller.path(&format!("/invoices/{invoice}"))));
        }
        if quote.applied_at.is_some() {
            return Ok(see_other(caller.path("")));
        }
        render_page(StatusCode::OK, &page(&deps, &trace, &caller, quote, None).await?)
    }))
    .await
}

/// `POST /billing/subscription/{install}/quotes/{quote}/apply`: applies the quote once, however often the button is pressed, and
/// goes to the invoice. A stale quote is 409 with the new one and what has changed.
#[handler]
pub(super) async fn apply(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        // A quote is applied once, so its id is the idempotency key of all presses of the button.
        match apply_found_quote(&deps, &trace, &caller.user, &id, &id).await {
            Ok(applied) => Ok(see_other(match applied.invoice {
                Some(invoice) => caller.path(&format!("/invoices/{}", invoice.id)),
                None => caller.path(&Done::Applied.query()),
            })),
            Err(Refusal::QuoteChanged(new)) => {
                let former = find_quote(&deps, &caller.user, &id).await?;
                let page = page(&deps, &trace, &caller, *new, Some(&former)).await?;
                render_page(StatusCode::CONFLICT, &page)
            }
            Err(refusal) => overview::refused(&deps, &trace, &caller, refusal, Shown::default()).await,
        }
    }))
    .await
}

async fn page(
    deps: &Deps,
    trace: &Trace,
    caller: &Caller,
    quote: StoredQuote,
    former: Option<&StoredQuote>,
) -> Result<QuotePage, Problem> {
    let user = &caller.user;
    let details = find_subscription(deps, trace, &user.widget, user.install.id).await?;
    let frame = Frame::load(deps, caller).await?;
    let mut conn = deps.conn().await?;
    let plan = match quote.change {
        Change::Start { plan, .. } | Change::Plan(plan) => subscriptions::find_plan(&mut conn, plan).await?,
        Change::Seats(_) | Change::Length(_) | Change::Renew => None,
    };
    let subscription = &details.row.subscription;
    let next_total = match quote_view::waits(&quote, subscription.terms) {
        Some(change) => {
            let then = pending::with(&details.pending, change);
            pending::next_total(&mut conn, &details.row, &then).await?
        }
        None => None,
    };
    Ok(QuotePage {
        id: quote.id.to_string(),
        asked: quote_view::asked(&quote, &details, plan.as_ref()),
        multiplication: quote_view::multiplication(&quote, plan.as_ref()),
        lines: lines::rows(&quote.lines),
        total: roubles(quote.total),
        is_paid: quote.total.is_positive(),
        effect: quote_view::effect(&quote, subscription),
        next_total: next_total.map(roubles),
        valid_until: last_day(moscow_day(quote.expires_at)),
        former: former.map(|former| Former::of(former, &quote, deps.clock().now())),
        replaces: quote.total.is_positive() && details.open_invoice.is_some(),
        offer: calculator(&quote, plan.as_ref()),
        frame,
    })
}

/// The calculator of a purchase, with the values of its quote.
fn calculator(quote: &StoredQuote, plan: Option<&Plan>) -> Option<Offer> {
    let Change::Start { seats, length, .. } = quote.change else { return None };
    plan.map(|plan| Offer::with(plan, seats.to_string(), Some(length.months())))
}
