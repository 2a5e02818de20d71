//! Performs `transfers.send_letter`.
//!
//! SMTP has no idempotency keys, so the intent is stored before the letter is handed over. A letter that was certainly not accepted
//! is sent again; one whose outcome is unknown is not, because it would be read twice.

use chrono::{DateTime, Utc};
use flysk_crypto::aad;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::mail::{Letter, MailKind, MailState, TransferFacts};
use flysk_domain::platform::purchases::Email;
use flysk_domain::sending_hours::next_send_time;
use flysk_jobs::platform::transfers::SendTransferLetter;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::mail::{MailSwitch, switch_link};
use flysk_store::platform::transfers::{self, TransferInvoice};
use flysk_store::platform::{accounts, installs, mail, widgets};
use flysk_store::repeat_contended;
use secrecy::ExposeSecret as _;

use crate::App;
use crate::letters::{Written, hand_over};

impl JobHandler<App> for SendTransferLetter {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let state = transfers::find_transfer_letter(&mut conn, self.transfer_invoice_id, self.letter).await?;
        drop(conn);
        match state {
            Some(MailState::Waiting) => {}
            // The process of the earlier attempt died between the letter and the answer.
            Some(MailState::Sending) => return end(self, run, MailState::Sending, MailState::Unknown).await,
            _ => return Ok(JobOutcome::skip("the letter is gone or was already processed")),
        }
        let Some(mailer) = &app.mailer else {
            return end(self, run, MailState::Waiting, MailState::Unconfigured).await;
        };
        let written = match write(self, run, app).await? {
            Check::Send(written) => written,
            Check::Later(morning) => return Ok(JobOutcome::snooze(morning, "it is night in the account")),
            Check::End(state) => return end(self, run, MailState::Waiting, state).await,
        };
        let mut unit = run.begin().await?;
        move_to(self, &mut unit, (MailState::Waiting, MailState::Sending), run.now()).await?;
        unit.commit().await?;
        match hand_over(mailer, &written.address, &written.message(run.now())).await.ended() {
            Ok(state) => end(self, run, MailState::Sending, state).await,
            Err(error) => {
                repeat_contended(|| wait_again(self, run)).await?;
                Err(error)
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        match transfers::find_transfer_letter(unit, self.transfer_invoice_id, self.letter).await? {
            Some(from @ MailState::Waiting) => move_to(self, unit, (from, MailState::Refused), now).await,
            Some(from @ MailState::Sending) => move_to(self, unit, (from, MailState::Unknown), now).await,
            _ => Ok(()),
        }
    }
}

/// Whether a letter can be sent now.
enum Check {
    /// This one.
    Send(Box<Written>),
    /// Not before the morning.
    Later(DateTime<Utc>),
    /// Not at all.
    End(MailState),
}

async fn write(job: &SendTransferLetter, run: &JobContext, app: &App) -> Result<Check, JobError> {
    let mut conn = run.pool().acquire().await?;
    let found = transfers::find_transfer_invoice(&mut conn, job.transfer_invoice_id).await?;
    let Some(invoice) = found.filter(|invoice| job.letter.is_true_of(invoice.state)) else {
        return Ok(Check::End(MailState::Outdated));
    };
    let muted = mail::find_preferences(&mut conn, invoice.install_id).await?.muted;
    if muted.contains(&MailKind::TransferInvoice) || invoice.email_sealed.is_empty() {
        return Ok(Check::End(MailState::Unwanted));
    }
    let widget = widgets::find(&mut conn, invoice.widget_id).await?;
    let account = match installs::find(&mut conn, invoice.install_id).await? {
        Some(install) => accounts::find(&mut conn, install.crm, install.account_id).await?,
        None => None,
    };
    let offset = account.as_ref().and_then(|account| account.utc_offset_minutes);
    // A retry may fall into the night.
    let morning = next_send_time(run.now(), offset);
    if morning > run.now() {
        return Ok(Check::Later(morning));
    }
    let widget = widget.map(|widget| widget.name).unwrap_or_default();
    let host = account.map(|account| account.host).unwrap_or_default();
    compose(job, app, &invoice, (&widget, &host)).map(|written| Check::Send(Box::new(written)))
}

fn compose(
    job: &SendTransferLetter,
    app: &App,
    invoice: &TransferInvoice,
    (widget, host): (&str, &str),
) -> Result<Written, JobError> {
    let address = app.keyring.open(&invoice.email_sealed, &aad::transfer_email(invoice.id));
    let address =
        address.map_err(|error| JobError::retry(format!("the address cannot be opened: {error}")))?;
    let address = address.expose_secret().parse::<Email>();
    let address = address.map_err(|error| JobError::give_up(format!("the stored address: {error}")))?;
    let switch = MailSwitch { install: invoice.install_id, kind: MailKind::TransferInvoice };
    let unsubscribe = switch_link(&app.config().http.public_url, &app.keyring, switch)
        .map_err(|error| JobError::retry(format!("the link cannot be sealed: {error}")))?;
    let facts = TransferFacts {
        widget,
        host,
        number: invoice.number.get(),
        title: &invoice.title,
        missing: invoice.missing(),
        due_on: invoice.due_on,
        purpose: &invoice.purpose,
    };
    let letter = Letter::about_transfer(job.letter, &facts, unsubscribe.as_str());
    let (text, html) = (letter.text(), letter.html());
    let id = format!("{}_{}", invoice.id, job.letter);
    Ok(Written { id, address, subject: letter.subject, text, html, unsubscribe: Some(unsubscribe) })
}

async fn move_to(
    job: &SendTransferLetter,
    unit: &mut UnitOfWork,
    states: (MailState, MailState),
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    let letter = (job.transfer_invoice_id, job.letter);
    Ok(transfers::set_transfer_letter_state(unit, letter, states, now).await?)
}

/// The letter was certainly not accepted: the next attempt sends it again.
async fn wait_again(job: &SendTransferLetter, run: &JobContext) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    move_to(job, &mut unit, (MailState::Sending, MailState::Waiting), run.now()).await?;
    Ok(unit.commit().await?)
}

/// Ends the letter with its job. Repeated here, because a retried handler would not know the server's answer.
async fn end(job: &SendTransferLetter, run: &JobContext, from: MailState, to: MailState) -> JobResult {
    let ended = repeat_contended(|| async {
        let mut unit = run.begin().await?;
        move_to(job, &mut unit, (from, to), run.now()).await?;
        run.done(unit).await
    });
    let ended = ended.await?;
    metrics::counter!("flysk_transfer_letters_total", "outcome" => to.as_str()).increment(1);
    Ok(ended)
}
