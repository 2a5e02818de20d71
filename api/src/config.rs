//! Configuration of the API.

use flysk_config::{
    Amocrm, Bot, ConfigError, Database, Env, Flysense, Http, Keys, Outbound, Redis, Storage, TBank,
    Telemetry, Worker,
};

/// The API's configuration from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// MySQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// Addresses and limits of the HTTP server.
    pub http: Http,
    /// Encryption at rest.
    pub keys: Keys,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Grace time on SIGTERM.
    pub worker: Worker,
    /// amoCRM.
    pub amocrm: Amocrm,
    /// Outbound HTTP to untrusted URLs: hosts of recordings.
    pub outbound: Outbound,
    /// Purchases of Flycoins through T-Bank; `None` if they are not configured.
    pub tbank: Option<TBank>,
    /// FlySense; `None` in a deployment without it.
    pub flysense: Option<Flysense>,
    /// FlySense's bot in Telegram.
    pub telegram: Option<Bot>,
    /// FlySense's bot in MAX.
    pub max: Option<Bot>,
    /// Object Storage with copies of recordings for the player; `None` if it is not configured: recordings that browsers
    /// cannot play stay silent then.
    pub storage: Option<Storage>,
}

impl Config {
    /// Reads all variables. The error lists all invalid variables.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let database = vars.section(Database::from_env);
            let redis = vars.section(Redis::from_env);
            let http = vars.section(Http::from_env);
            let keys = vars.section(Keys::from_env);
            let telemetry = vars.section(Telemetry::from_env);
            let worker = vars.section(Worker::from_env);
            let amocrm = vars.section(Amocrm::from_env);
            let outbound = vars.section(Outbound::from_env);
            let tbank = vars.section(TBank::from_env);
            let flysense = vars.section(Flysense::from_env);
            let telegram = vars.section(Bot::telegram_from_env);
            let max = vars.section(Bot::max_from_env);
            let storage = vars.section(Storage::optional_from_env);
            Ok(Self {
                database: database?,
                redis: redis?,
                http: http?,
                keys: keys?,
                telemetry: telemetry?,
                worker: worker?,
                amocrm: amocrm?,
                outbound: outbound?,
                tbank: tbank?,
                flysense: flysense?,
                telegram: telegram?,
                max: max?,
                storage: storage?,
            })
        })
    }
}
