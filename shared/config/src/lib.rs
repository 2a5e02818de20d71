//! Configuration from environment variables, one file per concern, validated once at start; and [`process`]: logging,
//! metrics, health check, shutdown and exit status of every process.
//!
//! A process starts in this order: [`Env::from_process`], its configuration, [`process::telemetry::install`],
//! [`process::metrics::install`], [`process::Shutdown::install`].
//!
//! Each concern is a plain struct with a `from_env`; the documentation of each field names its variable. One error
//! reports all problems of a concern, or of several concerns that are read together:
//!
//! ```
//! use flysk_config::{ConfigError, Database, Env, Redis};
//!
//! struct Config {
//!     database: Database,
//!     redis: Redis,
//! }
//!
//! fn read(env: &Env) -> Result<Config, ConfigError> {
//!     env.read(|vars| {
//!         let database = vars.section(Database::from_env);
//!         let redis = vars.section(Redis::from_env);
//!         Ok(Config { database: database?, redis: redis? })
//!     })
//! }
//!
//! let problems = read(&Env::default()).err().unwrap().to_string();
//! assert!(problems.contains("DATABASE_URL") && problems.contains("REDIS_URL"));
//! ```

mod admin;
mod amocrm;
mod audio;
mod bots;
mod database;
mod env;
mod error;
mod example_secrets;
mod flysense;
mod http;
mod keys;
mod outbound;
mod portal;
pub mod process;
mod proxies;
mod public_url;
mod reader;
mod redis;
mod redis_address;
mod secret_parts;
mod smtp;
mod speechkit;
mod storage;
mod t_api;
mod tbank;
mod telemetry;
#[cfg(test)]
mod tests;
mod variable;
mod worker;
mod yandexgpt;

pub use admin::Admin;
pub use amocrm::Amocrm;
pub use audio::Audio;
pub use bots::Bot;
pub use database::Database;
pub use env::Env;
pub use error::{ConfigError, Problem};
pub use flysense::Flysense;
pub use http::Http;
pub use keys::Keys;
pub use outbound::Outbound;
pub use portal::Portal;
pub use proxies::Proxies;
pub use reader::{Reader, Reported};
pub use redis::Redis;
pub use redis_address::{HostPort, RedisAddress, RedisServers};
pub use secret_parts::Secrecy;
pub use smtp::{Smtp, SmtpTls};
pub use speechkit::SpeechKit;
pub use storage::Storage;
pub use t_api::TApi;
pub use tbank::TBank;
pub use telemetry::{LogFormat, Telemetry};
pub use variable::{Presence, Section, Variable, env_example};
pub use worker::{Concurrency, Worker};
pub use yandexgpt::YandexGpt;

/// Every variable that Flysk's processes read, in the order of `.env.example`.
pub const SECTIONS: &[Section] = &[
    Section { title: "Database", variables: database::VARIABLES },
    Section { title: "Redis", variables: redis::VARIABLES },
    Section { title: "HTTP", variables: http::VARIABLES },
    Section { title: "Admin panel", variables: admin::VARIABLES },
    Section { title: "Portal for vendors", variables: portal::VARIABLES },
    Section { title: "Keys", variables: keys::VARIABLES },
    Section { title: "Logs and metrics", variables: telemetry::VARIABLES },
    Section { title: "Workers", variables: worker::VARIABLES },
    Section { title: "amoCRM", variables: amocrm::VARIABLES },
    Section { title: "Outbound HTTP to untrusted URLs", variables: outbound::VARIABLES },
    Section { title: "Audio", variables: audio::VARIABLES },
    Section { title: "Object Storage", variables: storage::VARIABLES },
    Section { title: "SpeechKit", variables: speechkit::VARIABLES },
    Section { title: "YandexGPT", variables: yandexgpt::VARIABLES },
    Section { title: "T-Bank", variables: tbank::VARIABLES },
    Section { title: "T-API", variables: t_api::VARIABLES },
    Section { title: "E-mail", variables: smtp::VARIABLES },
    Section { title: "FlySense", variables: flysense::VARIABLES },
    Section { title: "Telegram", variables: bots::TELEGRAM_VARIABLES },
    Section { title: "MAX", variables: bots::MAX_VARIABLES },
];
