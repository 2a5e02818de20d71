//! The first page: the state, what can be done, the card, the latest payments.

use askama::Template;
use chrono::NaiveDate;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use flysk_domain::platform::subscriptions::{CancelOutcome, SubscriptionState, moscow_day};
use flysk_domain::russian::{self, roubles};
use flysk_domain::trace::Trace;
use flysk_services::subscriptions::{SubscriptionDetails, settings_of};
use flysk_store::platform::{invoice_payments, subscriptions};
use flysk_store::{Conn, StoreResult};
use poem::http::StatusCode;
use poem::web::{Data, Path, Query};
use poem::{Request, Response, handler};
use serde::Deserialize;

use super::super::render_page;
use super::super::view::STYLE;
use super::answer;
use super::caller::Caller;
use super::done::Done;
use super::form::QuoteForm;
use super::frame::Frame;
use super::history::InvoiceRow;
use super::offers::{ChangeForms, Offer};
use super::pending::{self, PendingRow};
use super::renewal::Renewal;
use super::seats::SeatsView;
use super::state::{Facts, StateCard};
use super::texts::{card, day, last_day, moment, refusal_ru};
use crate::auth::WidgetUser;
use crate::deps::Deps;
use crate::platform::subscriptions::{Refusal, find_card, find_subscription, list_page, must_be_installed};
use crate::problem::Problem;

/// Latest invoices on the page.
const RECENT_INVOICES: u32 = 5;

/// Notice about a cancellation while the bank makes a charge. Its money is returned, because its invoice is void.
const CANCELLED_WHILE_CHARGED: &str = "Подписка отменена. Одно списание банк уже проводит: если деньги спишутся, мы их вернём. Других \
     списаний не будет.";

/// Data of the page beside the subscription.
#[derive(Default)]
pub(super) struct Shown<'a> {
    /// Effect of the form before.
    pub(super) done: Option<Done>,
    /// Error of the form.
    pub(super) error: Option<String>,
    /// The form that was sent.
    pub(super) typed: Option<&'a QuoteForm>,
}

/// Terms of the current or last period.
#[derive(Debug)]
struct TermsView {
    plan: String,
    seats: String,
    length: &'static str,
    seat_price: String,
    total: String,
    period: String,
}

#[derive(Debug)]
struct OpenInvoice {
    id: String,
    title: String,
    total: String,
    due: Option<String>,
}

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/subscription/overview.html")]
struct Overview {
    frame: Frame,
    notice: Option<&'static str>,
    error: Option<String>,
    state: StateCard,
    terms: Option<TermsView>,
    open: Option<OpenInvoice>,
    pending: Vec<PendingRow>,
    pending_from: String,
    seats: Option<SeatsView>,
    /// Why nothing can be bought or changed by this user now.
    closed: Option<&'static str>,
    can_start: bool,
    offers: Vec<Offer>,
    changes: Option<ChangeForms>,
    renewal: Option<Renewal>,
    invoices: Vec<InvoiceRow>,
    has_more: bool,
    /// Effect of cancelling; `None` if there is nothing to cancel.
    cancelling: Option<String>,
    can_restore: bool,
}

/// Query of the page.
#[derive(Debug, Deserialize)]
pub(super) struct OverviewQuery {
    done: Option<String>,
}

/// `GET /billing/subscription/{install}`.
#[handler]
pub(super) async fn show_overview(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    Query(query): Query<OverviewQuery>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let done = query.done.and_then(|code| Done::of(&code));
        show(&deps, &trace, &caller, StatusCode::OK, Shown { done, ..Shown::default() }).await
    }))
    .await
}

/// Shows the page again with the reason of a refusal. A refusal that it cannot explain is returned.
pub(super) async fn refused(
    deps: &Deps,
    trace: &Trace,
    caller: &Caller,
    refusal: Refusal,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    let error = refusal_ru(&refusal);
    let problem = Problem::from(refusal);
    if error.is_none() {
        return Err(problem);
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
    show(deps, trace, caller, status, Shown { error, ..shown }).await
}

/// Renders the page.
pub(super) async fn show(
    deps: &Deps,
    trace: &Trace,
    caller: &Caller,
    status: StatusCode,
    shown: Shown<'_>,
) -> Result<Response, Problem> {
    render_page(status, &load(deps, trace, caller, shown).await?)
}

async fn load(deps: &Deps, trace: &Trace, caller: &Caller, shown: Shown<'_>) -> Result<Overview, Problem> {
    let user = &caller.user;
    let details = find_subscription(deps, trace, &user.widget, user.install.id).await?;
    let frame = Frame::load(deps, caller).await?;
    let seats = SeatsView::load(deps, trace, caller, &details).await?;
    let (recent, next) =
        if user.is_admin { list_page(deps, user, None, RECENT_INVOICES).await? } else { (Vec::new(), None) };
    let saved = if user.is_admin { find_card(deps, user).await? } else { None };
    let mut conn = deps.conn().await?;
    let plans = subscriptions::list_plans_on_offer(&mut conn, user.widget.id).await?;
    let subscription = &details.row.subscription;
    let settings = settings_of(&user.widget);
    let is_sold = user.widget.uses_subscriptions;
    // Others than administrators see that a card is charged, and not which one.
    let known = saved.as_ref().map(|saved| card(saved.pan.as_deref()));
    let today = moscow_day(deps.clock().now());
    let is_charging = is_charging(&mut conn, &details).await?;
    let facts = Facts {
        details: &details,
        settings: &settings,
        card: known.or_else(|| details.row.card_id.map(|_| card(None))),
        is_charging,
        is_admin: user.is_admin,
        next_total: pending::next_total(&mut conn, &details.row, &details.pending).await?,
        today,
    };
    let state = facts.describe();
    let renewal = Renewal::load(&mut conn, &details, saved.as_ref(), &recent).await?;
    let can_start = subscription.state.can_start();
    let changes = ChangeForms::of(&details, &plans, shown.typed).filter(|_| user.is_admin);
    Ok(Overview {
        notice: notice(&mut conn, shown.done, &details).await?,
        error: shown.error,
        state,
        terms: terms_view(&details),
        open: if user.is_admin && is_sold { open_invoice(&details) } else { None },
        pending: pending::rows(&mut conn, &details).await?,
        pending_from: subscription.paid_until().map(day).unwrap_or_default(),
        seats,
        closed: closed(&frame, user),
        can_start,
        offers: if can_start {
            plans.iter().map(|plan| Offer::of(plan, shown.typed)).collect()
        } else {
            Vec::new()
        },
        changes,
        renewal: renewal.filter(|_| user.is_admin),
        invoices: recent.iter().map(InvoiceRow::from).collect(),
        has_more: next.is_some(),
        cancelling: cancelling(&details, is_sold, is_charging, today).filter(|_| user.is_admin),
        can_restore: is_sold
            && user.is_admin
            && subscription.state == SubscriptionState::Active
            && subscription.cancels,
        frame,
    })
}

/// Notice about the form before. What the bank does already is not undone by a cancellation.
async fn notice(
    conn: &mut Conn,
    done: Option<Done>,
    details: &SubscriptionDetails,
) -> StoreResult<Option<&'static str>> {
    if let (Some(Done::Cancelled), Some(card)) = (done, details.row.card_id) {
        let charges = invoice_payments::list_attempts_of_card(conn, card).await?;
        if charges.iter().any(|charge| charge.state == AttemptState::Charging) {
            return Ok(Some(CANCELLED_WHILE_CHARGED));
        }
    }
    Ok(done.map(Done::text))
}

/// Whether a charge of the card for the open invoice is under way.
async fn is_charging(conn: &mut Conn, details: &SubscriptionDetails) -> StoreResult<bool> {
    let Some(open) = &details.open_invoice else { return Ok(false) };
    let attempt = invoice_payments::find_open_attempt(conn, open.id).await?;
    Ok(attempt.is_some_and(|attempt| attempt.kind == AttemptKind::Charge))
}

/// Why nothing can be bought or changed by this user now.
fn closed(frame: &Frame, user: &WidgetUser) -> Option<&'static str> {
    if !frame.is_admin {
        return Some(
            "Покупать и менять подписку могут администраторы аккаунта. Если она нужна, попросите одного из них открыть эту \
             страницу из виджета.",
        );
    }
    if !user.widget.uses_subscriptions {
        return Some(
            "Покупать здесь больше нечего. Карту можно отвязать, подписку отменить, чеки остаются в истории.",
        );
    }
    if must_be_installed(user).is_err() {
        return Some(
            "Виджет не подключён в аккаунте. Оформить или изменить подписку можно, когда он снова подключён.",
        );
    }
    (!frame.can_pay)
        .then_some("Оплата у этого продавца пока не подключена. Напишите ему, контакты внизу страницы.")
}

fn terms_view(details: &SubscriptionDetails) -> Option<TermsView> {
    let terms = details.row.subscription.terms?;
    Some(TermsView {
        plan: details.plan.as_ref().map(|plan| plan.terms.title.clone()).unwrap_or_default(),
        seats: russian::seats(terms.seats),
        length: terms.length.label_ru(),
        seat_price: roubles(terms.seat_price),
        total: terms.total().map(roubles).unwrap_or_default(),
        period: details.row.subscription.period.map(|period| period.to_string()).unwrap_or_default(),
    })
}

fn open_invoice(details: &SubscriptionDetails) -> Option<OpenInvoice> {
    let open = details.open_invoice.as_ref()?;
    Some(OpenInvoice {
        id: open.id.to_string(),
        title: open.title.clone(),
        total: roubles(open.total),
        due: open.due_at.map(moment),
    })
}

/// Effect of cancelling, as the domain decides it.
fn cancelling(
    details: &SubscriptionDetails,
    is_sold: bool,
    is_charging: bool,
    today: NaiveDate,
) -> Option<String> {
    let (_, outcome) = details.row.subscription.cancelled(today).ok()?;
    if !is_sold {
        return Some(
            "Подписка закончится и не возобновится, даже если её снова начнут продавать.".to_owned(),
        );
    }
    Some(match outcome {
        CancelOutcome::AtPeriodEnd(until) => format!(
            "Виджет проработает до {} включительно: этот период оплачен. Запланированные изменения и списания отменятся. До \
             этого дня подписку можно возобновить.",
            last_day(until)
        ),
        CancelOutcome::Now if is_charging => {
            "Следующий период не оплачен, поэтому подписка закончится сразу. Одно списание банк уже \
             проводит: если деньги спишутся, мы их вернём. Других списаний не будет."
                .to_owned()
        }
        CancelOutcome::Now => {
            "Следующий период не оплачен, поэтому подписка закончится сразу. Счёт будет аннулирован, \
                               списаний больше не будет."
                .to_owned()
        }
    })
}
