//! The platform in one process: API on a real socket, jobs run on demand, one shared clock.

use std::sync::Arc;
use std::time::Duration;

use flysk_api::{Config as ApiConfig, Deps, routes};
use flysk_config::{Env, Redis};
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::trace::Trace;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EphemeralQueue, Outbox, RedisConnection, RedisKeys, connect_redis};
use flysk_services::widgets::Registration;
use flysk_simulators::amocrm::{self, Amocrm, WidgetTokenShape};
use flysk_simulators::vendor::{self, Vendor};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::widgets::{self, Changes, Widget};
use flysk_store::{Conn, Pool};
use flysk_suite::due_jobs::run_due_jobs;
use flysk_suite::environment::{
    ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, connect_as_in_production, seed_amocrm,
};
use flysk_tokens::Vault;
use flysk_workers::{App, config::Config as WorkerConfig, registry};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::MySql;
use sqlx::pool::PoolConnection;

const KEYRING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";

/// The platform and its simulators.
pub(crate) struct TestApp {
    pub(crate) pool: Pool,
    pub(crate) clock: SimClock,
    pub(crate) amocrm: Running<Amocrm>,
    pub(crate) vendor: Running<Vendor>,
    pub(crate) executor: Executor<App>,
    pub(crate) vault: Vault,
    pub(crate) api_url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) project_token: String,
    env: Env,
    deps: Deps,
}

impl TestApp {
    /// One registered widget, one account with an administrator and a user, no install.
    pub(crate) async fn build(pool: Pool) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        Box::pin(Self::build_on(pool)).await
    }

    /// The same with exactly this connection pool.
    pub(crate) async fn build_on(pool: Pool) -> Self {
        Box::pin(Self::build_at(SimClock::at_noon(), pool)).await
    }

    /// The same at the time of `clock`. What compares it with the system's time, as an SDK does, needs [`SimClock::default`].
    pub(crate) async fn build_at(clock: SimClock, pool: Pool) -> Self {
        let amocrm = amocrm::start(None, Control::with_clock(clock.clone())).await.unwrap();
        let vendor = vendor::start(None, None, Control::with_clock(clock.clone())).await.unwrap();
        seed_amocrm(&amocrm.state).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_url = format!("http://{}", listener.local_addr().unwrap());
        amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        let env = environment(&amocrm.url, &vendor.addr.to_string());
        let executor = executor(&env, pool.clone(), &clock, "app").await;
        let vault = executor.app().vault.clone();
        let config = ApiConfig::from_env(&env).unwrap();
        // Without the cache, because tests change rows directly and expect immediate effects.
        let deps = Deps::new(config, executor.outbox().clone(), redis(&env).await.0).unwrap();
        serve(listener, deps.clone());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let project_token = String::new();
        let mut app =
            Self { pool, clock, amocrm, vendor, executor, vault, api_url, http, project_token, env, deps };
        app.project_token = app.register("flysense", CLIENT_ID).await;
        app
    }

    /// Starts another API process with the cache, as in production; returns its address.
    pub(crate) async fn remembering_api(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        serve(listener, self.deps.clone().with_cache());
        url
    }

    /// Starts another API process with changed variables; returns its address.
    pub(crate) async fn api_in(&self, change: impl FnOnce(Env) -> Env) -> String {
        let env = change(self.env.clone());
        let config = ApiConfig::from_env(&env).unwrap();
        let deps = Deps::new(config, self.executor.outbox().clone(), redis(&env).await.0).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        serve(listener, deps);
        url
    }

    /// Redis of the app's processes, and the names of their keys.
    pub(crate) async fn redis(&self) -> (RedisConnection, RedisKeys) {
        redis(&self.env).await
    }

    /// Creates the executor of another worker, for another runtime.
    pub(crate) fn worker(&self) -> impl Future<Output = Executor<App>> + Send + 'static {
        let (env, clock, pool) = (self.env.clone(), self.clock.clone(), self.pool.clone());
        async move {
            let pool = connect_as_in_production(&pool, 4).await.unwrap();
            executor(&env, pool, &clock, &format!("worker-{:08x}", rand::random::<u32>())).await
        }
    }

    /// Executor of another worker with changed variables.
    pub(crate) async fn worker_in(&self, change: impl FnOnce(Env) -> Env) -> Executor<App> {
        executor(&change(self.env.clone()), self.pool.clone(), &self.clock, "elsewhere").await
    }

    /// The same with the widget installed and its first events delivered.
    pub(crate) async fn installed(pool: Pool) -> Self {
        let app = Self::build(pool).await;
        app.install().await;
        app
    }

    /// An administrator installs the widget; all resulting jobs run.
    pub(crate) async fn install(&self) {
        let outcome = self.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        self.run_due_jobs().await;
    }

    /// Registers a widget whose events go to the vendor's backend; returns its project token.
    pub(crate) async fn register(&self, code: &str, client_uuid: &str) -> String {
        let wanted = Registration {
            code: code.to_owned(),
            name: code.to_owned(),
            crm: Crm::Amocrm,
            client_uuid: client_uuid.to_owned(),
            client_secret: CLIENT_SECRET.to_owned().into(),
            redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        };
        let mut conn = self.conn().await;
        let issued = self.vault.widgets().register(&mut conn, &wanted).await.unwrap();
        let changes =
            Changes { event_url: Some(Some(format!("{}/events", self.vendor.url))), ..Changes::default() };
        widgets::update(&mut conn, issued.id, &changes, self.clock.now()).await.unwrap();
        issued.project_token.expose_secret().to_owned()
    }

    pub(crate) async fn conn(&self) -> PoolConnection<MySql> {
        self.pool.acquire().await.unwrap()
    }

    pub(crate) async fn widget(&self) -> Widget {
        widgets::find_by_code(&mut *self.conn().await, "flysense").await.unwrap().unwrap()
    }

    /// The widget's install in the account.
    pub(crate) async fn the_install(&self) -> Install {
        let widget = self.widget().await;
        let found = installs::find_in_account(&mut *self.conn().await, widget.id, AccountId(ACCOUNT)).await;
        found.unwrap().expect("the widget is installed")
    }

    pub(crate) async fn install_id(&self) -> InstallId {
        self.the_install().await.id
    }

    pub(crate) async fn status(&self) -> &'static str {
        self.the_install().await.status.as_str()
    }

    /// Runs due jobs until none is left.
    pub(crate) async fn run_due_jobs(&self) {
        run_due_jobs(&self.executor, async || self.due().await).await.unwrap();
    }

    async fn due(&self) -> Vec<JobRow> {
        let now = self.clock.now();
        let queued = jobs::list(&mut *self.conn().await, Some(JobState::Queued), None, 1_000).await.unwrap();
        queued.into_iter().filter(|job| job.run_at <= now).collect()
    }

    /// Jobs in a state, for assertions.
    pub(crate) async fn jobs(&self, state: JobState) -> Vec<JobRow> {
        jobs::list(&mut *self.conn().await, Some(state), None, 1_000).await.unwrap()
    }

    pub(crate) fn advance(&self, by: chrono::Duration) {
        self.clock.advance(by);
    }

    /// Number of token requests to amoCRM since the log was cleared.
    pub(crate) fn token_requests(&self) -> usize {
        self.amocrm.control.calls_to("POST", "/oauth2/access_token").len()
    }

    /// A one-time token of a user of the account.
    pub(crate) fn token(&self, user: u64) -> String {
        self.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, user, &WidgetTokenShape::default()).unwrap()
    }

    /// A request with one credential header; returns status and JSON body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        authority: (&str, &str),
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.api_url));
        request = request.header(authority.0, authority.1);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    /// A request of the vendor's backend.
    pub(crate) async fn backend(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.ask(method, path, ("X-Project-Token", &self.project_token), body).await
    }

    /// A request of the widget as an administrator.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask(method, path, ("X-Auth-Token", &self.token(ADMIN)), body).await
    }

    /// `PAuth` for the account.
    pub(crate) async fn pauth(&self) -> (StatusCode, Value) {
        self.backend(Method::POST, "/v1/pauth", Some(json!({ "account_id": ACCOUNT }))).await
    }

    /// Events received by the vendor, by their numbers; they may arrive in another order.
    pub(crate) fn delivered_events(&self) -> Vec<String> {
        let mut received = self.vendor.state.received();
        received.sort_by_key(|event| event.body["number"].as_u64());
        received.iter().map(|event| event.body["type"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Status and JSON body. A body that is not JSON is returned as a string.
pub(crate) async fn read(answer: reqwest::Response) -> (StatusCode, Value) {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Correlation id of the test's own calls.
pub(crate) fn trace() -> Trace {
    Trace { correlation_id: "platform-test".to_owned(), traceparent: None }
}

/// The connection inside a pooled one.
pub(crate) fn as_conn(conn: &mut PoolConnection<MySql>) -> &mut Conn {
    conn
}

/// Timeout for events in other processes, in real time.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(2);

fn serve(listener: tokio::net::TcpListener, deps: Deps) {
    let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
    tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
}

async fn redis(env: &Env) -> (RedisConnection, RedisKeys) {
    let config = Redis::from_env(env).unwrap();
    (connect_redis(config.url.expose_secret()).await.unwrap(), RedisKeys::new(config.prefix))
}

async fn executor(env: &Env, pool: Pool, clock: &SimClock, name: &str) -> Executor<App> {
    let (redis, keys) = redis(env).await;
    let outbox = Outbox::new(pool, None, Arc::new(clock.clone()));
    let (limits, ephemeral) =
        (RateLimiter::new(redis.clone(), keys.clone()), EphemeralQueue::new(redis, keys));
    let app = App::new(WorkerConfig::from_env(env).unwrap(), outbox.clone(), limits, ephemeral).unwrap();
    Executor::new(outbox, registry(), Arc::new(app), name.to_owned(), LeaseConfig::default())
}

fn environment(amocrm: &str, vendor: &str) -> Env {
    let prefix = format!("platform-{:016x}", rand::random::<u64>());
    Env::from_process()
        .with("DATABASE_URL", "mysql://root@127.0.0.1/unused")
        .with("FLYSK_REDIS_PREFIX", &prefix)
        .with("FLYSK_PUBLIC_URL", PUBLIC_ORIGIN)
        .with("FLYSK_KEYRING", KEYRING)
        .with("FLYSK_AMOCRM_EGRESS_URL", amocrm)
        .with("FLYSK_AMOCRM_OAUTH_PAGE", &format!("{amocrm}/oauth"))
        .with("FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND", "1000000")
        .with("FLYSK_OUTBOUND_ALLOW", vendor)
        .without("FLYSENSE_PROJECT_TOKEN")
        .without("FLYSENSE_CLIENT_ID")
}
