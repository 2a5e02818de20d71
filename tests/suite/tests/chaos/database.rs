//! Database connections: password authentication, a server that stops responding, and one that is read-only.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flysk_store::Pool;
use flysk_suite::chaos::directory::own_directory;
use flysk_suite::chaos::freeze;
use tempfile::TempDir;
use xtask::services::{Durability, Mysql, Server};

/// Time in which a pool leaves a server that takes no writes: it asks every second. One that does not ask never leaves it.
const MOVE_TIMEOUT: Duration = Duration::from_mins(2);

/// A private server, stopped on drop.
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
        Ok(flysk_store::connect_within(&Mysql::url(&self.server), connections, Duration::from_mins(2))
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

/// Without TLS, `caching_sha2_password` (`MySQL`'s default) sends the password encrypted with the server's RSA
/// key, unless the server has cached an earlier login; a server that just started has none.
#[tokio::test(flavor = "multi_thread")]
async fn password_authentication_works_without_tls_and_earlier_logins() -> anyhow::Result<()> {
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

/// Statements are dropped while the server is frozen; when it resumes, every connection of the pool works and
/// none returns the result of an earlier statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_loses_no_connection() -> anyhow::Result<()> {
    const CONNECTIONS: u32 = 6;
    let own = OwnServer::start(server()?)?;
    let pool = own.connect(CONNECTIONS).await?;
    for _ in 0..2 {
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(pool.begin().await?);
        }
        freeze(&own.server)?;
        let cut = open.into_iter().map(|mut tx| async move {
            let question = sqlx::query_scalar::<_, i64>("SELECT 1").fetch_one(&mut *tx);
            tokio::time::timeout(Duration::from_millis(100), question).await.is_err()
        });
        assert!(futures::future::join_all(cut).await.into_iter().all(|cut| cut), "a frozen server answered");
        // Longer than the wait for a returned connection (3 s).
        tokio::time::sleep(Duration::from_secs(4)).await;
        own.signal("CONT")?;
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(pool.acquire().await.context("a connection is lost")?);
        }
        for (number, conn) in held.iter_mut().enumerate() {
            let number = i64::try_from(number)?;
            let answer: i64 = sqlx::query_scalar("SELECT ? + 40").bind(number).fetch_one(&mut **conn).await?;
            assert_eq!(answer, number + 40, "the result of another statement");
        }
    }
    Ok(())
}

/// A primary that became a replica answers reads as before. The user may write nevertheless: privileges override `read_only`.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_is_down_and_left_for_another_node() -> anyhow::Result<()> {
    let (first, second) = (OwnServer::start(server()?)?, OwnServer::start(server()?)?);
    let alone = first.connect(2).await?;
    flysk_migrations::create_history(&alone).await?;
    let (address, port) = (format!(":{}/", first.server.port), second.server.port);
    let of_both = format!(":{},127.0.0.1:{port}/", first.server.port);
    let both = flysk_store::connect(&Mysql::url(&first.server).replace(&address, &of_both), 4).await?;
    flysk_store::check_primary(&both).await?;

    sqlx::query("SET GLOBAL read_only = ON").execute(&alone).await?;
    ensure!(flysk_store::check_primary(&alone).await.is_err(), "a read-only server is up");
    flysk_store::check_database(&alone).await?;
    let began = Instant::now();
    while sqlx::query_scalar::<_, i64>("SELECT CAST(@@port AS SIGNED)").fetch_one(&both).await?
        != i64::from(port)
    {
        ensure!(began.elapsed() < MOVE_TIMEOUT, "the pool uses a read-only server");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
