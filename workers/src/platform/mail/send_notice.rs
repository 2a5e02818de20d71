//! Performs `mail.send_notice`.
//!
//! SMTP has no idempotency keys, so the intent is stored before the letter is handed over. A letter that was certainly not
//! accepted is sent again; one whose outcome is unknown is not, because it would be read twice.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_clients::mail::ReplyCode;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::mail::{ChargedCard, Letter, Links, MailFacts, MailKind, MailState};
use flysk_domain::platform::purchases::Email;
use flysk_domain::sending_hours::next_send_time;
use flysk_jobs::platform::mail::SendMailNotice;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::invoice_payments::find_chargeable_card;
use flysk_services::mail::{MailSwitch, card_unlink_link, invoice_pay_link, open_contact, switch_link};
use flysk_store::platform::invoice_payments::Card;
use flysk_store::platform::mail::{self, ContactSource, MailNotice, SealedContact};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::{Conn, repeat_contended};
use secrecy::ExposeSecret as _;
use url::Url;

use crate::App;
use crate::letters::{Handover, Written, hand_over};

impl JobHandler<App> for SendMailNotice {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut unit = run.begin().await?;
        let Some(notice) = mail::find_notice(&mut unit, self.notice_id).await? else {
            return Ok(JobOutcome::skip("the notice is gone"));
        };
        match notice.state {
            MailState::Waiting => {}
            // The process of the earlier attempt died between the letter and the answer.
            MailState::Sending => return end_unsent(run, unit, &notice, MailState::Unknown).await,
            _ => return Ok(JobOutcome::skip("the notice was already processed")),
        }
        let Some(mailer) = &app.mailer else {
            return end_unsent(run, unit, &notice, MailState::Unconfigured).await;
        };
        let ready = match check(&mut unit, run.now(), &notice).await? {
            Check::Send(ready) => ready,
            Check::Later(morning) => return Ok(JobOutcome::snooze(morning, "it is night in the account")),
            Check::End(state) => return end_unsent(run, unit, &notice, state).await,
        };
        let written = compose(app, &notice, &ready, open(app, &ready.contact)?)?;
        mail::set_state(&mut unit, notice.id, MailState::Waiting, MailState::Sending, run.now()).await?;
        unit.commit().await?;
        match hand_over(mailer, &written.address, &written.message(run.now())).await {
            Handover::Accepted => end(run, &notice, MailState::Sent).await,
            Handover::Unknown => end(run, &notice, MailState::Unknown).await,
            Handover::Refused => end(run, &notice, MailState::Refused).await,
            Handover::BadAddress(code) => {
                let ended = repeat_contended(|| end_bad(run, &notice, ready.contact.source, code)).await?;
                count(MailState::BadAddress);
                Ok(ended)
            }
            Handover::Again(error) => {
                repeat_contended(|| wait_again(run, &notice)).await?;
                Err(error)
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        match mail::find_notice(unit, self.notice_id).await?.map(|notice| notice.state) {
            Some(from @ MailState::Waiting) => {
                mail::set_state(unit, self.notice_id, from, MailState::Refused, now).await?;
            }
            Some(from @ MailState::Sending) => {
                mail::set_state(unit, self.notice_id, from, MailState::Unknown, now).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// What is true of a notice when it is sent; it may have been queued hours before.
struct Ready {
    contact: SealedContact,
    /// For a reminder of a charge: the card that will be charged, and on which day.
    charge: Option<(Card, Option<NaiveDate>)>,
    /// Whether the account has uninstalled the widget, for which nothing can be paid then.
    uninstalled: bool,
}

/// Whether a notice can be sent now.
enum Check {
    /// It can.
    Send(Box<Ready>),
    /// Not before the morning.
    Later(DateTime<Utc>),
    /// Not at all.
    End(MailState),
}

async fn check(conn: &mut Conn, now: DateTime<Utc>, notice: &MailNotice) -> Result<Check, JobError> {
    let row = subscriptions::find_subscription(conn, notice.subscription_id).await?;
    let is_true = |row: &SubscriptionRow| notice.kind.applies_to(&row.subscription, notice.facts.on, now);
    let Some(row) = row.filter(is_true) else {
        return Ok(Check::End(MailState::Outdated));
    };
    // While nothing is sold, there is nothing to pay, and no access to lose.
    let subject = mail::find_subject(conn, row.id).await?;
    let subject = subject.filter(|subject| subject.is_sold || notice.kind == MailKind::PriceChanging);
    let Some(subject) = subject else { return Ok(Check::End(MailState::Outdated)) };
    let (uninstalled, preferences) = (subject.is_uninstalled, subject.preferences);
    let is_good = |contact: &SealedContact| preferences.bad_contact != Some(contact.source.to_string());
    let Some(contact) = subject.contact.filter(is_good) else {
        return Ok(Check::End(MailState::BadAddress));
    };
    if preferences.muted.contains(&notice.kind) {
        return Ok(Check::End(MailState::Unwanted));
    }
    // A retry may fall into the night.
    let morning = next_send_time(now, subject.utc_offset_minutes);
    if morning > now {
        return Ok(Check::Later(morning));
    }
    if notice.kind != MailKind::RenewalUpcoming {
        return Ok(Check::Send(Box::new(Ready { contact, charge: None, uninstalled })));
    }
    let card = find_chargeable_card(conn, &row).await?;
    // The period is over: the charge finds that the card cannot be charged any more, and another letter says so.
    if card.is_none() && row.subscription.state.awaits_renewal() {
        return Ok(Check::End(MailState::Outdated));
    }
    let charge = card.map(|card| (card, row.subscription.next_charge_on()));
    Ok(Check::Send(Box::new(Ready { contact, charge, uninstalled })))
}

fn open(app: &App, contact: &SealedContact) -> Result<Email, JobError> {
    let text = open_contact(&app.keyring, contact);
    let text = text.map_err(|error| JobError::retry(format!("the address cannot be opened: {error}")))?;
    text.expose_secret().parse().map_err(|error| JobError::give_up(format!("the stored address: {error}")))
}

fn compose(app: &App, notice: &MailNotice, ready: &Ready, address: Email) -> Result<Written, JobError> {
    let uninstalled = ready.uninstalled;
    let (card, charge_on) = ready.charge.as_ref().map(|(card, on)| (card, *on)).unzip();
    let public_url = &app.config().http.public_url;
    let switch = MailSwitch { install: notice.install_id, kind: notice.kind };
    let unsubscribe = switch_link(public_url, &app.keyring, switch)
        .map_err(|error| JobError::retry(format!("the link cannot be sealed: {error}")))?;
    let payable = notice.facts.invoice.filter(|_| !uninstalled);
    let pay = payable.map(|id| invoice_pay_link(public_url, &app.keyring, id));
    let unlink = card.map(|card| card_unlink_link(public_url, &app.keyring, card.id));
    let charged = card.zip(unlink.as_ref());
    let charged = charged.map(|(card, unlink)| ChargedCard { tail: card.tail(), unlink: unlink.as_str() });
    let links = Links { pay: pay.as_ref().map(Url::as_str), card: charged, switch_off: unsubscribe.as_str() };
    // The card may have been unlinked, or another one saved, and the charge put off, since the reminder was queued.
    let on = charge_on.flatten().or(notice.facts.on);
    let facts = MailFacts { renews: card.is_some(), on, uninstalled, ..notice.facts.clone() };
    let letter = Letter::compose(notice.kind, &facts, links);
    let (text, html) = (letter.text(), letter.html());
    let id = notice.id.to_string();
    Ok(Written { id, address, subject: letter.subject, text, html, unsubscribe: Some(unsubscribe) })
}

/// The address does not exist: records it with the outcome.
async fn end_bad(run: &JobContext, notice: &MailNotice, source: ContactSource, code: ReplyCode) -> JobResult {
    let now = run.now();
    let mut unit = run.begin().await?;
    mail::set_state(&mut unit, notice.id, MailState::Sending, MailState::BadAddress, now).await?;
    mail::mark_bad_contact(&mut unit, notice.install_id, source, &code.to_string(), now).await?;
    run.done(unit).await
}

/// The letter was certainly not accepted: the next attempt sends it again.
async fn wait_again(run: &JobContext, notice: &MailNotice) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    mail::set_state(&mut unit, notice.id, MailState::Sending, MailState::Waiting, run.now()).await?;
    Ok(unit.commit().await?)
}

/// Ends a notice of which nothing is sent now, with its job, in the transaction that has read it.
async fn end_unsent(run: &JobContext, mut unit: UnitOfWork, notice: &MailNotice, to: MailState) -> JobResult {
    mail::set_state(&mut unit, notice.id, notice.state, to, run.now()).await?;
    let ended = run.done(unit).await?;
    count(to);
    Ok(ended)
}

/// Ends the notice that was sent with its job. Repeated here, because a retried handler would not know the server's answer.
async fn end(run: &JobContext, notice: &MailNotice, to: MailState) -> JobResult {
    let ended = repeat_contended(|| async {
        let mut unit = run.begin_last().await?;
        mail::set_state(&mut unit, notice.id, MailState::Sending, to, run.now()).await?;
        run.end(unit).await
    });
    let ended = ended.await?;
    count(to);
    Ok(ended)
}

fn count(outcome: MailState) {
    metrics::counter!("flysk_mail_notices_total", "outcome" => outcome.as_str()).increment(1);
}
