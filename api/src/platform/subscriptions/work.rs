//! Parts that the operations share: the locked subscription of a user, and refusals.

use flysk_domain::id::InstallId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::{ChangeRefusal, QuoteError};
use flysk_domain::trace::Trace;
use flysk_queue::UnitOfWork;
use flysk_services::subscriptions::{Actor, ApplyError, CancelError, QuoteRefusal, open_late_subscription};
use flysk_store::platform::subscriptions::{self, StoredQuote, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, Contention, StoreError, StoreResult};

use crate::auth::WidgetUser;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Way in which an operation finds the subscription of the user's account.
#[derive(Debug, Clone, Copy)]
enum Finding {
    /// With a lock, for what changes it.
    Locked,
    /// Without, for what rests on the version of the row alone.
    Read,
}

impl Finding {
    async fn find(self, conn: &mut Conn, install: InstallId) -> StoreResult<Option<SubscriptionRow>> {
        match self {
            Self::Locked => subscriptions::lock_subscription_of_install(conn, install).await,
            Self::Read => subscriptions::find_subscription_of_install(conn, install).await,
        }
    }
}

/// Begins a transaction and locks the subscription of the user's account.
pub(super) async fn lock(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
) -> Result<(UnitOfWork, SubscriptionRow), Problem> {
    find(deps, trace, user, Finding::Locked).await
}

/// The same without a lock, for what rests on the version of the row alone.
pub(super) async fn read(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
) -> Result<(UnitOfWork, SubscriptionRow), Problem> {
    find(deps, trace, user, Finding::Read).await
}

/// Begins a transaction and finds the subscription; opens one first for an account that was installed before the widget sold any.
async fn find(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    finding: Finding,
) -> Result<(UnitOfWork, SubscriptionRow), Problem> {
    must_sell(user)?;
    let mut unit = deps.begin(trace).await?;
    if let Some(row) = finding.find(&mut unit, user.install.id).await? {
        return Ok((unit, row));
    }
    drop(unit);
    open_late_subscription(&deps.outbox, trace, &user.widget, user.install.id).await?;
    let mut unit = deps.begin(trace).await?;
    let row = finding.find(&mut unit, user.install.id).await?;
    let row =
        row.ok_or_else(|| Problem::new(ProblemCode::WrongState, "the account has no subscription yet"))?;
    Ok((unit, row))
}

/// The same for what ends obligations: who bought a subscription can cancel it and unlink the card after the widget has stopped
/// to sell any.
pub(super) async fn lock_to_end(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
) -> Result<(UnitOfWork, SubscriptionRow), Problem> {
    if user.widget.uses_subscriptions {
        return lock(deps, trace, user).await;
    }
    let mut unit = deps.begin(trace).await?;
    let row = subscriptions::lock_subscription_of_install(&mut unit, user.install.id).await?;
    let row = row.filter(was_bought).ok_or_else(not_sold)?;
    Ok((unit, row))
}

/// Fails unless the widget sells subscriptions, or the account has bought one while it did.
pub(crate) async fn must_have_subscription(deps: &Deps, user: &WidgetUser) -> Result<(), Problem> {
    if keeps_subscription(deps, &user.widget, user.install.id).await? { Ok(()) } else { Err(not_sold()) }
}

/// Whether an account has something to read, to cancel or to unlink: the widget sells subscriptions, or the account has bought
/// one while it did.
async fn keeps_subscription(deps: &Deps, widget: &Widget, install: InstallId) -> Result<bool, Problem> {
    if widget.uses_subscriptions || !widget.sold_subscriptions {
        return Ok(widget.uses_subscriptions);
    }
    let row = subscriptions::find_subscription_of_install(&mut *deps.conn().await?, install).await?;
    Ok(row.as_ref().is_some_and(was_bought))
}

/// Whether anything was bought, so that a card may be saved.
pub(super) const fn was_bought(row: &SubscriptionRow) -> bool {
    row.subscription.terms.is_some() || row.card_id.is_some()
}

pub(super) fn not_sold() -> Problem {
    Problem::new(ProblemCode::SubscriptionsNotUsed, "the widget is registered without subscriptions")
}

/// Fails unless the widget sells subscriptions.
pub(crate) fn must_sell(user: &WidgetUser) -> Result<(), Problem> {
    if user.widget.uses_subscriptions { Ok(()) } else { Err(not_sold()) }
}

/// Fails unless the widget is installed: after the account disabled the integration, nothing can be bought for it.
pub(crate) fn must_be_installed(user: &WidgetUser) -> Result<(), Problem> {
    if matches!(user.install.status, InstallStatus::Installing | InstallStatus::Uninstalled) {
        return Err(Problem::new(ProblemCode::InstallInactive, "the widget is not installed in the account"));
    }
    Ok(())
}

/// Actor of the user's acts.
pub(super) const fn actor(user: &WidgetUser) -> Actor<'static> {
    Actor::User(user.user_id)
}

/// Why an operation on a subscription is refused. The API answers the problem; the hosted page says it in Russian.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The rules give the change no price.
    Quote(QuoteError),
    /// The state of the subscription does not allow it.
    State(ChangeRefusal),
    /// The facts changed since the quote: this is the new one.
    QuoteChanged(Box<StoredQuote>),
    /// There is nothing of this kind to withdraw.
    NothingToWithdraw,
    /// Another payment of the invoice may still take money.
    PaymentBusy,
    /// The invoice cannot be paid any more.
    InvoiceClosed,
    /// Anything else.
    Other(Problem),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Quote(error) => Self::new(ProblemCode::ChangeNotPossible, error.to_string()),
            Refusal::State(error) => Self::new(ProblemCode::ChangeNotPossible, error.to_string()),
            Refusal::QuoteChanged(quote) => {
                let detail = "the subscription, the plan or the day has changed: apply the new quote";
                Self::new(ProblemCode::QuoteChanged, detail).with_quote(quote.id)
            }
            Refusal::NothingToWithdraw => Self::new(ProblemCode::NotFound, "there is nothing to withdraw"),
            Refusal::PaymentBusy => Self::new(
                ProblemCode::WrongState,
                "another payment of the invoice is under way: retry in a moment",
            ),
            Refusal::InvoiceClosed => {
                Self::new(ProblemCode::WrongState, "the invoice cannot be paid any more")
            }
            Refusal::Other(problem) => problem,
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl From<QuoteRefusal> for Refusal {
    fn from(refusal: QuoteRefusal) -> Self {
        match refusal {
            QuoteRefusal::Store(error) => error.into(),
            QuoteRefusal::PlanNotAvailable => {
                Problem::new(ProblemCode::PlanNotAvailable, refusal.to_string()).into()
            }
            QuoteRefusal::Rule(error) => Self::Quote(error),
        }
    }
}

impl From<ApplyError> for Refusal {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Refused(refusal) => refusal.into(),
            ApplyError::Transition(refusal) => Self::State(refusal),
            ApplyError::Store(error) => error.into(),
        }
    }
}

impl From<CancelError> for Refusal {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Store(error) => error.into(),
            CancelError::Refused(refusal) => Self::State(refusal),
            CancelError::NothingToWithdraw => Self::NothingToWithdraw,
        }
    }
}

impl Contention for Refusal {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Other(problem) if problem.is_contended())
    }
}
