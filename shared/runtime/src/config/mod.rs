//! Configuration: the environment and nothing else, one file per concern, validated once at start.
//!
//! Each concern is a plain struct with a `from_env`; the doc of each field names its variable. All problems of
//! a concern are told at once, and of several concerns when they are read together:
//!
//! ```
//! use flysk_runtime::config::{ConfigError, Database, Env, Redis};
//!
//! struct Config {
//!     database: Database,
//!     redis: Redis,
//! }
//!
//! fn read(env: &Env) -> Result<Config, ConfigError> {
//!     env.read(|vars| {
//!         let database = vars.part(Database::from_env);
//!         let redis = vars.part(Redis::from_env);
//!         Ok(Config { database: database?, redis: redis? })
//!     })
//! }
//!
//! let problems = read(&Env::default()).err().unwrap().to_string();
//! assert!(problems.contains("DATABASE_URL") && problems.contains("REDIS_URL"));
//! ```

mod amocrm;
mod audio;
mod database;
mod env;
mod error;
mod example_secrets;
mod flysense;
mod http;
mod keys;
mod outbound;
mod proxies;
mod reader;
mod redis;
mod speechkit;
mod storage;
mod tbank;
mod telemetry;
#[cfg(test)]
mod tests;
mod variable;
mod worker;
mod yandexgpt;

pub use amocrm::Amocrm;
pub use audio::Audio;
pub use database::Database;
pub use env::Env;
pub use error::{ConfigError, Problem};
pub use example_secrets::Secrecy;
pub use flysense::Flysense;
pub use http::Http;
pub use keys::Keys;
pub use outbound::Outbound;
pub use proxies::Proxies;
pub use reader::{Noted, Reader};
pub use redis::Redis;
pub use speechkit::SpeechKit;
pub use storage::Storage;
pub use tbank::TBank;
pub use telemetry::{LogFormat, Telemetry};
pub use variable::{Presence, Section, Variable, env_example};
pub use worker::{Concurrency, Worker};
pub use yandexgpt::YandexGpt;

/// Every variable any process of ours reads, in the order of `.env.example`.
pub const SECTIONS: &[Section] = &[
    Section { title: "Database", variables: database::VARIABLES },
    Section { title: "Redis", variables: redis::VARIABLES },
    Section { title: "HTTP", variables: http::VARIABLES },
    Section { title: "Keys", variables: keys::VARIABLES },
    Section { title: "Logs and metrics", variables: telemetry::VARIABLES },
    Section { title: "Workers", variables: worker::VARIABLES },
    Section { title: "amoCRM", variables: amocrm::VARIABLES },
    Section { title: "Addresses we did not choose", variables: outbound::VARIABLES },
    Section { title: "Audio", variables: audio::VARIABLES },
    Section { title: "Object Storage", variables: storage::VARIABLES },
    Section { title: "SpeechKit", variables: speechkit::VARIABLES },
    Section { title: "YandexGPT", variables: yandexgpt::VARIABLES },
    Section { title: "T-Bank", variables: tbank::VARIABLES },
    Section { title: "FlySense", variables: flysense::VARIABLES },
];
