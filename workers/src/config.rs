//! What a worker process is configured with.

use flysk_runtime::config::{
    Amocrm, Audio, ConfigError, Database, Env, Flysense, Http, Keys, Outbound, Redis, SpeechKit, Storage,
    TBank, Telemetry, Worker, YandexGpt,
};

/// Everything a worker process reads from its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// MySQL.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// Where the API is reached from outside: hooks point there.
    pub http: Http,
    /// Encryption at rest.
    pub keys: Keys,
    /// Queues, grace, scratch folder.
    pub worker: Worker,
    /// Logs.
    pub telemetry: Telemetry,
    /// amoCRM.
    pub amocrm: Amocrm,
    /// Addresses we did not choose.
    pub outbound: Outbound,
    /// Buying Flycoins; `None` where nothing can be bought.
    pub tbank: Option<TBank>,
    /// FlySense and what only it needs; `None` in a deployment of the bare platform.
    pub flysense: Option<FlysenseConfig>,
}

/// What only FlySense needs.
#[derive(Debug, Clone)]
pub struct FlysenseConfig {
    /// How it reaches the platform.
    pub platform: Flysense,
    /// Decoding.
    pub audio: Audio,
    /// Where audio lies while it is recognised.
    pub storage: Storage,
    /// Recognition.
    pub speechkit: SpeechKit,
    /// Summaries.
    pub yandexgpt: Option<YandexGpt>,
}

impl Config {
    /// Reads everything and tells all problems at once.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let database = vars.part(Database::from_env);
            let redis = vars.part(Redis::from_env);
            let http = vars.part(Http::from_env);
            let keys = vars.part(Keys::from_env);
            let worker = vars.part(Worker::from_env);
            let telemetry = vars.part(Telemetry::from_env);
            let amocrm = vars.part(Amocrm::from_env);
            let outbound = vars.part(Outbound::from_env);
            let tbank = vars.part(TBank::from_env);
            let flysense = match vars.part(Flysense::from_env) {
                Ok(Some(platform)) => {
                    let audio = vars.part(Audio::from_env);
                    let storage = vars.part(Storage::from_env);
                    let speechkit = vars.part(SpeechKit::from_env);
                    let yandexgpt = vars.part(YandexGpt::from_env);
                    let parts = (audio?, storage?, speechkit?, yandexgpt?);
                    let (audio, storage, speechkit, yandexgpt) = parts;
                    Ok(Some(FlysenseConfig { platform, audio, storage, speechkit, yandexgpt }))
                }
                Ok(None) => Ok(None),
                Err(noted) => Err(noted),
            };
            Ok(Self {
                database: database?,
                redis: redis?,
                http: http?,
                keys: keys?,
                worker: worker?,
                telemetry: telemetry?,
                amocrm: amocrm?,
                outbound: outbound?,
                tbank: tbank?,
                flysense: flysense?,
            })
        })
    }
}
