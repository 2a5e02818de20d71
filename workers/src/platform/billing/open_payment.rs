//! Performs `billing.open_payment`.
//!
//! Harmless when run twice: the state `opening` is stored before `Init`, and a run that finds it calls `CheckOrder`
//! first. `Init` is repeated for the same order only if T-Bank has no payment of it.
//!
//! If the form's URL was lost with the answer, nobody can pay the payment. It is cancelled if T-Bank's list of the
//! order's payments shows that paying has not begun, and the buyer starts again.

use flysk_clients::tbank::{InitRequest, OrderPayment, Payment, TBankError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::purchases::{OPEN_TIMEOUT, PurchaseState, next_status_query};
use flysk_jobs::platform::billing::OpenPayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::purchases::{self, Purchase};
use flysk_store::repeat_contended;

use super::orphaned_payment::{self, FORM_LOST};
use super::receipt_email;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

impl JobHandler<App> for OpenPayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let found = purchases::find_purchase(&mut *run.pool().acquire().await?, self.purchase_id).await?;
        let Some(purchase) = found else { return Ok(JobOutcome::skip("the purchase is gone")) };
        let late = run.now() - purchase.created_at > OPEN_TIMEOUT
            || purchase.terminal_key != acquiring.config.terminal_key;
        match purchase.state {
            PurchaseState::Created if late => fail_purchase(run, &purchase, "too_late").await,
            PurchaseState::Created => {
                let request = init_request(app, acquiring, &purchase)?;
                let mut unit = run.begin().await?;
                purchases::mark_opening(&mut unit, purchase.id, run.now()).await?;
                unit.commit().await?;
                init_payment(run, app, acquiring, &purchase, &request).await
            }
            PurchaseState::Opening => resume_opening(run, app, acquiring, &purchase, late).await,
            PurchaseState::Awaiting | PurchaseState::Paid | PurchaseState::Failed | PurchaseState::Review => {
                Ok(JobOutcome::skip("already opened or settled"))
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        if purchases::mark_failed(unit, self.purchase_id, "bank_silent", now).await? {
            schedule_status_query(unit, app, self.purchase_id).await?;
        }
        Ok(())
    }
}

fn init_request(app: &App, acquiring: &Acquiring, purchase: &Purchase) -> Result<InitRequest, JobError> {
    let contact = receipt_email(app, purchase)?;
    acquiring.init(purchase, &contact).map_err(|error| JobError::give_up(format!("the request: {error:#}")))
}

/// An earlier run called T-Bank and died before it stored the answer.
async fn resume_opening(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    late: bool,
) -> JobResult {
    let order = acquiring.bank.check_order(&purchase.order_id).await;
    let order = order.map_err(TBankError::into_job_error)?;
    if !order.payments.is_empty() {
        return cancel_orphaned(run, app, acquiring, purchase, order.payments).await;
    }
    if late {
        return fail_purchase(run, purchase, "bank_silent").await;
    }
    let request = init_request(app, acquiring, purchase)?;
    init_payment(run, app, acquiring, purchase, &request).await
}

async fn init_payment(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    request: &InitRequest,
) -> JobResult {
    let payment = match acquiring.bank.init(request).await {
        Ok(payment) => payment,
        Err(error) => return on_init_refused(run, purchase, error).await,
    };
    let Some(form) = payment_form_url(acquiring, purchase, &payment) else {
        tracing::error!(
            purchase.id = %purchase.id, payment.id = %payment.payment_id,
            "the bank opened a payment with other data, or a form on a host that is not allowed"
        );
        // The returned `PaymentId` may belong to any order. The next run reads the payments of this order.
        return Err(JobError::retry("the bank's payment does not match the request"));
    };
    // Repeated here, because a retried handler would lose the form's URL.
    let write = || async {
        let mut unit = run.begin().await?;
        let locked = purchases::lock_purchase(&mut unit, purchase.id).await?;
        let (id, status) = (&payment.payment_id, &payment.status);
        purchases::mark_form_open(&mut unit, purchase.id, id, form, status, run.now()).await?;
        if locked.state == PurchaseState::Opening {
            schedule_status_query(&mut unit, app, purchase.id).await?;
        }
        run.done(unit).await
    };
    repeat_contended(write).await
}

/// The form's URL, if the payment matches the request.
fn payment_form_url<'a>(acquiring: &Acquiring, purchase: &Purchase, payment: &'a Payment) -> Option<&'a str> {
    const MAX_FORM_URL_LEN: usize = 500;
    let same_order = payment.order_id.as_deref().is_none_or(|order| order == purchase.order_id);
    let same_price = payment.amount.is_none_or(|amount| amount == purchase.price);
    let url = payment.payment_url.as_ref().filter(|url| acquiring.config.is_payment_form(url))?;
    (same_order && same_price && url.as_str().len() <= MAX_FORM_URL_LEN).then_some(url.as_str())
}

async fn on_init_refused(run: &JobContext, purchase: &Purchase, error: TBankError) -> JobResult {
    if error.outcome() != FailureAction::GiveUp {
        // The call may have succeeded: the next run calls `CheckOrder` before `Init`.
        return Err(error.into_job_error());
    }
    metrics::counter!("flysk_tbank_init_refused_total").increment(1);
    tracing::error!(purchase.id = %purchase.id, %error, "the bank refused to create a payment");
    let code = error.refusal().map_or("not_sent", |refusal| refusal.code.as_str()).to_owned();
    let mut unit = run.begin().await?;
    purchases::mark_failed(&mut unit, purchase.id, &code, run.now()).await?;
    purchases::set_poll_at(&mut unit, purchase.id, None).await?;
    run.done(unit).await
}

/// Cancels payments that nobody can pay, and applies the status of the others.
async fn cancel_orphaned(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    payments: Vec<OrderPayment>,
) -> JobResult {
    let payments = orphaned_payment::cancel_unpaid(acquiring, purchase, payments).await?;
    let mut unit = run.begin().await?;
    if orphaned_payment::apply_all(&mut unit, app, purchase, &payments).await? {
        purchases::mark_failed(&mut unit, purchase.id, FORM_LOST, run.now()).await?;
    }
    run.done(unit).await
}

/// Marks a purchase without a payment at T-Bank as failed.
async fn fail_purchase(run: &JobContext, purchase: &Purchase, code: &str) -> JobResult {
    let mut unit = run.begin().await?;
    purchases::mark_failed(&mut unit, purchase.id, code, run.now()).await?;
    purchases::set_poll_at(&mut unit, purchase.id, None).await?;
    run.done(unit).await
}

/// Schedules the next status query.
async fn schedule_status_query(
    unit: &mut UnitOfWork,
    app: &App,
    id: flysk_domain::id::PurchaseId,
) -> Result<(), JobError> {
    let Some(purchase) = purchases::find_purchase(unit, id).await? else { return Ok(()) };
    let now = app.clock().now();
    let next_query = next_status_query(purchase.state, purchase.status.as_ref(), now - purchase.created_at);
    Ok(purchases::set_poll_at(unit, id, next_query.map(|delay| now + delay)).await?)
}
