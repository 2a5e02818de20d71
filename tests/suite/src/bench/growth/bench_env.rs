//! An environment with a customer, and the requests of its hot paths.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_domain::SystemClock;
use flysk_queue::{Outbox, QueueNotifier, RedisKeys, connect_redis};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;

use crate::bench::servers::Servers;
use crate::environment::{ACCOUNT, Client, DEFAULT_WELCOME_BONUS, Environment, LEAD, Options, PUBLIC_ORIGIN};

/// Coins for all charges.
const COINS_MICRO: i64 = 1_000_000_000_000_000;
/// Charges of the measured customer before the measurement, and calls of the card: full pages in both environments.
const FIRST_ROWS: u32 = 20;
const PAGE_ROWS: u32 = 10;

/// A running environment. Its worker is stopped, so that nothing else happens.
#[derive(Debug)]
pub(super) struct BenchEnv {
    pub(super) env: Environment,
    http: reqwest::Client,
    client: Client,
    hook_url: String,
}

impl BenchEnv {
    /// Starts an environment, installs FlySense, credits coins, and writes a page of calls and of charges.
    pub(super) async fn start(servers: &Servers) -> anyhow::Result<Self> {
        let options = Options {
            welcome_bonus: Some(DEFAULT_WELCOME_BONUS),
            more: [
                ("FLYSK_BACKEND_REQUESTS_PER_MINUTE".to_owned(), "100000000".to_owned()),
                ("FLYSK_HOOKS_PER_HOUR".to_owned(), "0".to_owned()),
            ]
            .into(),
            ..servers.environment()
        };
        let mut env = Environment::start(options).await.context("the environment does not start")?;
        env.install().await.context("FlySense cannot be installed")?;
        env.wait_for("SELECT COUNT(*) FROM wallets WHERE available_micro > 0", 1).await?;
        env.give_coins(COINS_MICRO).await?;
        env.kill(1)?;
        sqlx::query("DELETE FROM jobs").execute(&env.pool).await?;
        let hooks = env.simulators.amocrm.state.hooks(ACCOUNT);
        let hook = hooks.first().context("FlySense has subscribed to notes")?;
        let hook_url = hook.destination.replace(PUBLIC_ORIGIN, &env.api_url);
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let bench = Self { client: env.client()?, env, http, hook_url };
        for number in 0..FIRST_ROWS {
            bench.charge(&format!("first-{number}")).await?;
            bench.add_call(number).await?;
        }
        Ok(bench)
    }

    /// An outbox of the environment, whose worker is woken at once.
    pub(super) async fn outbox(&self) -> anyhow::Result<Outbox> {
        let url = self.env.variables().get("REDIS_URL").context("the environment has a Redis")?;
        let redis = connect_redis(url).await?;
        let notifier = QueueNotifier::new(redis, RedisKeys::new(self.env.name()));
        Ok(Outbox::new(self.env.pool.clone(), Some(notifier), Arc::new(SystemClock)))
    }

    /// Address of the database.
    pub(super) fn database_url(&self) -> anyhow::Result<String> {
        let url = self.env.variables().get("DATABASE_URL");
        Ok(url.context("the environment has a database")?.clone())
    }

    /// Time of a handshake.
    pub(super) async fn handshake(&self) -> anyhow::Result<Duration> {
        let request = self.http.post(format!("{}/v1/handshake", self.env.api_url));
        let request = request.header("X-Auth-Token", self.client.token()?);
        self.answered(request.header("Content-Type", "application/json").body(""), StatusCode::OK).await
    }

    /// Time of a `PAuth`.
    pub(super) async fn pauth(&self) -> anyhow::Result<Duration> {
        let request = self.http.post(format!("{}/v1/pauth", self.env.api_url));
        let request = request.header("X-Project-Token", &self.env.project_token);
        self.answered(request.json(&json!({ "token": self.client.token()? })), StatusCode::OK).await
    }

    /// Time of a webhook of amoCRM about a plain note.
    pub(super) async fn hook(&self, number: u32) -> anyhow::Result<Duration> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("account[subdomain]", "demo").append_pair("account[id]", &ACCOUNT.to_string());
        for (field, value) in [
            ("id", (900_000_000 + number).to_string()),
            ("note_type", "4".to_owned()),
            ("element_type", "2".to_owned()),
            ("element_id", LEAD.to_string()),
            ("text", "measured".to_owned()),
            ("account_id", ACCOUNT.to_string()),
        ] {
            form.append_pair(&format!("leads[note][0][note][{field}]"), &value);
        }
        let request = self.http.post(&self.hook_url).header("User-Agent", "amoCRM-Webhooks/3.0");
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish());
        self.answered(request, StatusCode::NO_CONTENT).await
    }

    /// Time of a charge.
    pub(super) async fn charge(&self, key: &str) -> anyhow::Result<Duration> {
        self.charger().charge(key).await
    }

    /// What charges the customer, to be moved into a task.
    pub(super) fn charger(&self) -> Charger {
        Charger {
            http: self.http.clone(),
            url: format!("{}/v1/backend/flycoins/charges", self.env.api_url),
            project_token: self.env.project_token.clone(),
        }
    }

    /// Time of the list of a card.
    pub(super) async fn card(&self) -> anyhow::Result<Duration> {
        self.page(&format!(
            "/v1/flysense/transcriptions?entity_type=leads&entity_id={LEAD}&limit={PAGE_ROWS}"
        ))
        .await
    }

    /// Time of a page of the customer's history.
    pub(super) async fn history(&self, filter: &str) -> anyhow::Result<Duration> {
        self.page(&format!("/v1/flycoins/transactions?limit={PAGE_ROWS}{filter}")).await
    }

    async fn page(&self, path: &str) -> anyhow::Result<Duration> {
        let request = self.http.get(format!("{}{path}", self.env.api_url));
        self.answered(request.header("X-Auth-Token", self.client.token()?), StatusCode::OK).await
    }

    async fn answered(&self, request: RequestBuilder, expected: StatusCode) -> anyhow::Result<Duration> {
        answered(request, expected).await.with_context(|| self.env.logs())
    }

    /// Adds a call to the measured card.
    async fn add_call(&self, number: u32) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state, duration_ms,
                                         left_channel, tags, correlation_id, created_at, updated_at, finished_at)
             SELECT ?, account_id, install_id, 'leads', ?, ?, 'done', 60000, 'operator', '[]', 'bench', NOW(6), NOW(6), NOW(6)
             FROM flysense_accounts WHERE account_id = ?",
        )
        .bind(format!("tr_{number:026}"))
        .bind(LEAD)
        .bind(800_000_000 + number)
        .bind(ACCOUNT)
        .execute(&self.env.pool)
        .await?;
        Ok(())
    }
}

/// Charges the customer.
#[derive(Debug, Clone)]
pub(super) struct Charger {
    http: reqwest::Client,
    url: String,
    project_token: String,
}

impl Charger {
    /// Time of a charge for a second of recognition.
    pub(super) async fn charge(&self, key: &str) -> anyhow::Result<Duration> {
        let lines = json!([{ "service": "flysense.recognition", "quantity": 1 }]);
        let request = self.http.post(&self.url).header("X-Project-Token", &self.project_token);
        let request = request.header("Idempotency-Key", key);
        answered(request.json(&json!({ "account_id": ACCOUNT, "lines": lines })), StatusCode::CREATED).await
    }
}

/// Time until the whole answer is there.
async fn answered(request: RequestBuilder, expected: StatusCode) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.text().await?;
    let took = began.elapsed();
    ensure!(status == expected, "answered with {status}: {body}");
    Ok(took)
}
