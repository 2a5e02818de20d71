//! Performs `activation.send_letter`.
//!
//! SMTP has no idempotency keys, so the intent is stored before the letter is handed over. A letter that was certainly not
//! accepted is sent again; one whose outcome is unknown is not, because it would be read twice.

use chrono::{DateTime, Utc};
use flysk_clients::mail::Message;
use flysk_crypto::aad;
use flysk_domain::flysense::activation::binding::MessageState;
use flysk_domain::flysense::activation::letters;
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::id::BotMessageId;
use flysk_domain::letter::Letter;
use flysk_domain::platform::purchases::Email;
use flysk_domain::sending_hours::next_send_time;
use flysk_jobs::flysense::activation::SendLetter;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::mail::{PersonSwitch, switch_link};
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::{bindings, messages};
use flysk_store::repeat_contended;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::App;
use crate::letters::{Handover, hand_over};

impl JobHandler<App> for SendLetter {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let id = self.message_id;
        let found = messages::find(&mut *run.pool().acquire().await?, id).await?;
        let Some(message) = found else { return Ok(JobOutcome::skip("the message is gone")) };
        match message.state {
            MessageState::Waiting => {}
            // The process of the earlier attempt died between the letter and the answer.
            MessageState::Sending => return end(run, id, MessageState::Sending, MessageState::Unknown).await,
            _ => return Ok(JobOutcome::skip("the message was already processed")),
        }
        let Some(mailer) = &app.mailer else {
            return end(run, id, MessageState::Waiting, MessageState::Unreachable).await;
        };
        let recipient = match find_recipient(self, run, app).await? {
            Wanted::Send(recipient) => recipient,
            Wanted::Later(morning) => return Ok(JobOutcome::snooze(morning, "it is night in the account")),
            Wanted::No => return end(run, id, MessageState::Waiting, MessageState::Unreachable).await,
        };
        let written = Written::new(self, app, &recipient.host, &message.body.0)?;
        set_state(run, id, MessageState::Waiting, MessageState::Sending).await?;
        match hand_over(mailer, &recipient.address, &written.message(&id.to_string(), run.now())).await {
            Handover::Accepted => end(run, id, MessageState::Sending, MessageState::Sent).await,
            Handover::Unknown => end(run, id, MessageState::Sending, MessageState::Unknown).await,
            Handover::Refused => end(run, id, MessageState::Sending, MessageState::Refused).await,
            Handover::BadAddress(_) => repeat_contended(|| forget_address(self, run)).await,
            Handover::Again(error) => {
                repeat_contended(|| set_state(run, id, MessageState::Sending, MessageState::Waiting)).await?;
                Err(error)
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let (id, now) = (self.message_id, app.clock().now());
        let to = match messages::find(unit, id).await?.map(|message| message.state) {
            Some(MessageState::Waiting) => MessageState::Refused,
            Some(MessageState::Sending) => MessageState::Unknown,
            _ => return Ok(()),
        };
        let from = if to == MessageState::Refused { MessageState::Waiting } else { MessageState::Sending };
        Ok(messages::set_state(unit, id, from, to, now).await?)
    }
}

struct Recipient {
    address: Email,
    host: String,
}

/// Whether the person gets the letter.
enum Wanted {
    /// Now.
    Send(Recipient),
    /// Not before the morning.
    Later(DateTime<Utc>),
    /// Not at all: the person is not bound any more, wants no notices of the kind, or has no address.
    No,
}

async fn find_recipient(job: &SendLetter, run: &JobContext, app: &App) -> Result<Wanted, JobError> {
    let mut conn = run.pool().acquire().await?;
    let binding = bindings::find(&mut conn, job.account_id, job.binding_id).await?;
    let is_wanted = binding.is_some_and(|binding| !binding.muted.contains(&job.kind));
    let sealed = bindings::find_email(&mut conn, job.binding_id).await?;
    let account = accounts::find(&mut conn, job.account_id).await?;
    let (true, Some(sealed), Some(account)) = (is_wanted, sealed, account) else { return Ok(Wanted::No) };
    // A retry may fall into the night.
    let morning = next_send_time(run.now(), account.utc_offset_minutes);
    if morning > run.now() {
        return Ok(Wanted::Later(morning));
    }
    let text = app.keyring.open(&sealed, &aad::binding_email(job.binding_id));
    let text = text.map_err(|error| JobError::retry(format!("the address cannot be opened: {error}")))?;
    let address = text.expose_secret().parse::<Email>();
    let address = address.map_err(|error| JobError::give_up(format!("the stored address: {error}")))?;
    Ok(Wanted::Send(Recipient { address, host: account.host }))
}

/// A letter in its final form.
struct Written {
    letter: Letter,
    text: String,
    html: String,
    unsubscribe: Url,
}

impl Written {
    fn new(job: &SendLetter, app: &App, host: &str, notice: &Outgoing) -> Result<Self, JobError> {
        let switch = PersonSwitch { account: job.account_id, binding: job.binding_id, kind: job.kind };
        let unsubscribe = switch_link(&app.config().http.public_url, &app.keyring, switch)
            .map_err(|error| JobError::retry(format!("the link cannot be sealed: {error}")))?;
        let letter = letters::compose(job.kind, host, notice, unsubscribe.as_str());
        let (text, html) = (letter.text(), letter.html());
        Ok(Self { letter, text, html, unsubscribe })
    }

    fn message<'a>(&'a self, id: &'a str, date: DateTime<Utc>) -> Message<'a> {
        Message {
            id,
            subject: &self.letter.subject,
            text: &self.text,
            html: &self.html,
            unsubscribe: Some(&self.unsubscribe),
            date,
        }
    }
}

async fn set_state(
    run: &JobContext,
    id: BotMessageId,
    from: MessageState,
    to: MessageState,
) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    messages::set_state(&mut unit, id, from, to, run.now()).await?;
    Ok(unit.commit().await?)
}

/// Ends the message with its job. Repeated here, because a retried handler would not know the server's answer.
async fn end(run: &JobContext, id: BotMessageId, from: MessageState, to: MessageState) -> JobResult {
    repeat_contended(|| async {
        let mut unit = run.begin().await?;
        messages::set_state(&mut unit, id, from, to, run.now()).await?;
        run.done(unit).await
    })
    .await
}

/// The address does not exist: nothing is sent to it again.
async fn forget_address(job: &SendLetter, run: &JobContext) -> JobResult {
    let (id, now) = (job.message_id, run.now());
    let mut unit = run.begin().await?;
    bindings::set_email(&mut unit, job.binding_id, None, now).await?;
    messages::set_state(&mut unit, id, MessageState::Sending, MessageState::Unreachable, now).await?;
    run.done(unit).await
}
