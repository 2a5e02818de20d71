//! FlySense's bots in messengers.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::reader::Reader;
use super::{ConfigError, Env, Variable};

const TELEGRAM_TOKEN: Variable = Variable::optional(
    "FLYSK_TELEGRAM_TOKEN",
    "123456:development",
    "Token of FlySense's bot in Telegram. Without token and webhook secret there is no bot in Telegram.",
)
.secret("create a bot with @BotFather");
const TELEGRAM_WEBHOOK_SECRET: Variable = Variable::optional(
    "FLYSK_TELEGRAM_WEBHOOK_SECRET",
    "development-telegram-secret",
    "Secret that Telegram sends with every update: 5 to 256 characters of A-Z a-z 0-9 _ -. Required with the token.",
)
.secret("generate a random value, for example with `openssl rand -hex 32`");
const TELEGRAM_URL: Variable = Variable::with_default(
    "FLYSK_TELEGRAM_URL",
    "https://api.telegram.org",
    "Base URL of Telegram's Bot API, of a self-hosted server, or of a reverse proxy in front of it.",
);
const TELEGRAM_PROXY_URL: Variable = Variable::optional(
    "FLYSK_TELEGRAM_PROXY_URL",
    "http://flysk:development@127.0.0.1:3128",
    "HTTP proxy for requests to Telegram.",
)
.secret_address();
const TELEGRAM_EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_TELEGRAM_EXTRA_ROOTS",
    "/etc/flysk/reverse-proxy-ca.pem",
    "PEM file with root certificates that are trusted for Telegram in addition to the system's.",
);
const TELEGRAM_TIMEOUT_MS: Variable =
    Variable::with_default("FLYSK_TELEGRAM_TIMEOUT_MS", "10000", "Timeout of one request, in milliseconds.");

const MAX_TOKEN: Variable = Variable::optional(
    "FLYSK_MAX_TOKEN",
    "development",
    "Token of FlySense's bot in MAX. Without token and webhook secret there is no bot in MAX.",
)
.secret("create a bot in the business cabinet of MAX (business.max.ru)");
const MAX_WEBHOOK_SECRET: Variable = Variable::optional(
    "FLYSK_MAX_WEBHOOK_SECRET",
    "development-max-secret",
    "Secret that MAX sends with every update: 5 to 256 characters of A-Z a-z 0-9 _ -. Required with the token.",
)
.secret("generate a random value, for example with `openssl rand -hex 32`");
const MAX_URL: Variable =
    Variable::with_default("FLYSK_MAX_URL", "https://platform-api2.max.ru", "Base URL of MAX's Bot API.");
const MAX_PROXY_URL: Variable = Variable::optional(
    "FLYSK_MAX_PROXY_URL",
    "http://flysk:development@127.0.0.1:3128",
    "HTTP proxy for requests to MAX.",
)
.secret_address();
const MAX_EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_MAX_EXTRA_ROOTS",
    "/etc/flysk/russian-trusted-root-ca.pem",
    "PEM file with root certificates that are trusted for MAX in addition to the system's. MAX needs the Russian Trusted\n\
     Root CA.",
);
const MAX_TIMEOUT_MS: Variable =
    Variable::with_default("FLYSK_MAX_TIMEOUT_MS", "10000", "Timeout of one request, in milliseconds.");

pub(super) const TELEGRAM_VARIABLES: &[Variable] = &[
    TELEGRAM_TOKEN,
    TELEGRAM_WEBHOOK_SECRET,
    TELEGRAM_URL,
    TELEGRAM_PROXY_URL,
    TELEGRAM_EXTRA_ROOTS,
    TELEGRAM_TIMEOUT_MS,
];
pub(super) const MAX_VARIABLES: &[Variable] =
    &[MAX_TOKEN, MAX_WEBHOOK_SECRET, MAX_URL, MAX_PROXY_URL, MAX_EXTRA_ROOTS, MAX_TIMEOUT_MS];

/// Access to a bot. `…` stands for `TELEGRAM` or `MAX`.
#[derive(Debug, Clone)]
pub struct Bot {
    /// `FLYSK_…_TOKEN`: token of the bot.
    pub token: SecretString,
    /// `FLYSK_…_WEBHOOK_SECRET`: sent by the messenger with every update.
    pub webhook_secret: SecretString,
    /// `FLYSK_…_URL`: base URL of the messenger's API.
    pub url: Url,
    /// `FLYSK_…_PROXY_URL`: HTTP proxy for the messenger.
    pub proxy_url: Option<SecretString>,
    /// `FLYSK_…_EXTRA_ROOTS`: PEM file with additional root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_…_TIMEOUT_MS`: timeout of one request.
    pub timeout: Duration,
}

/// The variables of one bot, in the order of the lists above.
struct Variables<'a> {
    token: &'a Variable,
    webhook_secret: &'a Variable,
    url: &'a Variable,
    proxy_url: &'a Variable,
    extra_roots: &'a Variable,
    timeout: &'a Variable,
}

impl Bot {
    /// Reads the variables of the bot in Telegram; `None` if neither token nor webhook secret is set.
    pub fn telegram_from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let names = Variables {
            token: &TELEGRAM_TOKEN,
            webhook_secret: &TELEGRAM_WEBHOOK_SECRET,
            url: &TELEGRAM_URL,
            proxy_url: &TELEGRAM_PROXY_URL,
            extra_roots: &TELEGRAM_EXTRA_ROOTS,
            timeout: &TELEGRAM_TIMEOUT_MS,
        };
        env.read(|vars| Self::read(vars, &names))
    }

    /// Reads the variables of the bot in MAX; `None` if neither token nor webhook secret is set.
    pub fn max_from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let names = Variables {
            token: &MAX_TOKEN,
            webhook_secret: &MAX_WEBHOOK_SECRET,
            url: &MAX_URL,
            proxy_url: &MAX_PROXY_URL,
            extra_roots: &MAX_EXTRA_ROOTS,
            timeout: &MAX_TIMEOUT_MS,
        };
        env.read(|vars| Self::read(vars, &names))
    }

    fn read(vars: &mut Reader<'_>, names: &Variables<'_>) -> Result<Option<Self>, super::Reported> {
        let url = vars.base_url(names.url);
        let proxy_url =
            vars.optional(names.proxy_url, |vars, variable| vars.secret_url(variable, &["http", "https"]));
        let extra_roots = vars.optional(names.extra_roots, Reader::path);
        let timeout = vars.millis(names.timeout, 100..=60_000);
        if !vars.is_set(names.token) && !vars.is_set(names.webhook_secret) {
            return Ok(None);
        }
        let token = vars.secret(names.token);
        let webhook_secret = vars.parsed(names.webhook_secret, |text| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let fits = (5..=256).contains(&text.len()) && text.bytes().all(plain);
            if fits { Ok(SecretString::from(text)) } else { Err("5 to 256 of A-Z a-z 0-9 _ -".to_owned()) }
        });
        Ok(Some(Self {
            token: token?,
            webhook_secret: webhook_secret?,
            url: url?,
            proxy_url: proxy_url?,
            extra_roots: extra_roots?,
            timeout: timeout?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_needs_both_its_token_and_its_secret() {
        assert!(Bot::telegram_from_env(&Env::default()).unwrap().is_none());
        let half = Env::default().with("FLYSK_MAX_TOKEN", "t");
        let told = Bot::max_from_env(&half).unwrap_err().to_string();
        assert!(told.contains("FLYSK_MAX_WEBHOOK_SECRET"), "{told}");
        let whole = half.with("FLYSK_MAX_WEBHOOK_SECRET", "s-e_cret");
        assert_eq!(Bot::max_from_env(&whole).unwrap().unwrap().url.as_str(), "https://platform-api2.max.ru/");
        assert!(Bot::telegram_from_env(&whole).unwrap().is_none(), "each bot is optional");
    }

    #[test]
    fn a_secret_that_no_messenger_accepts_is_refused_and_not_shown() {
        for secret in ["abc", "with blank", "п-а-р-о-л-ь"] {
            let env = Env::default()
                .with("FLYSK_TELEGRAM_TOKEN", "t")
                .with("FLYSK_TELEGRAM_WEBHOOK_SECRET", secret);
            let told = Bot::telegram_from_env(&env).unwrap_err().to_string();
            assert!(told.contains("FLYSK_TELEGRAM_WEBHOOK_SECRET") && !told.contains(secret), "{told}");
        }
    }
}
