//! Performs `billing.apply_tbank_notice`.
//!
//! Harmless when run twice: a notice is applied in the transaction that says so of its row, and a purchase is
//! credited under its lock while it has no lots.

use flysk_clients::tbank::{Notice, PaymentNotice};
use flysk_domain::id::NoticeId;
use flysk_domain::platform::purchases::Source;
use flysk_jobs::billing::ApplyTbankNotice;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::purchases::{self, NoticeRow, NoticeState};
use flysk_vault::places;
use secrecy::ExposeSecret as _;

use super::hear::{Told, hear, step_name};
use super::locked;
use crate::App;

impl Handle<App> for ApplyTbankNotice {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let kept = purchases::find_notice(&mut *run.pool().acquire().await?, self.notice_id).await?;
        let Some(kept) = kept else { return Ok(Verdict::skip("the notice is gone")) };
        if kept.state != NoticeState::New {
            return Ok(Verdict::skip("applied already"));
        }
        let notice = read(app, &kept)?;
        let mut unit = run.begin().await?;
        match &notice {
            Notice::Payment(payment) => apply(&mut unit, app, &kept, payment).await?,
            Notice::Fiscalized(receipt) if receipt.success => {
                mark(&mut unit, app, kept.id, NoticeState::Applied, "the receipt is printed").await?;
            }
            Notice::Fiscalized(_) => {
                metrics::counter!("flysk_tbank_receipts_failed_total").increment(1);
                tracing::error!(order.id = %kept.order_id, "the cash register did not print a receipt");
                mark(&mut unit, app, kept.id, NoticeState::Applied, "the receipt was not printed").await?;
            }
            Notice::CardBound(_) | Notice::AccountBound(_) => {
                mark(&mut unit, app, kept.id, NoticeState::Ignored, "nothing here binds cards").await?;
            }
        }
        run.done(unit).await
    }
}

async fn apply(unit: &mut Unit, app: &App, kept: &NoticeRow, notice: &PaymentNotice) -> Result<(), JobError> {
    // Orders are written before the bank hears of them, so an unknown one is nobody's here.
    let found = purchases::find_purchase_of_order(unit, &kept.terminal_key, &notice.order_id).await?;
    let Some(purchase) = found else {
        metrics::counter!("flysk_tbank_notices_unknown_total").increment(1);
        tracing::warn!(notice.id = %kept.id, "a notice of the bank is about an order that is not ours");
        return mark(unit, app, kept.id, NoticeState::Ignored, "unknown order").await;
    };
    let told = Told {
        amount: Some(notice.amount),
        error_code: Some(&notice.error_code),
        pan: notice.pan.as_deref(),
        rebill_id: notice.rebill_id.as_ref(),
        success: notice.success,
        ..Told::new(Source::Notice, &notice.payment_id, &notice.status)
    };
    let step = hear(unit, app, purchase.id, &told).await?;
    mark(unit, app, kept.id, NoticeState::Applied, step_name(step)).await
}

async fn mark(
    unit: &mut Unit,
    app: &App,
    id: NoticeId,
    state: NoticeState,
    note: &str,
) -> Result<(), JobError> {
    Ok(purchases::mark_notice(unit, id, state, note, app.clock().now()).await?)
}

/// The body was verified before it was kept, and is sealed against changes since.
fn read(app: &App, kept: &NoticeRow) -> Result<Notice, JobError> {
    let body = app.keyring.open(&kept.body_sealed, &places::notice_body(kept.id)).map_err(locked)?;
    Notice::read_verified(body.expose_secret().as_bytes())
        .map_err(|error| JobError::give_up(format!("the kept notice: {error}")))
}
