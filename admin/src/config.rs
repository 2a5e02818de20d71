//! Configuration of the admin panel.

use flysk_config::{
    Admin, ConfigError, Database, Env, Http, Keys, Outbound, Portal, Redis, Storage, Telemetry, Worker,
};

/// The panel's configuration from environment variables.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listener, URL and mode of the panel.
    pub admin: Admin,
    /// URL of the vendors' portal.
    pub portal: Portal,
    /// MySQL.
    pub database: Database,
    /// Redis, for wake-ups of jobs.
    pub redis: Redis,
    /// Public URL of the API, for links that operators send to customers, and trusted proxies.
    pub http: Http,
    /// Encryption at rest.
    pub keys: Keys,
    /// Addresses that event URLs may have although they are not public.
    pub outbound: Outbound,
    /// Object storage with exported files; `None` if it is not configured.
    pub storage: Option<Storage>,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Grace time on SIGTERM.
    pub worker: Worker,
}

impl Config {
    /// Reads all variables. The error lists all invalid variables.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let admin = vars.section(Admin::from_env);
            let portal = vars.section(Portal::from_env);
            let database = vars.section(Database::from_env);
            let redis = vars.section(Redis::from_env);
            let http = vars.section(Http::from_env);
            let keys = vars.section(Keys::from_env);
            let outbound = vars.section(Outbound::from_env);
            let storage = vars.section(Storage::optional_from_env);
            let telemetry = vars.section(Telemetry::from_env);
            let worker = vars.section(Worker::from_env);
            Ok(Self {
                admin: admin?,
                portal: portal?,
                database: database?,
                redis: redis?,
                http: http?,
                keys: keys?,
                outbound: outbound?,
                storage: storage?,
                telemetry: telemetry?,
                worker: worker?,
            })
        })
    }
}
