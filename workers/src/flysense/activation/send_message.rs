//! Performs `telegram.send_message` and `max.send_message`.
//!
//! Messengers have no idempotency keys, so the intent is stored before the request. A message that was certainly not sent is
//! sent again; one whose outcome is unknown is not, because it would be read twice. The person can always ask again. A notice
//! that the person does not want any more is not sent, as letters are not.

use std::time::Duration;

use flysk_clients::messenger::{Bot, MessengerError, RefusalKind};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::activation::binding::{BindingState, MessageState};
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::BotMessageId;
use flysk_jobs::flysense::activation::{SendMaxMessage, SendTelegramMessage};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::activation::{open_message, write_letter_instead};
use flysk_store::flysense::activation::bindings;
use flysk_store::flysense::activation::messages::{self, MessageRow};
use flysk_store::flysense::activation::notices;
use flysk_store::repeat_contended;

use crate::App;
use crate::app::bots::{BotAccess, bot_rate, chat_rate, not_configured};
use crate::job_error::job_error;

/// Pause of the whole bot after a refusal without a delay. Source: dev.max.ru does not document `Retry-After`.
const DEFAULT_PAUSE: Duration = Duration::from_secs(2);

impl JobHandler<App> for SendTelegramMessage {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let bot = app.flysense()?.bots.telegram().ok_or_else(|| not_configured(Messenger::Telegram))?;
        send(run, app, bot, self.message_id).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        give_up(unit, app, self.message_id).await
    }
}

impl JobHandler<App> for SendMaxMessage {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let bot = app.flysense()?.bots.max().ok_or_else(|| not_configured(Messenger::Max))?;
        send(run, app, bot, self.message_id).await
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        give_up(unit, app, self.message_id).await
    }
}

async fn send<B: Bot>(run: &JobContext, app: &App, bot: &BotAccess<B>, id: BotMessageId) -> JobResult {
    let Some(message) = messages::find(&mut *run.pool().acquire().await?, id).await? else {
        return Ok(JobOutcome::skip("the message is gone"));
    };
    match message.state {
        MessageState::Waiting => {}
        // The process of the earlier attempt died between the request and its result.
        MessageState::Sending => return end(run, id, MessageState::Sending, MessageState::Unknown).await,
        _ => return Ok(JobOutcome::skip("the message was already processed")),
    }
    // A notice may have waited for the morning.
    if notices::is_withdrawn(&mut *run.pool().acquire().await?, id).await? {
        return end(run, id, MessageState::Waiting, MessageState::Unreachable).await;
    }
    let opened = open_message(&app.keyring, &message.body.0);
    let opened =
        opened.map_err(|error| JobError::retry(format!("the button's address cannot be opened: {error}")))?;
    acquire_limits(run, app, bot.client.messenger(), message.chat_id).await?;
    let mut unit = run.begin().await?;
    messages::set_state(&mut unit, id, MessageState::Waiting, MessageState::Sending, run.now()).await?;
    unit.commit().await?;
    match bot.client.send(message.chat_id, &opened).await {
        Ok(()) => end(run, id, MessageState::Sending, MessageState::Sent).await,
        Err(error) => on_error(run, app, id, &message, &error).await,
    }
}

/// Waits for the pause of the bot, the limit of the dialogue and the limit of the bot.
async fn acquire_limits(
    run: &JobContext,
    app: &App,
    messenger: Messenger,
    chat_id: i64,
) -> Result<(), JobError> {
    if let Ok(Some(after)) = app.limits.blocked_for(messenger.code()).await {
        return Err(JobError::Wait { after, reason: format!("{} asked to wait", messenger.label()) });
    }
    let (tenant, job) = (chat_id.to_string(), run.job_id().to_string());
    app.limits.acquire_or_snooze(&chat_rate(messenger, chat_id), &tenant, &job).await?;
    app.limits.acquire_or_snooze(&bot_rate(messenger), &tenant, &job).await
}

async fn on_error(
    run: &JobContext,
    app: &App,
    id: BotMessageId,
    message: &MessageRow,
    error: &MessengerError,
) -> JobResult {
    match (error.outcome(), error.refusal()) {
        (FailureAction::Unknown, _) => {
            tracing::warn!(message.id = %id, error = %error, "it is unknown whether a message was sent");
            end(run, id, MessageState::Sending, MessageState::Unknown).await
        }
        (FailureAction::GiveUp, Some(RefusalKind::Unreachable)) => {
            repeat_contended(|| end_unreachable(run, id, message)).await
        }
        (FailureAction::GiveUp, _) => {
            tracing::error!(message.id = %id, error = %error, "a message was refused");
            end(run, id, MessageState::Sending, MessageState::Refused).await
        }
        (action @ (FailureAction::Wait { .. } | FailureAction::Retry { .. }), _) => {
            repeat_contended(|| wait_again(run, id)).await?;
            if matches!(action, FailureAction::Wait { .. }) {
                let pause = action.after().unwrap_or(DEFAULT_PAUSE);
                app.limits.block(message.messenger.code(), pause).await;
                return Err(JobError::Wait { after: pause, reason: error.to_string() });
            }
            Err(job_error(action, error))
        }
    }
}

/// Ends the message with its job. What follows an answer is repeated here, because a retried handler would not know the answer.
async fn end(run: &JobContext, id: BotMessageId, from: MessageState, to: MessageState) -> JobResult {
    repeat_contended(|| async {
        let mut unit = run.begin().await?;
        messages::set_state(&mut unit, id, from, to, run.now()).await?;
        run.done(unit).await
    })
    .await
}

/// The person is not reached in this dialogue: a letter replaces the message if there is an address.
async fn end_unreachable(run: &JobContext, id: BotMessageId, message: &MessageRow) -> JobResult {
    let (messenger, chat_id, now) = (message.messenger, message.chat_id, run.now());
    let mut unit = run.begin().await?;
    let is_written = write_letter_instead(&mut unit, id).await?;
    let state = if is_written { MessageState::Waiting } else { MessageState::Unreachable };
    messages::set_state(&mut unit, id, MessageState::Sending, state, now).await?;
    bindings::set_state_of_chat(&mut unit, messenger, chat_id, BindingState::Blocked, now).await?;
    run.done(unit).await
}

/// The message was certainly not sent.
async fn wait_again(run: &JobContext, id: BotMessageId) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    messages::set_state(&mut unit, id, MessageState::Sending, MessageState::Waiting, run.now()).await?;
    Ok(unit.commit().await?)
}

/// A message that could not be sent in all attempts.
async fn give_up(unit: &mut UnitOfWork, app: &App, id: BotMessageId) -> Result<(), JobError> {
    let now = app.clock().now();
    match messages::find(unit, id).await?.map(|message| message.state) {
        Some(from @ MessageState::Waiting) => {
            messages::set_state(unit, id, from, MessageState::Refused, now).await?;
        }
        Some(from @ MessageState::Sending) => {
            messages::set_state(unit, id, from, MessageState::Unknown, now).await?;
        }
        _ => {}
    }
    Ok(())
}
