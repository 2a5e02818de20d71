//! Performs `telegram.check_webhook` and `max.check_webhook`.
//!
//! Harmless when run twice: a webhook that is set is left alone. MAX drops a webhook that failed for 8 hours, and anybody
//! with the token can replace Telegram's.

use flysk_clients::messenger::Bot;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_jobs::flysense::activation::{CheckMaxWebhook, CheckTelegramWebhook};
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::activation::bots::{self, BotRow};
use secrecy::ExposeSecret;

use crate::App;
use crate::app::bots::BotAccess;
use crate::job_error::IntoJobError;

/// Longest error text that is stored, characters.
const MAX_ERROR_CHARS: usize = 300;

impl JobHandler<App> for CheckTelegramWebhook {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        check(run, app, app.flysense()?.bots.telegram()).await
    }
}

impl JobHandler<App> for CheckMaxWebhook {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        check(run, app, app.flysense()?.bots.max()).await
    }
}

async fn check<B: Bot>(run: &JobContext, app: &App, bot: Option<&BotAccess<B>>) -> JobResult {
    let Some(bot) = bot else { return Ok(JobOutcome::skip("the bot is not configured")) };
    let messenger = bot.client.messenger();
    // Messengers do not show the secret, so a hash of what was set last tells whether it has changed.
    let wanted = format!("{} {}", bot.webhook_url, bot.webhook_secret.expose_secret());
    let webhook_hash = app.keyring.blind_index(&wanted).to_string();
    let known = bots::find(&mut *run.pool().acquire().await?, messenger).await?;
    let is_new = known.as_ref().is_none_or(|known| known.webhook_hash != webhook_hash);
    let set = bot.client.ensure_webhook(&bot.webhook_url, &bot.webhook_secret, is_new).await;
    let state = set.map_err(IntoJobError::into_job_error)?;
    let me = bot.client.who_am_i().await.map_err(IntoJobError::into_job_error)?;
    if state.was_repaired && !is_new {
        tracing::warn!(messenger = %messenger, "the webhook of the bot was missing and is set again");
    }
    let row = BotRow {
        messenger,
        username: me.username,
        webhook_hash,
        pending: state.pending,
        last_error: state.last_error.map(|text| text.chars().take(MAX_ERROR_CHARS).collect()),
        checked_at: run.now(),
    };
    record_metrics(messenger, &row);
    let mut unit = run.begin().await?;
    bots::put(&mut unit, &row).await?;
    run.done(unit).await
}

fn record_metrics(messenger: Messenger, bot: &BotRow) {
    if let Some(pending) = bot.pending {
        #[expect(clippy::cast_precision_loss, reason = "a gauge; waiting updates are far below 2^53")]
        metrics::gauge!("flysk_bot_pending_updates", "messenger" => messenger.code()).set(pending as f64);
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    metrics::gauge!("flysk_bot_checked_timestamp_seconds", "messenger" => messenger.code())
        .set(bot.checked_at.timestamp() as f64);
}
