//! Performs `billing.open_payment`.
//!
//! Harmless when run twice: "the bank is being called" is durable before `Init`, and a run that finds it so
//! asks `CheckOrder` first. `Init` is called again, under the same order, only if the bank knows no payment of
//! it. A payment whose form's address was lost with the answer cannot be paid by anybody: it is cancelled, if the
//! order's own list says that nobody has begun to pay it, and the buyer begins anew.

use flysk_clients::tbank::{InitRequest, OrderPayment, Payment, TBankError};
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::purchases::{MUST_OPEN_WITHIN, PurchaseState, next_look};
use flysk_jobs::billing::OpenPayment;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::purchases::{self, Purchase};
use flysk_store::repeat_contended;

use super::contact_of;
use super::lost_form::{self, FORM_LOST};
use crate::App;
use crate::acquiring::Acquiring;
use crate::outcome::HasOutcome as _;

impl Handle<App> for OpenPayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let found = purchases::find_purchase(&mut *run.pool().acquire().await?, self.purchase_id).await?;
        let Some(purchase) = found else { return Ok(Verdict::skip("the purchase is gone")) };
        let late = run.now() - purchase.created_at > MUST_OPEN_WITHIN
            || purchase.terminal_key != acquiring.config.terminal_key;
        match purchase.state {
            PurchaseState::Created if late => fail(run, &purchase, "too_late").await,
            PurchaseState::Created => {
                let request = request(app, acquiring, &purchase)?;
                let mut unit = run.begin().await?;
                purchases::mark_opening(&mut unit, purchase.id, run.now()).await?;
                unit.commit().await?;
                open(run, app, acquiring, &purchase, &request).await
            }
            PurchaseState::Opening => go_on(run, app, acquiring, &purchase, late).await,
            PurchaseState::Awaiting | PurchaseState::Paid | PurchaseState::Failed | PurchaseState::Review => {
                Ok(Verdict::skip("opened already, or settled"))
            }
        }
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        if purchases::mark_failed(unit, self.purchase_id, "bank_silent", now).await? {
            look_again(unit, app, self.purchase_id).await?;
        }
        Ok(())
    }
}

fn request(app: &App, acquiring: &Acquiring, purchase: &Purchase) -> Result<InitRequest, JobError> {
    let contact = contact_of(app, purchase)?;
    acquiring.init(purchase, &contact).map_err(|error| JobError::give_up(format!("the request: {error:#}")))
}

/// An earlier run called the bank and did not live to write what came of it.
async fn go_on(run: &Run, app: &App, acquiring: &Acquiring, purchase: &Purchase, late: bool) -> JobResult {
    let order = acquiring.bank.check_order(&purchase.order_id).await;
    let order = order.map_err(TBankError::into_job_error)?;
    if !order.payments.is_empty() {
        return lose(run, app, acquiring, purchase, order.payments).await;
    }
    if late {
        return fail(run, purchase, "bank_silent").await;
    }
    let request = request(app, acquiring, purchase)?;
    open(run, app, acquiring, purchase, &request).await
}

async fn open(
    run: &Run,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    request: &InitRequest,
) -> JobResult {
    let payment = match acquiring.bank.init(request).await {
        Ok(payment) => payment,
        Err(error) => return refused(run, purchase, error).await,
    };
    let Some(form) = form_of(acquiring, purchase, &payment) else {
        tracing::error!(
            purchase.id = %purchase.id, payment.id = %payment.payment_id,
            "the bank opened another payment than was asked for, or a form on a host that is not on the list"
        );
        // The number it names may be of anybody's payment: the next run looks at those of our order.
        return Err(JobError::retry("the bank opened something else than was asked for"));
    };
    // Repeated here: a handler that is run again would find the form's address lost.
    let write = || async {
        let mut unit = run.begin().await?;
        let locked = purchases::lock_purchase(&mut unit, purchase.id).await?;
        let (id, status) = (&payment.payment_id, &payment.status);
        purchases::mark_form_open(&mut unit, purchase.id, id, form, status, run.now()).await?;
        if locked.state == PurchaseState::Opening {
            look_again(&mut unit, app, purchase.id).await?;
        }
        run.done(unit).await
    };
    repeat_contended(write).await
}

/// The form's address, if the bank opened just what was asked for.
fn form_of<'a>(acquiring: &Acquiring, purchase: &Purchase, payment: &'a Payment) -> Option<&'a str> {
    const LONGEST: usize = 500;
    let same_order = payment.order_id.as_deref().is_none_or(|order| order == purchase.order_id);
    let same_price = payment.amount.is_none_or(|amount| amount == purchase.price);
    let url = payment.payment_url.as_ref().filter(|url| acquiring.config.is_form(url))?;
    (same_order && same_price && url.as_str().len() <= LONGEST).then_some(url.as_str())
}

async fn refused(run: &Run, purchase: &Purchase, error: TBankError) -> JobResult {
    if error.outcome() != Outcome::GiveUp {
        // Perhaps it happened: the next run asks before it calls again.
        return Err(error.into_job_error());
    }
    metrics::counter!("flysk_tbank_init_refused_total").increment(1);
    tracing::error!(purchase.id = %purchase.id, %error, "the bank does not open payments for us");
    let code = error.refusal().map_or("not_sent", |refusal| refusal.code.as_str()).to_owned();
    let mut unit = run.begin().await?;
    purchases::mark_failed(&mut unit, purchase.id, &code, run.now()).await?;
    purchases::put_off(&mut unit, purchase.id, None).await?;
    run.done(unit).await
}

/// Payments nobody can pay are closed; whatever else they came to is heard.
async fn lose(
    run: &Run,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    payments: Vec<OrderPayment>,
) -> JobResult {
    let payments = lost_form::close(acquiring, purchase, payments).await?;
    let mut unit = run.begin().await?;
    if lost_form::hear_all(&mut unit, app, purchase, &payments).await? {
        purchases::mark_failed(&mut unit, purchase.id, FORM_LOST, run.now()).await?;
    }
    run.done(unit).await
}

/// The bank was never called, or knows of no payment.
async fn fail(run: &Run, purchase: &Purchase, code: &str) -> JobResult {
    let mut unit = run.begin().await?;
    purchases::mark_failed(&mut unit, purchase.id, code, run.now()).await?;
    purchases::put_off(&mut unit, purchase.id, None).await?;
    run.done(unit).await
}

/// Has the bank asked about it later.
async fn look_again(unit: &mut Unit, app: &App, id: flysk_domain::id::PurchaseId) -> Result<(), JobError> {
    let Some(purchase) = purchases::find_purchase(unit, id).await? else { return Ok(()) };
    let now = app.clock().now();
    let look = next_look(purchase.state, purchase.status.as_ref(), now - purchase.created_at);
    Ok(purchases::put_off(unit, id, look.map(|delay| now + delay)).await?)
}
