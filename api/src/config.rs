//! What the API is configured with.

use flysk_runtime::config::{
    Amocrm, ConfigError, Database, Env, Flysense, Http, Keys, Outbound, Redis, TBank, Telemetry, Worker,
};

/// Everything the API reads from its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// MySQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// Addresses and limits of the server.
    pub http: Http,
    /// Encryption at rest.
    pub keys: Keys,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Grace time on SIGTERM.
    pub worker: Worker,
    /// amoCRM.
    pub amocrm: Amocrm,
    /// Addresses we did not choose: hosts of recordings.
    pub outbound: Outbound,
    /// Buying Flycoins; `None` where nothing can be bought.
    pub tbank: Option<TBank>,
    /// FlySense; `None` in a deployment of the bare platform.
    pub flysense: Option<Flysense>,
}

impl Config {
    /// Reads everything and tells all problems at once.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let database = vars.part(Database::from_env);
            let redis = vars.part(Redis::from_env);
            let http = vars.part(Http::from_env);
            let keys = vars.part(Keys::from_env);
            let telemetry = vars.part(Telemetry::from_env);
            let worker = vars.part(Worker::from_env);
            let amocrm = vars.part(Amocrm::from_env);
            let outbound = vars.part(Outbound::from_env);
            let tbank = vars.part(TBank::from_env);
            let flysense = vars.part(Flysense::from_env);
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
            })
        })
    }
}
