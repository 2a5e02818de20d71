//! The peers of handshake, `PAuth` and previews: poem handlers that read and write the same rows and nothing else.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, QuoteId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, PeriodLength};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::Pool;
use flysk_store::platform::handshake;
use flysk_store::platform::subscriptions::{self, NewQuote};
use poem::http::StatusCode;
use poem::listener::TcpListener;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Route, Server, handler, post};
use serde_json::{Value, json};

use super::role::Role;
use super::servers::Servers;
use crate::environment::{ACCOUNT, CLIENT_ID};

/// Quotes of a subscription that the peer keeps, as the API does. With more, each of the API's deletes what the peer left.
const KEPT_QUOTES: u32 = 200;
/// Path of the peer of previews.
pub(super) const QUOTE_PATH: &str = "/quote";

/// The peer, running in its own process like the API.
#[derive(Debug)]
pub(super) struct Bare {
    child: Child,
    pub(super) url: String,
}

impl Bare {
    /// Starts the peer on the environment's database, with as many connections as the API.
    pub(super) async fn start(
        servers: &Servers,
        database_url: &str,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let role = Role::Bare { database_url: database_url.to_owned(), port, connections };
        let child = Command::new(servers.binaries.join("flysk-bench"))
            .args(["--role", &serde_json::to_string(&role)?])
            .stdin(Stdio::null())
            .spawn()?;
        let bare = Self { child, url: format!("http://127.0.0.1:{port}/") };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(bare);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        anyhow::bail!("the bare handler did not start")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is killed.
pub(super) async fn serve(database_url: &str, port: u16, connections: u32) -> anyhow::Result<()> {
    let pool = flysk_store::connect(database_url, connections).await?;
    let app = Route::new().at("/", post(answer)).at(QUOTE_PATH, post(answer_quote)).data(pool);
    Server::new(TcpListener::bind(("127.0.0.1", port))).run(app).await.context("the bare handler ended")
}

#[handler]
async fn answer(pool: Data<&Pool>) -> poem::Result<Json<Value>> {
    let away = |_| StatusCode::SERVICE_UNAVAILABLE;
    let mut conn = pool.acquire().await.map_err(away)?;
    let found = handshake::find(&mut conn, CLIENT_ID, AccountId(ACCOUNT)).await;
    let found = found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?.ok_or(StatusCode::NOT_FOUND)?;
    let install = found.install.ok_or(StatusCode::NOT_FOUND)?;
    let settings = install.settings.to_value().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({
        "install_id": install.id.to_string(),
        "status": install.status.as_str(),
        "settings": settings,
        "settings_version": install.settings_version,
    })))
}

/// The peer of previews: reads subscription, plan and pending changes, writes a quote, and deletes the oldest ones.
#[handler]
async fn answer_quote(pool: Data<&Pool>, _body: Json<Value>) -> poem::Result<Json<Value>> {
    let quote = write_quote(&pool).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({ "id": quote.to_string() })))
}

async fn write_quote(pool: &Pool) -> anyhow::Result<QuoteId> {
    let mut tx = pool.begin().await?;
    let id: String = sqlx::query_scalar(
        "SELECT s.id FROM subscriptions s JOIN widgets w ON w.id = s.widget_id WHERE w.client_uuid = ? LIMIT 1",
    )
    .bind(CLIENT_ID)
    .fetch_one(&mut *tx)
    .await?;
    let subscription: SubscriptionId = id.parse()?;
    let row = subscriptions::find_subscription(&mut tx, subscription).await?.context("no subscription")?;
    let plan: String =
        sqlx::query_scalar("SELECT id FROM subscription_plans LIMIT 1").fetch_one(&mut *tx).await?;
    subscriptions::list_pending(&mut tx, subscription).await?;
    let (now, quote) = (SystemClock.now(), QuoteId::generate(&SystemClock));
    let change = Change::Start { plan: plan.parse()?, seats: 3, length: PeriodLength::Month };
    let new = NewQuote {
        id: quote,
        subscription_id: subscription,
        base_version: row.version,
        change,
        lines: &[],
        total: Kopecks(297_000),
        expires_at: now,
        requested_by: "bench",
        now,
    };
    subscriptions::insert_quote(&mut tx, &new).await?;
    subscriptions::trim_quotes(&mut tx, subscription, KEPT_QUOTES).await?;
    tx.commit().await?;
    Ok(quote)
}
