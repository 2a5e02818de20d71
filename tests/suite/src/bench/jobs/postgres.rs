//! A private `PostgreSQL` server, the database of a peer. Its commits are flushed to disk, which is its default.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use crate::bench::machine::version;
use crate::ports::quiet_port;

/// Timeout of the start.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// User of the server's package. `PostgreSQL` refuses to run as root.
const SYSTEM_USER: &str = "postgres";

/// A server that is stopped and removed on drop.
pub(super) struct Postgres {
    server: Child,
    port: u16,
    version: String,
    /// After the server that writes into it.
    _dir: TempDir,
}

impl Postgres {
    /// Creates the data and starts the server, with as much memory for it as the benchmarks' MySQL has.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let executable = xtask::tools::POSTGRES.find().context("PostgreSQL 15 is not installed")?;
        // A link to the server may lie in a folder without the other programs.
        let executable = executable.canonicalize()?;
        let programs = executable.parent().context("an executable lies in a folder")?.to_owned();
        let parent = xtask::workspace::target().join("bench");
        std::fs::create_dir_all(&parent)?;
        let dir = tempfile::tempdir_in(parent)?;
        let user = other_user()?;
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid))?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let data = dir.path().join("data");
        let mut create = program("initdb");
        create.args([
            "--username=flysk",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        let created = create.arg(&data).stderr(Stdio::piped()).output().context("cannot start initdb")?;
        ensure!(created.status.success(), "initdb: {}", String::from_utf8_lossy(&created.stderr).trim());
        let port = quiet_port()?;
        let server = program("postgres")
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "shared_buffers=256MB", "-c", "max_connections=200"])
            .spawn()
            .context("cannot start PostgreSQL")?;
        let version = version(&executable, &["--version"]).unwrap_or_else(|| "PostgreSQL".to_owned());
        let mut server = Self { server, port, version, _dir: dir };
        server.wait_until_ready(programs.join("pg_isready")).await?;
        Ok(server)
    }

    /// Address of its only database.
    pub(super) fn url(&self) -> String {
        format!("postgres://flysk@127.0.0.1:{}/postgres", self.port)
    }

    /// What the server says of its version.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    async fn wait_until_ready(&mut self, pg_isready: PathBuf) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            if let Some(status) = self.server.try_wait()? {
                bail!("PostgreSQL ended at its start: {status}");
            }
            let mut asked = Command::new(&pg_isready);
            asked.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if asked.status().context("cannot start pg_isready")?.success() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "PostgreSQL was not ready after {READY_TIMEOUT:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT stops all its processes at once. SIGKILL would leave some for a while.
        let _gone_already = Command::new("kill").arg("-QUIT").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
    }
}

/// The user to run the server as, if this process is root's.
fn other_user() -> anyhow::Result<Option<(u32, u32)>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let found = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*name == SYSTEM_USER).then(|| Some((uid.parse().ok()?, gid.parse().ok()?)))?
    });
    Ok(Some(found.context("PostgreSQL does not run as root, and there is no user `postgres`")?))
}
