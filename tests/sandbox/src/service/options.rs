//! The command line of `flysk-sandbox`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, ensure};
use chrono::{DateTime, TimeZone as _, Utc};
use clap::Parser;
use flysk_config::{ConfigError, Database, Env, Redis};
use flysk_domain::{Clock as _, SystemClock};
use url::Url;

use super::definition::WidgetDefinition;
use super::problem::Problem;
use super::scene::ClockMode;
use super::span;

/// Flysk for the CI of vendors: API, worker, scheduler, amoCRM, T-Bank and a mail server in one process, on one clock that
/// `POST /_sandbox/clock/advance` moves
///
/// Creates a database of its own on the given server and deletes it at the end. Prints one line of JSON to standard output
/// when it is ready, the same as text to standard error, and runs until SIGINT or SIGTERM. Everything that a test needs is in
/// that line: docs/sandbox.md.
#[derive(Parser)]
#[command(name = "flysk-sandbox", version)]
pub struct Options {
    /// MySQL 8 or MariaDB 10.11 server, as a user who may create databases: `mysql://root@127.0.0.1:3306`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(super) database_url: String,
    /// Redis: `redis://127.0.0.1:6379/0`
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub(super) redis_url: String,
    /// Name of the database instead of a new one, such as `sandbox_ci`; it must begin with `sandbox_`. All rows in it are
    /// deleted. One that exists already saves the time of migrating it
    #[arg(long, value_name = "NAME")]
    pub(super) database: Option<String>,
    /// Keep the database at the end
    #[arg(long)]
    pub(super) keep: bool,
    /// Port of the API on 127.0.0.1; by default a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address to listen on instead of 127.0.0.1, such as 0.0.0.0 in a container
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Address at which browsers and backends reach the API, if it is another one than the listener's
    #[arg(long, value_name = "URL")]
    public_url: Option<Url>,
    /// Name at which the control API is reached beside the public URL's, such as `sandbox.ci.svc.cluster.local`; repeatable. IP
    /// addresses, localhost and names without a dot need none
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// URL of your backend for events, http or https. Without one the sandbox accepts events itself
    #[arg(long, env = "FLYSK_SANDBOX_EVENT_URL", value_name = "URL")]
    event_url: Option<String>,
    /// The widget with its prices, plans and accounts, as JSON: docs/sandbox.md
    #[arg(long, value_name = "FILE")]
    widget: Option<PathBuf>,
    /// Time at the start, such as 2027-01-31T09:00:00Z; by default now
    #[arg(long, value_name = "TIME", value_parser = span::time)]
    starts_at: Option<DateTime<Utc>>,
    /// Whether the clock stands until it is advanced, or runs
    #[arg(long, value_enum, default_value_t = ClockMode::Frozen)]
    pub(super) clock: ClockMode,
    /// Leave signatures of events as Flysk made them, with the time of the sandbox. By default they are made again with the time
    /// of this machine, which your backend compares them with
    #[arg(long)]
    pub(super) sandbox_signatures: bool,
    /// Print the text for people only, no JSON
    #[arg(long)]
    pub(super) no_json: bool,
}

impl Options {
    /// Checks the addresses of database and Redis, as the processes of the product check their variables.
    ///
    /// # Errors
    ///
    /// They are not those of MySQL and Redis.
    pub(super) fn check_servers(&self) -> anyhow::Result<()> {
        let env = Env::default().with("DATABASE_URL", &self.database_url).with("REDIS_URL", &self.redis_url);
        let refused = |option: &str, error: &ConfigError| {
            let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
            anyhow!("{option} or {}", told.join("; "))
        };
        Database::from_env(&env).map_err(|error| refused("--database-url", &error))?;
        Redis::from_env(&env).map_err(|error| refused("--redis-url", &error))?;
        Ok(())
    }

    /// Address of the listener.
    pub(super) fn listen(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port)
    }

    /// The widget: that of the file, or `my-widget`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, has a field that is not known, or a service of another widget.
    pub(super) fn widget(&self) -> anyhow::Result<WidgetDefinition> {
        let Some(path) = &self.widget else { return Ok(WidgetDefinition::default()) };
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        WidgetDefinition::read(&text, path.display()).map_err(anyhow::Error::msg)
    }

    /// URL of the vendor's backend.
    ///
    /// # Errors
    ///
    /// It is not an http or https URL.
    pub(super) fn event_url(&self) -> anyhow::Result<Option<String>> {
        // Compose files write variables that are not set as empty ones.
        let url = self.event_url.as_deref().filter(|url| !url.is_empty());
        let url = url.map(check_event_url).transpose();
        url.map_err(|problem| anyhow::anyhow!("--event-url: {problem}"))
    }

    /// Address of the API for browsers and backends, without a slash at the end; `own` is the listener's.
    ///
    /// # Errors
    ///
    /// It is not an origin.
    pub(super) fn public_url(&self, own: &str) -> anyhow::Result<String> {
        let Some(url) = &self.public_url else { return Ok(own.to_owned()) };
        let is_origin =
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
        ensure!(is_origin, "--public-url is an address without a path, such as http://127.0.0.1:8090");
        Ok(url.origin().ascii_serialization())
    }

    /// Time at the start, in whole seconds.
    ///
    /// # Errors
    ///
    /// It is out of the range of a sandbox.
    pub(super) fn starts_at(&self) -> anyhow::Result<DateTime<Utc>> {
        let time = self.starts_at.unwrap_or_else(|| SystemClock.now());
        let time = DateTime::from_timestamp(time.timestamp(), 0).context("--starts-at")?;
        check_time(time).map_err(|problem| anyhow::anyhow!("--starts-at: {problem}"))
    }
}

/// The time, if a sandbox can show it. Times are bound as MySQL's TIMESTAMP, which ends in January 2038, and a yearly
/// subscription looks a year ahead.
///
/// # Errors
///
/// It is before 2020 or after 2036.
pub(super) fn check_time(time: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let begins = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single();
    let is_within =
        begins(2020).is_some_and(|first| time >= first) && begins(2037).is_some_and(|end| time < end);
    if is_within { Ok(time) } else { Err(Problem::invalid("a sandbox's time is between 2020 and 2036")) }
}

/// The URL, if events can be sent to it.
///
/// # Errors
///
/// It is not an http or https URL.
pub(super) fn check_event_url(text: &str) -> Result<String, Problem> {
    let is_known =
        Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_known {
        Ok(text.to_owned())
    } else {
        Err(Problem::invalid(format!("`{text}` is not an http or https URL")))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn options(more: &[&str]) -> Options {
        let servers =
            ["flysk-sandbox", "--database-url", "mysql://root@127.0.0.1", "--redis-url", "redis://127.0.0.1"];
        Options::parse_from(servers.into_iter().chain(more.iter().copied()))
    }

    #[test]
    fn options_are_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_addresses_of_the_servers_have_the_schemes_of_mysql_and_redis() {
        assert!(options(&[]).check_servers().is_ok());
        let told = |options: Options| {
            let told = options.check_servers().unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
            told
        };
        let database_url = "postgres://root:hunter2@127.0.0.1:5432".to_owned();
        assert_eq!(
            told(Options { database_url, ..options(&[]) }),
            "--database-url or DATABASE_URL: want an address that begins with mysql:// or mariadb://"
        );
        let redis_url = "http://:hunter2@127.0.0.1".to_owned();
        let wanted = "--redis-url or REDIS_URL: want an address that begins with redis://";
        assert!(told(Options { redis_url, ..options(&[]) }).starts_with(wanted));
    }

    #[test]
    fn addresses_are_checked_at_the_start() {
        let behind = options(&["--public-url", "http://127.0.0.1:8090/"]);
        assert_eq!(behind.public_url("http://0.0.0.0:8080").unwrap(), "http://127.0.0.1:8090");
        assert_eq!(options(&[]).public_url("http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1");
        assert!(options(&["--public-url", "http://x/path"]).public_url("").is_err());
        assert_eq!(options(&["--event-url", ""]).event_url().unwrap(), None);
        let url = "http://127.0.0.1:8800/events";
        assert_eq!(options(&["--event-url", url]).event_url().unwrap().as_deref(), Some(url));
        assert!(options(&["--event-url", "127.0.0.1:8800"]).event_url().is_err());
    }

    #[test]
    fn a_sandbox_starts_in_whole_seconds_within_its_range() {
        let start = options(&["--starts-at", "2027-01-31T09:00:00.7Z"]).starts_at().unwrap();
        assert_eq!(start.to_rfc3339(), "2027-01-31T09:00:00+00:00");
        assert!(options(&["--starts-at", "2037-01-01T00:00:00Z"]).starts_at().is_err());
        let day = ["flysk-sandbox", "--database-url=x", "--redis-url=x", "--starts-at=2027-01-31"];
        let told = Options::try_parse_from(day).err().unwrap().to_string();
        assert!(told.contains("write it like 2027-01-31T09:00:00Z"), "{told}");
    }
}
