//! Buttons: cancel, restore, withdraw a change that waits, unlink the card. Pressed twice, they do no more than once.

use flysk_domain::platform::subscriptions::{PendingKind, SubscriptionState};
use flysk_domain::trace::Trace;
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};

use super::caller::Caller;
use super::done::Done;
use super::form::{Button, fields};
use super::overview::{Shown, refused};
use super::{answer, see_other};
use crate::deps::Deps;
use crate::platform::subscriptions::{Refusal, Wish, find_subscription, fulfil, unlink_found_card};
use crate::problem::{Problem, ProblemCode};

/// Does what was asked for and goes back to the overview.
async fn act(
    (deps, trace): (&Deps, &Trace),
    request: &Request,
    install: &str,
    sent: poem::Result<Form<Button>>,
    (wish, done): (Wish, Done),
) -> Result<Response, Problem> {
    let caller = Caller::of(deps, request, install).await?;
    caller.must_own_form(deps, &fields(sent)?.token)?;
    let refusal = match fulfil(deps, trace, &caller.user, wish).await {
        Ok(_) | Err(Refusal::NothingToWithdraw) => return Ok(see_other(caller.path(&done.query()))),
        Err(refusal) => refusal,
    };
    if matches!(refusal, Refusal::State(_)) && is_fulfilled(deps, trace, &caller, wish).await? {
        return Ok(see_other(caller.path(&done.query())));
    }
    refused(deps, trace, &caller, refusal, Shown::default()).await
}

/// Whether a refused wish is fulfilled already, because its button was pressed twice.
async fn is_fulfilled(deps: &Deps, trace: &Trace, caller: &Caller, wish: Wish) -> Result<bool, Problem> {
    let details = find_subscription(deps, trace, &caller.user.widget, caller.user.install.id).await?;
    let subscription = &details.row.subscription;
    let is_active = subscription.state == SubscriptionState::Active;
    Ok(match wish {
        Wish::Cancel => subscription.cancels || subscription.state == SubscriptionState::Cancelled,
        Wish::Restore => is_active && !subscription.cancels,
        Wish::Withdraw(_) => false,
    })
}

/// `POST /billing/subscription/{install}/cancel`.
#[handler]
pub(super) async fn cancel(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(act((&deps, &trace), request, &install, sent, (Wish::Cancel, Done::Cancelled)))).await
}

/// `POST /billing/subscription/{install}/restore`.
#[handler]
pub(super) async fn restore(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(act((&deps, &trace), request, &install, sent, (Wish::Restore, Done::Restored)))).await
}

/// `POST /billing/subscription/{install}/pending/{kind}/withdraw`.
#[handler]
pub(super) async fn withdraw(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path((install, kind)): Path<(String, String)>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let unknown = |_| Problem::new(ProblemCode::NotFound, "there is no such kind of change");
        let kind: PendingKind = kind.parse().map_err(unknown)?;
        act((&deps, &trace), request, &install, sent, (Wish::Withdraw(kind), Done::Withdrawn)).await
    }))
    .await
}

/// `POST /billing/subscription/{install}/card/unlink`: the card is never charged again (law 376-FZ).
#[handler]
pub(super) async fn unlink(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    Path(install): Path<String>,
    sent: poem::Result<Form<Button>>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        caller.must_own_form(&deps, &fields(sent)?.token)?;
        match unlink_found_card(&deps, &trace, &caller.user).await {
            Err(problem) if problem.problem_code() != ProblemCode::NotFound => Err(problem),
            // The button was pressed twice: there is no card any more.
            Ok(()) | Err(_) => Ok(see_other(caller.path(&Done::Unlinked.query()))),
        }
    }))
    .await
}
