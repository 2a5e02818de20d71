//! The configured bots.

use std::time::Duration;

use anyhow::Context as _;
use flysk_clients::http::{HttpOptions, Malformed};
use flysk_clients::max::{self, Max};
use flysk_clients::messenger;
use flysk_clients::telegram::{self, Telegram};
use flysk_config as config;
use flysk_domain::flysense::activation::message::Incoming;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_queue::JobError;
use flysk_queue::limits::RateLimit;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// A configured bot.
#[derive(Debug)]
pub struct BotAccess<B> {
    /// API of the messenger, with the bot's token.
    pub client: B,
    /// Address of the bot's webhook.
    pub webhook_url: Url,
    /// Secret that the messenger sends to it.
    pub webhook_secret: SecretString,
    token: SecretString,
}

/// FlySense's bots; each is optional.
#[derive(Debug)]
pub struct Bots {
    telegram: Option<BotAccess<Telegram>>,
    max: Option<BotAccess<Max>>,
}

impl Bots {
    /// Builds the clients. Sends nothing. Reads the files of extra root certificates.
    pub fn new(
        telegram: Option<&config::Bot>,
        max: Option<&config::Bot>,
        public_url: &Url,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            telegram: telegram
                .map(|bot| access(bot, public_url.join("hooks/telegram")?, Telegram::new))
                .transpose()
                .context("Telegram's client")?,
            max: max
                .map(|bot| access(bot, public_url.join("hooks/max")?, Max::new))
                .transpose()
                .context("MAX's client")?,
        })
    }

    /// The bot in Telegram, if it is configured.
    pub fn telegram(&self) -> Option<&BotAccess<Telegram>> {
        self.telegram.as_ref()
    }

    /// The bot in MAX, if it is configured.
    pub fn max(&self) -> Option<&BotAccess<Max>> {
        self.max.as_ref()
    }

    /// Reads an update. Without the bot, the job waits for a worker that has it configured.
    pub(crate) fn parse(
        &self,
        messenger: Messenger,
        body: &[u8],
    ) -> Result<Result<Incoming, Malformed>, JobError> {
        match messenger {
            Messenger::Telegram => Ok(telegram::parse_update(body)),
            Messenger::Max => {
                let bot = self.max.as_ref().ok_or_else(|| not_configured(messenger))?;
                Ok(max::parse_update(body, &bot.token))
            }
        }
    }
}

/// The job waits for a worker that has the bot configured.
pub(crate) fn not_configured(messenger: Messenger) -> JobError {
    JobError::Wait {
        after: Duration::from_mins(1),
        reason: format!("the bot in {} is not configured in this worker", messenger.label()),
    }
}

/// Limit of a bot's requests. Sources: Telegram Bot API FAQ; dev.max.ru, docs-api (both 30/s).
pub(crate) fn bot_rate(messenger: Messenger) -> RateLimit {
    RateLimit::per_second(format!("{messenger}.bot"), 30)
}

/// Limit of messages into one dialogue. Sources: Telegram Bot API FAQ (1/s); dev.max.ru, POST /messages (2/s).
pub(crate) fn chat_rate(messenger: Messenger, chat_id: i64) -> RateLimit {
    let permits = match messenger {
        Messenger::Telegram => 1,
        Messenger::Max => 2,
    };
    RateLimit::per_second(format!("{messenger}.chat.{chat_id}"), permits)
}

fn access<B>(
    bot: &config::Bot,
    webhook_url: Url,
    build: impl FnOnce(&messenger::Config) -> Result<B, flysk_clients::http::BuildError>,
) -> anyhow::Result<BotAccess<B>> {
    let extra_roots = bot
        .extra_roots
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| path.display().to_string()))
        .transpose()
        .context("extra root certificates")?;
    let proxy = bot.proxy_url.as_ref().map(|url| url.expose_secret().parse()).transpose();
    let client = build(&messenger::Config {
        base_url: bot.url.clone(),
        token: bot.token.clone(),
        http: HttpOptions {
            extra_roots: extra_roots.into_iter().collect(),
            ..HttpOptions::with_timeout(bot.timeout)
        },
        proxy: proxy.map_err(|_| anyhow::anyhow!("the proxy's URL is invalid"))?,
    })?;
    Ok(BotAccess {
        client,
        webhook_url,
        webhook_secret: bot.webhook_secret.clone(),
        token: bot.token.clone(),
    })
}
