//! Configuration of a worker process.

use flysk_config::{
    Amocrm, Audio, Bot, ConfigError, Database, Env, Flysense, Http, Keys, Outbound, Portal, Redis, Smtp,
    SpeechKit, Storage, TApi, TBank, Telemetry, Worker, YandexGpt,
};

/// All environment variables of a worker process.
#[derive(Debug, Clone)]
pub struct Config {
    /// MySQL.
    pub database: Database,
    /// Servers, credentials and prefix of Redis.
    pub redis: Redis,
    /// Public address of the API, used in hook URLs.
    pub http: Http,
    /// Address of the vendors' portal, used in invitations.
    pub portal: Portal,
    /// Encryption at rest.
    pub keys: Keys,
    /// Queues, grace period, scratch directory.
    pub worker: Worker,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Hosts, rate limits and timeouts of amoCRM's API.
    pub amocrm: Amocrm,
    /// Outbound HTTP to untrusted URLs.
    pub outbound: Outbound,
    /// Object storage; `None` if it is not configured: nothing is exported.
    pub storage: Option<Storage>,
    /// Purchases of Flycoins; `None` if not configured.
    pub tbank: Option<TBank>,
    /// Invoices that are paid by transfer.
    pub t_api: TApi,
    /// The mail server; `None` if no e-mail is sent.
    pub smtp: Option<Smtp>,
    /// FlySense; `None` if not enabled.
    pub flysense: Option<FlysenseConfig>,
}

/// Sections that only FlySense needs.
#[derive(Debug, Clone)]
pub struct FlysenseConfig {
    /// Access to the platform's API.
    pub platform: Flysense,
    /// Decoding.
    pub audio: Audio,
    /// Object storage for audio during recognition.
    pub storage: Storage,
    /// Recognition.
    pub speechkit: SpeechKit,
    /// Summaries.
    pub yandexgpt: Option<YandexGpt>,
    /// `None`: FlySense cannot be activated in Telegram.
    pub telegram: Option<Bot>,
    /// `None`: FlySense cannot be activated in MAX.
    pub max: Option<Bot>,
}

impl Config {
    /// Reads all sections and reports all problems together.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let database = vars.section(Database::from_env);
            let redis = vars.section(Redis::from_env);
            let http = vars.section(Http::from_env);
            let portal = vars.section(Portal::from_env);
            let keys = vars.section(Keys::from_env);
            let worker = vars.section(Worker::from_env);
            let telemetry = vars.section(Telemetry::from_env);
            let amocrm = vars.section(Amocrm::from_env);
            let outbound = vars.section(Outbound::from_env);
            let storage = vars.section(Storage::optional_from_env);
            let tbank = vars.section(TBank::from_env);
            let t_api = vars.section(TApi::from_env);
            let smtp = vars.section(Smtp::from_env);
            let flysense = match vars.section(Flysense::from_env) {
                Ok(Some(platform)) => {
                    let audio = vars.section(Audio::from_env);
                    let storage = vars.section(Storage::from_env);
                    let speechkit = vars.section(SpeechKit::from_env);
                    let yandexgpt = vars.section(YandexGpt::from_env);
                    let telegram = vars.section(Bot::telegram_from_env);
                    let max = vars.section(Bot::max_from_env);
                    Ok(Some(FlysenseConfig {
                        platform,
                        audio: audio?,
                        storage: storage?,
                        speechkit: speechkit?,
                        yandexgpt: yandexgpt?,
                        telegram: telegram?,
                        max: max?,
                    }))
                }
                Ok(None) => Ok(None),
                Err(noted) => Err(noted),
            };
            Ok(Self {
                database: database?,
                redis: redis?,
                http: http?,
                portal: portal?,
                keys: keys?,
                worker: worker?,
                telemetry: telemetry?,
                amocrm: amocrm?,
                outbound: outbound?,
                storage: storage?,
                tbank: tbank?,
                t_api: t_api?,
                smtp: smtp?,
                flysense: flysense?,
            })
        })
    }
}
