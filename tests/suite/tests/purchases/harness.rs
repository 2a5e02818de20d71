//! The product in one process: API and hosted page on a real socket, jobs run on demand, a simulated bank, one
//! shared clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flysk_api::{Config as ApiConfig, Deps, routes};
use flysk_config::{Env, Redis};
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, PackageId, PurchaseId, WalletId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::purchases::{PackageTerms, PurchaseState};
use flysk_domain::trace::Trace;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EphemeralQueue, Job, Outbox, RedisConnection, RedisKeys, connect_redis};
use flysk_services::widgets::Registration;
use flysk_simulators::amocrm::{self, Amocrm, WidgetTokenShape};
use flysk_simulators::tbank::{self, Payment, TBank};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::purchases::{self, Package, Purchase};
use flysk_store::platform::widgets::{self, Changes, Widget};
use flysk_store::{Pool, platform::ledger};
use flysk_suite::due_jobs::run_due_jobs;
use flysk_suite::environment::{
    ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, connect_as_in_production, seed_amocrm,
};
use flysk_workers::{App, config::Config as WorkerConfig, registry};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::MySql;
use sqlx::pool::PoolConnection;

use super::test_env::{TERMINAL, environment, variables};

/// Number of the test card that pays successfully.
pub(crate) const GOOD_CARD: &str = "2200000000000004";
/// Price of the package in kopecks, its coins and its bonus.
pub(crate) const PRICE: i64 = 50_000;
pub(crate) const COINS: i64 = 500_000_000;
pub(crate) const BONUS: i64 = 50_000_000;
/// Timeout for events in other processes, in real time.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(2);

/// The platform and its simulators.
pub(crate) struct TestApp {
    pub(crate) pool: Pool,
    pub(crate) clock: SimClock,
    pub(crate) bank: Running<TBank>,
    pub(crate) amocrm: Running<Amocrm>,
    pub(crate) executor: Executor<App>,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) wallet: WalletId,
    pub(crate) variables: BTreeMap<&'static str, String>,
}

impl TestApp {
    /// A widget installed in an account with an empty wallet, and one package.
    pub(crate) async fn open(pool: Pool) -> Self {
        Box::pin(Self::open_with(pool, |env| env)).await
    }

    /// The same at noon: the reconciliation of a day finds what happened some minutes before.
    pub(crate) async fn open_at_noon(pool: Pool) -> Self {
        Box::pin(Self::open_at(SimClock::at_noon(), pool, |env| env)).await
    }

    /// The same with changed environment variables.
    pub(crate) async fn open_with(pool: Pool, change: impl FnOnce(Env) -> Env) -> Self {
        // The system's time: commands and processes beside the application use it.
        Box::pin(Self::open_at(SimClock::default(), pool, change)).await
    }

    async fn open_at(clock: SimClock, pool: Pool, change: impl FnOnce(Env) -> Env) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let control = || Control::with_clock(clock.clone());
        let amocrm = amocrm::start(None, control()).await.unwrap();
        let terminal = tbank::Terminal {
            key: TERMINAL.to_owned(),
            password: "TinkoffBankTest".to_owned(),
            notification_url: None,
            cash_register: true,
            charge_enabled: false,
            blocked: false,
        };
        let options = tbank::Options { bind: None, terminals: vec![terminal] };
        let bank = tbank::start(options, control()).await.unwrap();
        seed_amocrm(&amocrm.state).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        amocrm.state.route(PUBLIC_ORIGIN, &url);
        let variables = variables(&amocrm.url, &bank.url, &url);
        let env = change(environment(&variables));
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let executor = executor(&env, &outbox).await;
        let config = ApiConfig::from_env(&env).unwrap();
        let deps = Deps::new(config, outbox, redis(&env).await.0).unwrap();
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(routes::app(deps)));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let wallet = WalletId::generate(&clock);
        let mut app = Self { pool, clock, bank, amocrm, executor, url, http, wallet, variables };
        app.install_flysense().await;
        app
    }

    async fn install_flysense(&mut self) {
        let wanted = Registration {
            code: "flysense".to_owned(),
            name: "FlySense".to_owned(),
            crm: Crm::Amocrm,
            client_uuid: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned().into(),
            redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        };
        let mut conn = self.conn().await;
        let issued = self.executor.app().vault.widgets().register(&mut conn, &wanted).await.unwrap();
        let changes = Changes { uses_flycoins: Some(true), ..Changes::default() };
        widgets::update(&mut conn, issued.id, &changes, self.clock.now()).await.unwrap();
        drop(conn);
        self.offer(PRICE, COINS, BONUS).await;
        let outcome = self.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        self.run_due_jobs().await;
        let install = self.install().await;
        let wallet = ledger::find_wallet_of_install(&mut *self.conn().await, install.id).await.unwrap();
        self.wallet = wallet.expect("the wallet was opened with the install").id;
    }

    /// Offers the package `start` with these terms.
    pub(crate) async fn offer(&self, price: i64, coins: i64, bonus: i64) -> Package {
        let widget = self.widget().await;
        let terms = PackageTerms {
            title: "Стартовый".to_owned(),
            price: Kopecks(price),
            coins: MicroCoins(coins),
            bonus: MicroCoins(bonus),
            bonus_days: (bonus > 0).then_some(90),
        };
        terms.check().unwrap();
        let id = PackageId::generate(&self.clock);
        let mut tx = self.pool.begin().await.unwrap();
        let code = "start".parse().unwrap();
        let set =
            purchases::set_package(&mut tx, id, widget.id, &code, &terms, self.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        set
    }

    pub(crate) async fn conn(&self) -> PoolConnection<MySql> {
        self.pool.acquire().await.unwrap()
    }

    pub(crate) async fn widget(&self) -> Widget {
        widgets::find_by_code(&mut *self.conn().await, "flysense").await.unwrap().unwrap()
    }

    pub(crate) async fn install(&self) -> Install {
        let widget = self.widget().await;
        let found = installs::find_in_account(&mut *self.conn().await, widget.id, AccountId(ACCOUNT)).await;
        found.unwrap().expect("the widget is installed")
    }

    pub(crate) async fn package(&self) -> Package {
        let widget = self.widget().await;
        let offered = purchases::list_packages_on_offer(&mut *self.conn().await, widget.id).await.unwrap();
        offered.into_iter().next().unwrap()
    }

    /// Available balance, micro-Flycoins.
    pub(crate) async fn balance(&self) -> i64 {
        let wallet = ledger::find_wallet(&mut *self.conn().await, self.wallet).await.unwrap();
        wallet.unwrap().available.0
    }

    /// Checks that the ledger is consistent.
    pub(crate) async fn assert_proven(&self) {
        let proof = ledger::verify(&mut *self.conn().await, 10).await.unwrap();
        assert_eq!(proof.discrepancies, []);
    }

    pub(crate) async fn find(&self, id: PurchaseId) -> Purchase {
        purchases::find_purchase(&mut *self.conn().await, id).await.unwrap().unwrap()
    }

    /// Jobs of a kind in a state.
    pub(crate) async fn jobs_of<J: Job>(&self, state: JobState) -> Vec<JobRow> {
        jobs::list(&mut *self.conn().await, Some(state), Some(J::KIND), 1_000).await.unwrap()
    }

    async fn due(&self) -> Vec<JobRow> {
        let now = self.clock.now();
        let queued = jobs::list(&mut *self.conn().await, Some(JobState::Queued), None, 1_000).await.unwrap();
        queued.into_iter().filter(|job| job.run_at <= now).collect()
    }

    /// Executor of another worker of this deployment, with another value of a variable.
    pub(crate) async fn executor_with(&self, name: &str, value: &str) -> Executor<App> {
        executor(&environment(&self.variables).with(name, value), self.executor.outbox()).await
    }

    /// Runs due jobs until none is left.
    pub(crate) async fn run_due_jobs(&self) {
        self.run_due_jobs_on(&self.executor).await;
    }

    pub(crate) async fn run_due_jobs_on(&self, executor: &Executor<App>) {
        run_due_jobs(executor, async || self.due().await).await.unwrap();
    }

    /// Advances the clock in small steps and runs due jobs.
    pub(crate) async fn run_minutes(&self, minutes: i64) {
        for _ in 0..minutes {
            self.clock.advance(chrono::Duration::minutes(1));
            self.enqueue(&flysk_jobs::platform::billing::ReconcileDue {}).await;
            self.run_due_jobs().await;
        }
    }

    pub(crate) async fn enqueue<J: Job>(&self, job: &J) {
        let mut unit = self.executor.outbox().begin(trace()).await.unwrap();
        unit.enqueue(job).await.unwrap();
        unit.commit().await.unwrap();
    }

    /// A one-time token of a user of the account.
    pub(crate) fn token(&self, user: u64) -> String {
        self.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, user, &WidgetTokenShape::default()).unwrap()
    }

    /// A request of the widget as this user.
    pub(crate) async fn ask_as(
        &self,
        user: u64,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.header("X-Auth-Token", self.token(user));
        if let Some(key) = key {
            // As bytes: a key may have other characters than ASCII.
            request = request.header("Idempotency-Key", key.as_bytes());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask_as(ADMIN, Method::GET, path, None, None).await
    }

    pub(crate) async fn order(&self, key: &str, save_card: bool) -> (StatusCode, Value) {
        let package = self.package().await.id;
        let body = json!({ "package_id": package, "email": "buh@example.test", "save_card": save_card });
        self.ask_as(ADMIN, Method::POST, "/v1/flycoins/purchases", Some(key), Some(body)).await
    }

    /// An administrator creates a purchase; no job has run yet.
    pub(crate) async fn begin(&self) -> PurchaseId {
        self.begin_with(false).await
    }

    pub(crate) async fn begin_with(&self, save_card: bool) -> PurchaseId {
        let key = format!("key-{:016x}", rand::random::<u64>());
        let (status, answer) = self.order(&key, save_card).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// Creates a purchase whose form at the bank is open.
    pub(crate) async fn opened(&self) -> PurchaseId {
        let id = self.begin().await;
        self.run_due_jobs().await;
        assert_eq!(self.find(id).await.state, PurchaseState::Awaiting);
        id
    }

    /// Creates a purchase that is paid and credited.
    pub(crate) async fn paid(&self) -> PurchaseId {
        let told = self.bank.state.deliveries().len();
        let id = self.opened().await;
        self.pay(id, GOOD_CARD);
        self.apply_notifications(told + 2).await;
        assert_eq!(self.find(id).await.state, PurchaseState::Paid);
        id
    }

    /// A refund in T-Bank's portal.
    pub(crate) async fn refund_in_merchant_portal(&self, id: PurchaseId, kopecks: i64) {
        let acquiring = self.executor.app().acquiring().unwrap();
        let cancel = flysk_clients::tbank::CancelRequest {
            payment_id: self.payment(id).id,
            amount: Kopecks(kopecks),
            external_request_id: None,
            receipt: None,
        };
        acquiring.bank.cancel(&cancel).await.unwrap();
    }

    /// The bank's payment of a purchase.
    pub(crate) fn payment(&self, id: PurchaseId) -> Payment {
        let payments = self.bank.state.payments();
        payments
            .into_iter()
            .find(|payment| payment.order_id == id.to_string())
            .expect("the bank has the payment")
    }

    /// Opens another payment for the purchase's order at the bank.
    pub(crate) async fn decoy(&self, id: PurchaseId) -> Payment {
        let acquiring = self.executor.app().acquiring().unwrap();
        let contact = "buh@example.test".parse().unwrap();
        let request = acquiring.init(&self.find(id).await, &contact).unwrap();
        let opened = acquiring.bank.init(&request).await.unwrap();
        self.bank.state.payment(&opened.payment_id).unwrap()
    }

    /// Pays on the bank's form.
    pub(crate) fn pay(&self, id: PurchaseId, card: &str) {
        let payment = self.payment(id);
        self.bank.state.pay(&payment.id, card).unwrap();
    }

    /// Waits until the bank has attempted `count` notifications in total, then runs due jobs.
    pub(crate) async fn apply_notifications(&self, count: usize) {
        self.wait_for_notifications(count).await;
        self.run_due_jobs().await;
    }

    /// Waits until the bank has attempted `count` notifications in total.
    pub(crate) async fn wait_for_notifications(&self, count: usize) {
        let deadline = tokio::time::Instant::now() + WAIT_TIMEOUT;
        while self.bank.state.deliveries().len() < count {
            assert!(tokio::time::Instant::now() < deadline, "the bank did not attempt {count} notifications");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Number of calls of a bank's method.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.bank.control.calls_to("POST", &format!("/v2/{method}")).len()
    }
}

async fn redis(env: &Env) -> (RedisConnection, RedisKeys) {
    let config = Redis::from_env(env).unwrap();
    (connect_redis(config.url.expose_secret()).await.unwrap(), RedisKeys::new(config.prefix))
}

async fn executor(env: &Env, outbox: &Outbox) -> Executor<App> {
    let (redis, keys) = redis(env).await;
    let (limits, ephemeral) =
        (RateLimiter::new(redis.clone(), keys.clone()), EphemeralQueue::new(redis, keys));
    let app = App::new(WorkerConfig::from_env(env).unwrap(), outbox.clone(), limits, ephemeral).unwrap();
    let owner = format!("app-{:08x}", rand::random::<u32>());
    Executor::new(outbox.clone(), registry(), Arc::new(app), owner, LeaseConfig::default())
}

/// Status and JSON body. A body that is not JSON is returned as a string.
pub(crate) async fn read(answer: reqwest::Response) -> (StatusCode, Value) {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn trace() -> Trace {
    Trace { correlation_id: "purchases-test".to_owned(), traceparent: None }
}
