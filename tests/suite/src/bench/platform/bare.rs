//! The peers of handshake, `PAuth` and previews: poem handlers that read and write the same rows and nothing else.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_store::Pool;
use flysk_store::platform::handshake;
use poem::http::StatusCode;
use poem::listener::TcpListener;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Route, Server, handler, post};
use serde_json::{Value, json};

use crate::bench::jobs::role::Role;
use crate::bench::servers::Servers;
use crate::bench::subscriptions::{BARE_PATH, bare_quote};
use crate::environment::{ACCOUNT, CLIENT_ID};

/// The peer, running in its own process like the API.
#[derive(Debug)]
pub(in crate::bench) struct Bare {
    child: Child,
    pub(in crate::bench) url: String,
}

impl Bare {
    /// Starts the peer on the environment's database, with as many connections as the API.
    pub(in crate::bench) async fn start(
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
pub(in crate::bench) async fn serve(database_url: &str, port: u16, connections: u32) -> anyhow::Result<()> {
    let pool = flysk_store::connect(database_url, connections).await?;
    let app = Route::new().at("/", post(answer)).at(BARE_PATH, post(bare_quote)).data(pool);
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
