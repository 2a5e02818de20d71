//! How the product reaches its database: passwords, and a server that stops answering.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flysk_store::Pool;
use flysk_suite::chaos::fleet::own_directory;
use tempfile::TempDir;
use xtask::services::{Durability, Mysql, Server};

/// A server of the test's own, stopped when it is dropped.
struct OwnServer {
    server: Server,
    mysql: Mysql,
    dir: TempDir,
}

impl OwnServer {
    fn start(mysql: Mysql) -> anyhow::Result<Self> {
        let dir = own_directory()?;
        let server = mysql.start(dir.path(), None, Durability::Process)?;
        Ok(Self { server, mysql, dir })
    }

    fn restart(&mut self) -> anyhow::Result<()> {
        self.server.stop();
        self.server = self.mysql.start(self.dir.path(), None, Durability::Process)?;
        Ok(())
    }

    async fn connect(&self, connections: u32) -> anyhow::Result<Pool> {
        Ok(flysk_store::connect_within(&Mysql::url(&self.server), connections, Duration::from_secs(30))
            .await?)
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent =
            Command::new("kill").arg(format!("-{signal}")).arg(self.server.pid.to_string()).status()?;
        if sent.success() { Ok(()) } else { bail!("kill -{signal} failed") }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _it_runs = self.signal("CONT");
        self.server.stop();
    }
}

fn server() -> anyhow::Result<Mysql> {
    Mysql::find().context("no database server: run `cargo xtask test`, which installs it")
}

/// `caching_sha2_password` (`MySQL`'s default) sends the password under the server's RSA key where there is no TLS, unless the
/// server remembers an earlier login; a server that just started remembers none.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_server_without_tls_whoever_came_before() -> anyhow::Result<()> {
    let mut own = OwnServer::start(server()?.without_tls())?;
    for _ in 0..2 {
        let pool = own.connect(2).await?;
        let (_, cipher): (String, String) =
            sqlx::query_as("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(&pool).await?;
        assert_eq!(cipher, "", "the connection is encrypted");
        pool.close().await;
        own.restart()?;
    }
    Ok(())
}

/// Statements are cut while the server is frozen; when it goes on, every connection of the pool can be had and none
/// answers an old question.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_costs_no_connection() -> anyhow::Result<()> {
    const CONNECTIONS: u32 = 6;
    let own = OwnServer::start(server()?)?;
    let pool = own.connect(CONNECTIONS).await?;
    for _ in 0..2 {
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(pool.begin().await?);
        }
        own.signal("STOP")?;
        let cut = open.into_iter().map(|mut tx| async move {
            let question = sqlx::query_scalar::<_, i64>("SELECT 1").fetch_one(&mut *tx);
            tokio::time::timeout(Duration::from_millis(100), question).await.is_err()
        });
        assert!(futures::future::join_all(cut).await.into_iter().all(|cut| cut), "a frozen server answered");
        // The fault lasts longer than a connection that is given back is waited for (3 s).
        tokio::time::sleep(Duration::from_secs(4)).await;
        own.signal("CONT")?;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(pool.acquire().await.context("a connection is lost")?);
        }
        for (number, conn) in held.iter_mut().enumerate() {
            let number = i64::try_from(number)?;
            let answer: i64 = sqlx::query_scalar("SELECT ? + 40").bind(number).fetch_one(&mut **conn).await?;
            assert_eq!(answer, number + 40, "an answer to somebody else's question");
        }
    }
    Ok(())
}
