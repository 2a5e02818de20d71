//! Private MariaDB or MySQL server.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::choice::Database;
use super::data_template;
use super::port::loopback;
use super::server::{Server, ServerSpec, tail};
use crate::process;
use crate::tools::{self, MARIADB_INSTALL_DB, MYSQL, ReleaseRoot, SYSTEM_MYSQLD};

/// Statements executed at each start before connections are accepted, one per line.
///
/// The user has a password, as in production, because authentication depends on the server and on TLS. `localhost` is the Unix
/// socket.
const INIT_SQL: &str = "\
CREATE DATABASE IF NOT EXISTS flysk CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE USER IF NOT EXISTS 'flysk'@'127.0.0.1' IDENTIFIED BY 'flysk';
GRANT ALL PRIVILEGES ON *.* TO 'flysk'@'127.0.0.1' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS 'flysk'@'localhost' IDENTIFIED BY 'flysk';
GRANT ALL PRIVILEGES ON *.* TO 'flysk'@'localhost' WITH GRANT OPTION;
";

/// Directory of `AppArmor` profiles.
const APPARMOR_PROFILE_DIR: &str = "/etc/apparmor.d";

/// Kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `MariaDB`.
    MariaDb,
    /// `MySQL`.
    MySql,
}

/// Durability of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a crash of the server, not of the machine: for tests.
    Process,
    /// Survives a crash of the machine, as in production: for benchmarks.
    Machine,
}

/// The programs of a database server.
#[derive(Debug, Clone)]
pub struct Mysql {
    server: PathBuf,
    flavour: Flavour,
    install_db: Option<PathBuf>,
    /// Root file system of an unpacked server; `None` for the system's server.
    root: Option<PathBuf>,
    version: String,
    tls: bool,
}

impl Mysql {
    /// Finds the programs of the server that the environment selects; `None` if one is missing.
    pub fn find() -> Option<Self> {
        Self::find_for(Database::from_process().ok()?)
    }

    /// Finds the programs of this server; `None` if one is missing.
    pub fn find_for(database: Database) -> Option<Self> {
        let system = || Self::with(MYSQL.find()?, MARIADB_INSTALL_DB.find(), None);
        let unpacked = |root: &ReleaseRoot| {
            let install_db = Some(root.path("usr/bin/mariadb-install-db")).filter(|script| script.is_file());
            Self::with(root.find()?, install_db, Some(root.path("")))
        };
        match (database, database.root()) {
            (Database::Mysql | Database::GroupReplication, Some(root)) => {
                system_mysql().or_else(|| unpacked(root))
            }
            (_, Some(root)) => unpacked(root),
            (_, None) => system(),
        }
    }

    /// Finds the programs of this server; installs or unpacks missing ones.
    pub fn require(database: Database) -> Result<Self> {
        if let Some(found) = Self::find_for(database) {
            return Ok(found);
        }
        if let Some(root) = database.root() {
            root.require()?;
        } else {
            tools::require(&[&MYSQL])?;
            if Self::find_for(database).is_none() {
                tools::require(&[&MARIADB_INSTALL_DB])?;
            }
        }
        Self::find_for(database).context("cannot read the version of the database server")
    }

    fn with(server: PathBuf, install_db: Option<PathBuf>, root: Option<PathBuf>) -> Option<Self> {
        let version = version(&server)?;
        let flavour = if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
        if flavour == Flavour::MariaDb && install_db.is_none() {
            return None;
        }
        Some(Self { server, flavour, install_db, root, version, tls: true })
    }

    /// Kind of the server.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The server's executable.
    pub fn executable(&self) -> &Path {
        &self.server
    }

    /// The same server without TLS. Otherwise it offers TLS if that is its default.
    #[must_use]
    pub fn without_tls(self) -> Self {
        Self { tls: false, ..self }
    }

    /// Version that the server reports.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// URL of a server that was started here, with user, password and the empty database `flysk`.
    pub fn url(server: &Server) -> String {
        Self::url_at(&format!("127.0.0.1:{}", server.port))
    }

    /// The URL of the nodes of a cluster, beginning with `first`, which is used while it takes writes.
    pub fn url_from(nodes: &[Server], first: usize) -> String {
        let count = nodes.len();
        let addresses: Vec<String> =
            (0..count).map(|step| format!("127.0.0.1:{}", nodes[(first + step) % count].port)).collect();
        Self::url_at(&addresses.join(","))
    }

    /// The URL of servers at these addresses, separated by commas.
    fn url_at(addresses: &str) -> String {
        format!("mysql://flysk:flysk@{addresses}/flysk")
    }

    /// Starts a server with data in `dir`; existing data is kept.
    pub fn start(&self, dir: &Path, last_port: Option<u16>, durability: Durability) -> Result<Server> {
        let (dir, log) = self.prepare(dir)?;
        let command = |port| self.command(&dir, port, durability);
        Server::start(
            &ServerSpec { name: "the database", log: &log, command: &command, ready: &greets },
            &dir,
            last_port,
        )
        .map_err(|error| match self.apparmor_hint() {
            Some(hint) => anyhow!("{error:#}\n{hint}"),
            None => error,
        })
    }

    /// Creates the data directory in `dir`, if there is none, and the statements of the start; returns the directory's whole path,
    /// and that of the log.
    pub(super) fn prepare(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let log = dir.join("mysqld.log");
        self.lay_out(&dir, &log)?;
        fs::write(dir.join("at-start.sql"), INIT_SQL).context("cannot write the start-up statements")?;
        Ok((dir, log))
    }

    /// A hint about `AppArmor`, whose profile in Ubuntu may deny the server access to our directory.
    fn apparmor_hint(&self) -> Option<String> {
        if self.flavour == Flavour::MariaDb {
            return None; // its profile has no restrictions
        }
        let profile =
            Path::new(APPARMOR_PROFILE_DIR).join(format!("usr.sbin.{}", self.server.file_name()?.to_str()?));
        profile.exists().then(|| {
            let profile = profile.display();
            format!(
                "If files of a directory of yours cannot be made or read: AppArmor confines this server to the \
                 system's own directories; `sudo apparmor_parser --remove {profile}` disables it until the next boot"
            )
        })
    }

    /// Creates the data directory once; an incomplete one is created again.
    fn lay_out(&self, dir: &Path, log: &Path) -> Result<()> {
        let data = dir.join("data");
        let laid_out = dir.join("laid-out");
        if laid_out.exists() {
            return Ok(());
        }
        if data.exists() {
            fs::remove_dir_all(&data).context("cannot remove an incomplete data directory")?;
        }
        data_template::instantiate(&self.version, &data, |data| self.initialize(data, log))?;
        fs::write(laid_out, "").context("cannot mark the data directory as complete")
    }

    fn initialize(&self, data: &Path, log: &Path) -> Result<()> {
        let mut command = if let (Some(install_db), Flavour::MariaDb) = (&self.install_db, self.flavour) {
            let mut command = Command::new(install_db);
            command
                .env("MYSQLD_BOOTSTRAP", &self.server)
                .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
                .arg("--force"); // required if the machine cannot resolve its own name, as in many containers
            if let Some(root) = &self.root {
                command.arg(option("--basedir=", &root.join("usr")));
            }
            command
        } else {
            let mut command = Command::new(&self.server);
            command.args(["--no-defaults", "--initialize-insecure"]);
            command
        };
        let output =
            File::options().create(true).append(true).open(log).context("cannot write the database's log")?;
        command
            .arg(option("--datadir=", data))
            .args(as_root())
            .stdout(Stdio::from(output.try_clone().context("cannot share a log file")?))
            .stderr(Stdio::from(output));
        if !process::run(&mut command)?.success() {
            let hint = self.apparmor_hint().map_or_else(String::new, |hint| format!("\n{hint}"));
            bail!("cannot create the database's data directory:\n{}{hint}", tail(log));
        }
        Ok(())
    }

    /// The command that starts a server with data in `dir`.
    pub(super) fn command(&self, dir: &Path, port: u16, durability: Durability) -> Command {
        let mut command = Command::new(&self.server);
        let flush = match durability {
            Durability::Process => "--innodb-flush-log-at-trx-commit=2",
            Durability::Machine => "--innodb-flush-log-at-trx-commit=1",
        };
        command
            .arg("--no-defaults") // must be first, otherwise the system configuration is read
            .arg(option("--datadir=", &dir.join("data")))
            .arg(option("--init-file=", &dir.join("at-start.sql")))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            // Relative to the data directory, because socket paths are limited to 107 bytes.
            .args(["--socket=mysqld.sock", "--pid-file=mysqld.pid"])
            .args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"])
            .args(["--max-connections=500", "--skip-log-bin", flush])
            // Each connection caches up to 256 statements.
            .args(["--max-prepared-stmt-count=131072"])
            .args(["--innodb-buffer-pool-size=256M", "--performance-schema=OFF"])
            .args(as_root());
        if durability == Durability::Machine {
            command.arg(self.redo_log_option());
        }
        if self.flavour == Flavour::MySql {
            // The default is a directory of the system's package, which may not exist.
            command.args(["--mysqlx=OFF", "--secure-file-priv=NULL"]);
        }
        match self.flavour {
            _ if self.tls => {}
            Flavour::MySql => {
                command.arg("--tls-version=");
            }
            Flavour::MariaDb => {
                command.arg("--skip-ssl");
            }
        }
        command
    }

    /// A redo log as `docs/scaling.md` advises. With that of the default, some 100 MB, the server stops all writes every few seconds
    /// while many rows are deleted, to write pages.
    const fn redo_log_option(&self) -> &'static str {
        match self.flavour {
            Flavour::MySql => "--innodb-redo-log-capacity=1G",
            Flavour::MariaDb => "--innodb-log-file-size=1G",
        }
    }
}

/// The option to run as root, which both servers refuse by default; containers often have no other user.
fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

fn version(server: &Path) -> Option<String> {
    let version = process::output(Command::new(server).args(["--no-defaults", "--version"])).ok()??;
    Some(String::from_utf8_lossy(&version).trim().to_owned())
}

/// The system's server if it is `MySQL`.
fn system_mysql() -> Option<Mysql> {
    let server = MYSQL.find().into_iter().chain(SYSTEM_MYSQLD.find());
    server.filter_map(|server| Mysql::with(server, None, None)).find(|found| found.flavour == Flavour::MySql)
}

/// Whether the server accepts connections. It then sends a greeting whose byte 5 is the protocol version 10
/// (client/server protocol, `HandshakeV10`). An error packet has 255 there.
pub(super) fn greets(port: u16) -> bool {
    let timeout = Duration::from_secs(5);
    let Ok(mut stream) = TcpStream::connect_timeout(&loopback(port), timeout) else { return false };
    let mut greeting = [0; 5];
    stream.set_read_timeout(Some(timeout)).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && greeting[4] == 10
}
