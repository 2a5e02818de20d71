//! FlySense and the platform in one process: the API on a real socket, jobs run on demand, one shared clock. The
//! stages of calls are not run: the tests check which calls are requested.

use std::sync::Arc;

use chrono::TimeDelta;
use flysk_api::{Config as ApiConfig, Deps, routes};
use flysk_config::{Env, Keys as KeysConfig, Redis};
use flysk_domain::Clock;
use flysk_domain::flysense::account::HooksState;
use flysk_domain::flysense::call;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::trace::Trace;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EphemeralQueue, Job, Outbox, RedisKeys, connect_redis};
use flysk_services::widgets::Registration;
use flysk_simulators::amocrm::{self, Amocrm, Behaviour, EntityType, Hook, NewCall};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::flysense::accounts::{self, AccountRow};
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::{Conn, Pool};
use flysk_suite::due_jobs::run_due_jobs;
use flysk_suite::environment::{
    ACCOUNT, CLIENT_ID, CLIENT_SECRET, LEAD, PUBLIC_ORIGIN, call_of_lead, connect_as_in_production,
    seed_amocrm,
};
use flysk_tokens::Vault;
use flysk_workers::{App, config::Config as WorkerConfig, registry};
use secrecy::ExposeSecret;

/// A key ring with one key, and the same with a newer key in front.
pub(crate) const OLD_RING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
pub(crate) const NEW_RING: &str =
    "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=,k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";

/// FlySense, installed and active in one account.
pub(crate) struct TestApp {
    pub(crate) pool: Pool,
    pub(crate) clock: SimClock,
    pub(crate) amocrm: Running<Amocrm>,
    pub(crate) executor: Executor<App>,
    pub(crate) api_url: String,
    env: Env,
}

impl TestApp {
    /// Starts everything, installs FlySense and subscribes its webhooks.
    pub(crate) async fn installed(pool: Pool) -> Self {
        let app = Self::build(pool).await;
        let outcome = app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        app.run_due_jobs().await;
        assert_eq!(app.account().await.hooks_state, HooksState::Subscribed);
        app
    }

    async fn build(pool: Pool) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let clock = SimClock::at_noon();
        let amocrm = amocrm::start(None, Control::with_clock(clock.clone())).await.unwrap();
        // The rate limit is tested elsewhere; here a dozen calls may be made within a second.
        amocrm.state.set_behaviour(Behaviour {
            requests_per_s: 1_000,
            account_requests_per_s: 1_000,
            ..Behaviour::default()
        });
        seed_amocrm(&amocrm.state).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_addr = listener.local_addr().unwrap();
        let api_url = format!("http://{api_addr}");
        amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        let env = environment(&amocrm.url, &api_addr.to_string());
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let token = register(&env, &outbox, &format!("{api_url}/hooks/flysense/events")).await;
        let env = env.with("FLYSENSE_PROJECT_TOKEN", &token);
        let executor = executor(&env, &outbox).await;
        let redis = connect_redis(Redis::from_env(&env).unwrap().url.expose_secret()).await.unwrap();
        let deps = Deps::new(ApiConfig::from_env(&env).unwrap(), outbox, redis).unwrap();
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
        Self { pool, clock, amocrm, executor, api_url, env }
    }

    /// Starts another API process with changed variables; returns its address.
    pub(crate) async fn api_in(&self, change: impl FnOnce(Env) -> Env) -> String {
        let env = change(self.env.clone());
        let redis = connect_redis(Redis::from_env(&env).unwrap().url.expose_secret()).await.unwrap();
        let deps =
            Deps::new(ApiConfig::from_env(&env).unwrap(), self.executor.outbox().clone(), redis).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
        url
    }

    /// Executor of another worker of the same deployment with another key ring.
    pub(crate) async fn executor_with_ring(&self, ring: &str) -> Executor<App> {
        self.executor_with("FLYSK_KEYRING", ring).await
    }

    /// Executor of another worker of the same deployment with another value of a variable.
    pub(crate) async fn executor_with(&self, name: &str, value: &str) -> Executor<App> {
        self.executor_in(|env| env.with(name, value)).await
    }

    /// Executor of another worker of the same deployment with changed variables.
    pub(crate) async fn executor_in(&self, change: impl FnOnce(Env) -> Env) -> Executor<App> {
        executor(&change(self.env.clone()), self.executor.outbox()).await
    }

    pub(crate) async fn account(&self) -> AccountRow {
        let mut conn = self.pool.acquire().await.unwrap();
        accounts::find(&mut conn, AccountId(ACCOUNT)).await.unwrap().expect("FlySense has the account")
    }

    /// Inserts a call of the lead with a note; ids have the order of the notes.
    pub(crate) async fn insert_call(&self, conn: &mut Conn, note: u64) -> TranscriptionId {
        let id: TranscriptionId = format!("tr_{note:026}").parse().unwrap();
        let new = NewTranscription {
            id,
            account_id: AccountId(ACCOUNT),
            install_id: InstallId::generate(&self.clock),
            entity_type: call::EntityType::Lead,
            entity_id: EntityId(LEAD),
            note_id: NoteId(note),
            requested_by: None,
            left_channel: Role::Operator,
            trace: &Trace { correlation_id: "call".to_owned(), traceparent: None },
            now: self.clock.now(),
        };
        transcriptions::insert(conn, &new).await.unwrap();
        id
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Enqueues a job and runs due jobs.
    pub(crate) async fn run<J: Job>(&self, job: &J) {
        self.enqueue(job).await;
        self.run_due_jobs().await;
    }

    pub(crate) async fn enqueue<J: Job>(&self, job: &J) {
        let trace = Trace { correlation_id: "calls-test".to_owned(), traceparent: None };
        let mut unit = self.executor.outbox().begin(trace).await.unwrap();
        unit.enqueue(job).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// Runs due jobs, except stages of calls, until none is left.
    pub(crate) async fn run_due_jobs(&self) {
        self.run_due_jobs_on(&self.executor).await;
    }

    pub(crate) async fn run_due_jobs_on(&self, executor: &Executor<App>) {
        run_due_jobs(executor, async || self.due().await).await.unwrap();
    }

    pub(crate) async fn due(&self) -> Vec<JobRow> {
        let now = self.clock.now();
        let queued = self.jobs(JobState::Queued).await;
        queued.into_iter().filter(|job| job.run_at <= now && job.kind != "calls.fetch_recording").collect()
    }

    pub(crate) async fn jobs(&self, state: JobState) -> Vec<JobRow> {
        jobs::list(&mut self.pool.acquire().await.unwrap(), Some(state), None, 1_000).await.unwrap()
    }

    /// Adds a call to an entity, without a webhook; returns the note's id.
    pub(crate) fn silent_call(&self, entity_type: EntityType, seconds: u32) -> u64 {
        self.call(entity_type, seconds, true)
    }

    pub(crate) fn call(&self, entity_type: EntityType, seconds: u32, silently: bool) -> u64 {
        let link = Some("https://pbx.example.com/r/1.mp3".to_owned());
        let call = NewCall { entity_type, silently, ..call_of_lead(link, seconds) };
        self.amocrm.state.call(call).unwrap()
    }

    /// Adds a call of a lead without a recording and a webhook; returns the note's id.
    pub(crate) fn call_without_link(&self) -> u64 {
        let call = NewCall { silently: true, ..call_of_lead(None, 42) };
        self.amocrm.state.call(call).unwrap()
    }

    /// Notes whose transcription was requested, and the number of different correlation ids.
    pub(crate) async fn requested(&self) -> (Vec<u64>, i64) {
        let notes = sqlx::query_scalar("SELECT note_id FROM transcriptions ORDER BY note_id")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        let threads = sqlx::query_scalar("SELECT COUNT(DISTINCT correlation_id) FROM transcriptions")
            .fetch_one(&self.pool)
            .await
            .unwrap();
        (notes, threads)
    }

    /// Webhooks of the account.
    pub(crate) fn hooks(&self) -> Vec<Hook> {
        self.amocrm.state.hooks(ACCOUNT)
    }

    pub(crate) fn asked(&self, method: &str, path: &str) -> usize {
        self.amocrm.control.calls_to(method, path).len()
    }
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

/// Registers FlySense; returns its project token.
async fn register(env: &Env, outbox: &Outbox, events: &str) -> String {
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
    let issued = vault.widgets().register(&mut conn, &wanted).await.unwrap();
    let changes = Changes { event_url: Some(Some(events.to_owned())), ..Changes::default() };
    widgets::update(&mut conn, issued.id, &changes, outbox.clock().now()).await.unwrap();
    issued.project_token.expose_secret().to_owned()
}

fn environment(amocrm: &str, api: &str) -> Env {
    Env::from_process()
        .with("DATABASE_URL", "mysql://root@127.0.0.1/unused")
        .with("FLYSK_REDIS_PREFIX", &format!("calls-{:016x}", rand::random::<u64>()))
        .with("FLYSK_PUBLIC_URL", PUBLIC_ORIGIN)
        .with("FLYSK_KEYRING", OLD_RING)
        .with("FLYSK_AMOCRM_EGRESS_URL", amocrm)
        .with("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "1000")
        .with("FLYSK_OUTBOUND_ALLOW", api)
        .with("FLYSK_STORAGE_BUCKET", "unused")
        .with("FLYSK_STORAGE_ACCESS_KEY_ID", "unused")
        .with("FLYSK_STORAGE_SECRET_ACCESS_KEY", "unused")
        .with("FLYSK_SPEECHKIT_API_KEY", "unused")
        .with("FLYSENSE_PLATFORM_URL", &format!("http://{api}"))
        .with("FLYSENSE_CLIENT_ID", CLIENT_ID)
        .with("FLYSENSE_PROJECT_TOKEN", "not-registered-yet")
}
