//! Database connections: password authentication, and a server that stops responding.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flysk_store::Pool;
use flysk_suite::chaos::fleet::own_directory;
use tempfile::TempDir;
use xtask::services::{Durability, Mysql, Server};

const FREEZE_TIMEOUT: Duration = Duration::from_secs(5);

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
        Ok(flysk_store::connect_within(&Mysql::url(&self.server), connections, Duration::from_secs(30))
            .await?)
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent =
            Command::new("kill").arg(format!("-{signal}")).arg(self.server.pid.to_string()).status()?;
        if sent.success() { Ok(()) } else { bail!("kill -{signal} failed") }
    }

    /// Freezes the server and waits until every thread has stopped: `kill` returns before a thread on another core
    /// has seen the signal, and that thread still answers.
    async fn freeze(&self) -> anyhow::Result<()> {
        self.signal("STOP")?;
        let deadline = Instant::now() + FREEZE_TIMEOUT;
        while !self.is_frozen()? {
            ensure!(Instant::now() < deadline, "the server did not stop within {FREEZE_TIMEOUT:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Whether the kernel reports every thread as stopped (`T` in `/proc/PID/task/TID/stat`).
    fn is_frozen(&self) -> anyhow::Result<bool> {
        for task in std::fs::read_dir(format!("/proc/{}/task", self.server.pid))? {
            // A thread may exit between the listing and the read.
            let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
            // The name before the state is in parentheses and may contain spaces.
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if state != Some('T') {
                return Ok(false);
            }
        }
        Ok(true)
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
        own.freeze().await?;
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
