//! FlySense, the platform and both bots in one process: the API on a real socket, jobs run on demand, one shared clock.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flysk_api::{Config as ApiConfig, Deps, routes};
use flysk_config::{Env, Keys as KeysConfig, Redis};
use flysk_domain::Clock;
use flysk_domain::platform::crm::Crm;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::activation::{CheckMaxWebhook, CheckTelegramWebhook};
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EphemeralQueue, Job, Outbox, RedisKeys, connect_redis};
use flysk_services::widgets::Registration;
use flysk_simulators::amocrm::{self, Amocrm, WidgetTokenShape};
use flysk_simulators::bot::{Line, Person};
use flysk_simulators::max::{self, Max};
use flysk_simulators::telegram::{self, Device, Telegram};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::Pool;
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::initial_switch;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::due_jobs::run_due_jobs;
use flysk_suite::environment::{
    ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, connect_as_in_production, seed_amocrm,
};
use flysk_tokens::Vault;
use flysk_workers::{App, config::Config as WorkerConfig, registry};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub(crate) const TELEGRAM_TOKEN: &str = "123456:AAF-simulated_token";
pub(crate) const MAX_TOKEN: &str = "simulated-max-token";
/// Anna, the administrator, has both messengers; Boris is somebody else.
pub(crate) const ANNA: i64 = 555;
pub(crate) const BORIS: i64 = 556;
pub(crate) const ANNAS_PHONE: &str = "79161234567";
pub(crate) const ANNAS_MASKED_PHONE: &str = "+7 *** ***-45-67";
/// Longest wait for a simulator's delivery.
const DELIVERY_TIMEOUT: Duration = Duration::from_mins(2);

/// FlySense, installed in one account, and both bots.
pub(crate) struct TestApp {
    pub(crate) pool: Pool,
    pub(crate) clock: SimClock,
    pub(crate) amocrm: Running<Amocrm>,
    pub(crate) telegram: Running<Telegram>,
    pub(crate) max: Running<Max>,
    pub(crate) executor: Executor<App>,
    pub(crate) api_url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) env: Env,
}

/// An activation link as the widget gets it.
pub(crate) struct Link {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) telegram: String,
    pub(crate) max: String,
}

impl TestApp {
    /// Installs FlySense, which starts switched off, and sets the bots' webhooks.
    pub(crate) async fn installed(pool: Pool) -> Self {
        let app = Self::build(pool, true).await;
        app.install().await;
        app
    }

    /// Starts everything; `starts_switched_off`: whether new installs wait for their activation.
    pub(crate) async fn build(pool: Pool, starts_switched_off: bool) -> Self {
        Self::build_with(pool, starts_switched_off, SimClock::at_noon(), &[]).await
    }

    /// The same on this clock and with further variables.
    pub(crate) async fn build_with(
        pool: Pool,
        starts_switched_off: bool,
        clock: SimClock,
        variables: &[(&str, String)],
    ) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let control = || Control::with_clock(clock.clone());
        let amocrm = amocrm::start(None, control()).await.unwrap();
        seed_amocrm(&amocrm.state).unwrap();
        let options = telegram::Options {
            bind: None,
            token: TELEGRAM_TOKEN.to_owned(),
            username: "flysense_bot".to_owned(),
        };
        let telegram = telegram::start(options, control()).await.unwrap();
        let options =
            max::Options { bind: None, token: MAX_TOKEN.to_owned(), username: "id7700_bot".to_owned() };
        let max = max::start(options, control()).await.unwrap();
        for (id, name, phone) in [(ANNA, "Анна", ANNAS_PHONE), (BORIS, "Борис", "79160000000")] {
            let person = Person { id, name: name.to_owned(), phone: phone.to_owned() };
            telegram.state.add_person(person.clone());
            max.state.add_person(person);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_addr = listener.local_addr().unwrap();
        let api_url = format!("http://{api_addr}");
        amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        telegram.state.route(PUBLIC_ORIGIN, &api_url);
        max.state.route(PUBLIC_ORIGIN, &api_url);
        let env = environment(&amocrm.url, &telegram.url, &max.url, &api_addr.to_string());
        let env = variables.iter().fold(env, |env, (name, value)| env.with(name, value));
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let token = register(&env, &outbox, &api_url, starts_switched_off).await;
        let env = env.with("FLYSENSE_PROJECT_TOKEN", &token);
        let executor = executor(&env, &outbox).await;
        let redis = connect_redis(Redis::from_env(&env).unwrap().url.expose_secret()).await.unwrap();
        let deps = Deps::new(ApiConfig::from_env(&env).unwrap(), outbox, redis).unwrap();
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { pool, clock, amocrm, telegram, max, executor, api_url, http, env }
    }

    /// Installs FlySense and sets the bots' webhooks.
    pub(crate) async fn install(&self) {
        let outcome = self.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        self.check_webhooks().await;
    }

    pub(crate) async fn check_webhooks(&self) {
        self.enqueue(&CheckTelegramWebhook {}).await;
        self.enqueue(&CheckMaxWebhook {}).await;
        self.run_due_jobs().await;
    }

    /// A worker of the same deployment.
    pub(crate) async fn another_executor(&self) -> Executor<App> {
        executor(&self.env, self.executor.outbox()).await
    }

    pub(crate) async fn enqueue<J: Job>(&self, job: &J) {
        let trace = Trace { correlation_id: "activation-test".to_owned(), traceparent: None };
        let mut unit = self.executor.outbox().begin(trace).await.unwrap();
        unit.enqueue(job).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Runs due jobs until none is left.
    pub(crate) async fn run_due_jobs(&self) {
        run_due_jobs(&self.executor, async || self.due().await).await.unwrap();
    }

    pub(crate) async fn due(&self) -> Vec<JobRow> {
        let now = self.clock.now();
        let queued = self.jobs(JobState::Queued).await;
        queued.into_iter().filter(|job| job.run_at <= now).collect()
    }

    pub(crate) async fn jobs(&self, state: JobState) -> Vec<JobRow> {
        jobs::list(&mut self.pool.acquire().await.unwrap(), Some(state), None, 1_000).await.unwrap()
    }

    /// Waits until the simulators have delivered all updates.
    pub(crate) async fn wait_for_deliveries(&self) {
        let delivered = async {
            while self.telegram.state.pending() + self.max.state.pending() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DELIVERY_TIMEOUT, delivered).await.expect("updates are delivered");
    }

    /// Waits until the simulators have delivered all updates, then runs jobs until none waits, also for a rate limit.
    pub(crate) async fn run_until_idle(&self) {
        self.wait_for_deliveries().await;
        for _ in 0..240 {
            self.run_due_jobs().await;
            let now = self.clock.now();
            let waiting = self.jobs(JobState::Queued).await;
            if !waiting.iter().any(|job| job.run_at <= now + TimeDelta::seconds(10)) {
                return;
            }
            // Rate limits are kept in real time.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("jobs do not come to an end: {:?}", self.jobs(JobState::Queued).await);
    }

    /// A request of the widget with a new one-time token.
    pub(crate) async fn ask(&self, user: u64, method: Method, path: &str) -> (StatusCode, Value) {
        self.ask_in(ACCOUNT, user, method, path).await
    }

    pub(crate) async fn ask_in(
        &self,
        account: u64,
        user: u64,
        method: Method,
        path: &str,
    ) -> (StatusCode, Value) {
        let shape = WidgetTokenShape::default();
        let token = self.amocrm.state.widget_token(CLIENT_ID, account, user, &shape).unwrap();
        let url = format!("{}{path}", self.api_url);
        let answer = self.http.request(method, url).header("X-Auth-Token", token).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The administrator creates a link.
    pub(crate) async fn link(&self) -> Link {
        self.link_of(ADMIN).await
    }

    pub(crate) async fn link_of(&self, user: u64) -> Link {
        let (status, body) = self.ask(user, Method::POST, "/v1/flysense/activation").await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        self.run_due_jobs().await;
        let url = |messenger: &str| {
            let ways = body["messengers"].as_array().unwrap();
            let way = ways.iter().find(|way| way["messenger"] == messenger).unwrap();
            way["url"].as_str().unwrap().to_owned()
        };
        Link {
            id: body["id"].as_str().unwrap().to_owned(),
            code: body["code"].as_str().unwrap().to_owned(),
            telegram: url("telegram"),
            max: url("max"),
        }
    }

    /// The state of the activation, as the administrator's widget polls it.
    pub(crate) async fn activation(&self) -> Value {
        let (status, body) = self.ask(ADMIN, Method::GET, "/v1/flysense/activation").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Anna opens the link in Telegram on the phone and confirms her number.
    pub(crate) async fn activate_in_telegram(&self) {
        let link = self.link().await;
        self.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
        self.run_until_idle().await;
        self.telegram.state.share_contact(ANNA).unwrap();
        self.run_until_idle().await;
    }

    /// What the bot wrote to a person in Telegram, oldest first.
    pub(crate) fn told(&self, person: i64) -> Vec<String> {
        texts(self.telegram.state.chat(person).unwrap())
    }

    /// What the bot wrote to a person in MAX, oldest first.
    pub(crate) fn told_in_max(&self, person: i64) -> Vec<String> {
        texts(self.max.state.chat(person).unwrap())
    }

    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

fn texts(lines: Vec<Line>) -> Vec<String> {
    lines.into_iter().filter(|line| line.from_bot).map(|line| line.text).collect()
}

async fn executor(env: &Env, outbox: &Outbox) -> Executor<App> {
    let config = WorkerConfig::from_env(env).unwrap();
    let redis = connect_redis(config.redis.url.expose_secret()).await.unwrap();
    let keys = RedisKeys::new(config.redis.prefix.clone());
    let (limits, ephemeral) =
        (RateLimiter::new(redis.clone(), keys.clone()), EphemeralQueue::new(redis, keys));
    let app = App::new(config, outbox.clone(), limits, ephemeral).unwrap();
    let owner = format!("app-{:08x}", rand::random::<u32>());
    Executor::new(outbox.clone(), registry(), Arc::new(app), owner, LeaseConfig::default())
}

/// Registers FlySense with a welcome bonus; returns its project token.
async fn register(env: &Env, outbox: &Outbox, api_url: &str, starts_switched_off: bool) -> String {
    let keyring = KeysConfig::from_env(env).unwrap().keyring;
    let client = flysk_clients::amocrm::AmoCrm::new(flysk_clients::amocrm::Config::default()).unwrap();
    let vault = Vault::new(outbox.clone(), keyring.into(), client, vec!["amocrm.ru".to_owned()]);
    let wanted = Registration {
        code: "flysense".to_owned(),
        name: "FlySense AI".to_owned(),
        crm: Crm::Amocrm,
        client_uuid: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned().into(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
    };
    let mut conn = outbox.pool().acquire().await.unwrap();
    let now = outbox.clock().now();
    let issued = vault.widgets().register(&mut conn, &wanted).await.unwrap();
    let changes = Changes {
        event_url: Some(Some(format!("{api_url}/hooks/flysense/events"))),
        uses_flycoins: Some(true),
        billing: Some(Some(json!({ "flycoins": { "welcome_bonus": { "amount_micro": 100_000_000 } } }))),
        ..Changes::default()
    };
    widgets::update(&mut conn, issued.id, &changes, now).await.unwrap();
    initial_switch::set_starts_switched_off(&mut conn, issued.id, starts_switched_off, now).await.unwrap();
    issued.project_token.expose_secret().to_owned()
}

fn environment(amocrm: &str, telegram: &str, max: &str, api: &str) -> Env {
    Env::from_process()
        .with("DATABASE_URL", "mysql://root@127.0.0.1/unused")
        .with("FLYSK_REDIS_PREFIX", &format!("activation-{:016x}", rand::random::<u64>()))
        .with("FLYSK_PUBLIC_URL", PUBLIC_ORIGIN)
        .with("FLYSK_KEYRING", "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=")
        .with("FLYSK_AMOCRM_EGRESS_URL", amocrm)
        .with("FLYSK_OUTBOUND_ALLOW", api)
        .with("FLYSK_STORAGE_BUCKET", "unused")
        .with("FLYSK_STORAGE_ACCESS_KEY_ID", "unused")
        .with("FLYSK_STORAGE_SECRET_ACCESS_KEY", "unused")
        .with("FLYSK_SPEECHKIT_API_KEY", "unused")
        .with("FLYSK_TELEGRAM_URL", telegram)
        .with("FLYSK_TELEGRAM_TOKEN", TELEGRAM_TOKEN)
        .with("FLYSK_TELEGRAM_WEBHOOK_SECRET", "telegram-secret_1")
        .with("FLYSK_MAX_URL", max)
        .with("FLYSK_MAX_TOKEN", MAX_TOKEN)
        .with("FLYSK_MAX_WEBHOOK_SECRET", "max-secret_1")
        .with("FLYSENSE_PLATFORM_URL", &format!("http://{api}"))
        .with("FLYSENSE_CLIENT_ID", CLIENT_ID)
        .with("FLYSENSE_PROJECT_TOKEN", "not-registered-yet")
}
