//! The peer: Django admin with models of its own over the same tables, under gunicorn with one worker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use xtask::tools::PYTHON_VENV;
use xtask::workspace;

use super::measure_requests;
use crate::bench::child::ChildGuard;
use crate::bench::times::Times;
use crate::ports::quiet_port;

/// Releases of Django, the newest first; the first that the installed Python can run is taken.
const DJANGO: [&str; 2] = ["Django==6.1.3", "Django==5.2.19"];
/// Drivers and their modules: Django's own first, then one that needs no compiler. The first that connects is taken.
const DRIVERS: [(&str, &str); 2] = [("mysqlclient==2.3.2", "MySQLdb"), ("PyMySQL[rsa]==1.2.4", "pymysql")];
const GUNICORN: &str = "gunicorn==27.0.1";
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// A list that takes longer is an error.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
/// Interval of the looks at the starting server.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A running Django admin and the session of a superuser.
pub(super) struct Django {
    /// Name and versions.
    pub(super) name: String,
    url: String,
    http: reqwest::Client,
    cookie: String,
    server: ChildGuard,
}

/// A virtual environment with Django.
struct Installed {
    python: PathBuf,
    /// Module of the database driver.
    driver: &'static str,
    database_url: String,
}

impl Django {
    /// Installs Django if necessary, creates its own tables beside ours, and starts it.
    pub(super) async fn start(database_url: &str) -> anyhow::Result<Self> {
        let (installed, session) = Installed::prepare(database_url)?;
        let version = installed.output(&["-m", "django", "--version"])?;
        let port = quiet_port()?;
        let address = format!("127.0.0.1:{port}");
        let serve = [
            "-m",
            "gunicorn",
            "--workers",
            "1",
            "--timeout",
            "300",
            "--log-level",
            "error",
            "--bind",
            &address,
        ];
        let mut command = installed.command(&serve);
        let log = std::fs::File::create(folder().join("gunicorn.log"))?;
        command.arg("peer.wsgi:application").stdout(log.try_clone()?).stderr(log);
        let server = ChildGuard(command.spawn().context("cannot start gunicorn")?);
        let deadline = Instant::now() + START_TIMEOUT;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(folder().join("gunicorn.log")).unwrap_or_default();
                bail!("gunicorn did not start: {log}");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(Self {
            name: format!("Django {} with {}", version.trim(), installed.driver),
            url: format!("http://{address}/admin/peer"),
            http: reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?,
            cookie: format!("sessionid={session}"),
            server,
        })
    }

    /// Times of the first page of a model's list.
    pub(super) async fn measure(&self, model: &str, requests: usize) -> anyhow::Result<Times> {
        let url = format!("{}/{model}/", self.url);
        measure_requests(requests, || self.get(&url)).await
    }

    async fn get(&self, url: &str) -> anyhow::Result<()> {
        let answer = self.http.get(url).header(COOKIE, &self.cookie).send().await?;
        let status = answer.status();
        let page = answer.text().await?;
        ensure!(status == StatusCode::OK && page.contains("result_list"), "{url} was answered with {status}");
        Ok(())
    }
}

/// Gunicorn stops its worker, which would outlive a killed master for minutes.
impl Drop for Django {
    fn drop(&mut self) {
        let _gone_already = Command::new("kill").arg("-TERM").arg(self.server.0.id().to_string()).status();
        let _ = self.server.0.wait();
    }
}

impl Installed {
    /// Installs what is missing below `target` and creates Django's own tables; returns also the key of a session.
    fn prepare(database_url: &str) -> anyhow::Result<(Self, String)> {
        let python = virtual_environment()?;
        install(&python, &DJANGO).context("cannot install Django")?;
        install(&python, &[GUNICORN]).context("cannot install gunicorn")?;
        let mut refused = anyhow!("no database driver is known");
        for (package, driver) in DRIVERS {
            let installed = Self { python: python.clone(), driver, database_url: database_url.to_owned() };
            let prepared =
                install(&python, &[package]).and_then(|()| installed.output(&["-m", "peer.prepare"]));
            match prepared {
                Ok(printed) => {
                    let session = printed.lines().last().context("Django printed no session")?;
                    return Ok((installed, session.trim().to_owned()));
                }
                Err(error) => refused = error.context(package),
            }
        }
        Err(refused)
    }

    /// Python in the virtual environment, with the peer's package.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(args)
            .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join("django"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PEER_DATABASE_URL", &self.database_url)
            .env("PEER_DRIVER", self.driver)
            .stdin(Stdio::null());
        command
    }

    fn output(&self, args: &[&str]) -> anyhow::Result<String> {
        run(&mut self.command(args))
    }
}

/// Directory of the virtual environment and the server's log.
fn folder() -> PathBuf {
    workspace::target().join("bench").join("django")
}

/// Python in a virtual environment, which is created once.
fn virtual_environment() -> anyhow::Result<PathBuf> {
    let python = PYTHON_VENV.find().context("Python 3 is not installed")?;
    let venv = folder().join("venv");
    let own = venv.join("bin").join("python");
    if !own.is_file() {
        run(Command::new(python).args(["-m", "venv"]).arg(&venv))
            .context("cannot create a Python virtual environment")?;
    }
    Ok(own)
}

/// Installs the first of these packages that can be.
fn install(python: &Path, packages: &[&str]) -> anyhow::Result<()> {
    let mut refused = anyhow!("no package was named");
    for package in packages {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]);
        match run(&mut pip) {
            Ok(_) => return Ok(()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Runs a command to its end; returns its standard output.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.trim().lines().last().unwrap_or_default();
    ensure!(output.status.success(), "{}: {last}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
