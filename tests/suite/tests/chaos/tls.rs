//! Redis and its sentinels with TLS and passwords.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use flysk_config::Redis as RedisConfig;
use flysk_queue::{ConnectError, RedisConnection, RedisKeys, check_redis};
use flysk_suite::chaos::directory::own_directory;
use flysk_suite::chaos::redis::find_redis;
use flysk_suite::ports::quiet_port;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::SecretString;
use tempfile::TempDir;
use xtask::services::{Redis, Server};

const PASSWORD: &str = "p@ss/word";
const SENTINEL_PASSWORD: &str = "sentinel-password";

/// An address of the server that its certificate does not name.
const OTHER_HOST: &str = "127.0.0.2";

/// A certificate authority that nobody knows, and a certificate of it for `127.0.0.1`.
struct Certificates {
    root: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn write(dir: &Path) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
        let written = Self {
            root: dir.join("root.pem"),
            certificate: dir.join("certificate.pem"),
            key: dir.join("key.pem"),
        };
        fs::write(&written.root, authority.pem())?;
        fs::write(&written.certificate, certificate.pem())?;
        fs::write(&written.key, key.serialize_pem())?;
        Ok(written)
    }

    /// Directives of a server or sentinel that offers TLS on this port.
    fn directives(&self, port: u16) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        vec![
            ("tls-port", port.to_string()),
            ("tls-cert-file", path(&self.certificate)),
            ("tls-key-file", path(&self.key)),
            ("tls-ca-cert-file", path(&self.root)),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-replication", "yes".to_owned()),
        ]
    }
}

/// A server with TLS and a password, and a sentinel with TLS and another one.
struct Encrypted {
    server: Server,
    sentinel: Server,
    certificates: Certificates,
    server_port: u16,
    sentinel_port: u16,
    _dir: TempDir,
}

impl Encrypted {
    fn start() -> anyhow::Result<Self> {
        let (redis, dir) = (find_redis()?, own_directory()?);
        let certificates = Certificates::write(dir.path())?;
        let (server_port, sentinel_port) = (quiet_port()?, quiet_port()?);
        let server = start_server(&redis, dir.path(), &certificates.directives(server_port))?;
        let mut directives = certificates.directives(sentinel_port);
        directives.extend([
            ("requirepass", SENTINEL_PASSWORD.to_owned()),
            ("sentinel", format!("monitor flysk 127.0.0.1 {server_port} 1")),
            ("sentinel", format!("auth-pass flysk {PASSWORD}")),
        ]);
        let lines: Vec<String> =
            directives.into_iter().map(|(name, value)| format!("{name} {value}\n")).collect();
        let sentinel = redis
            .start_sentinel(&dir.path().join("sentinel"), None, &lines.concat())
            .inspect_err(|_| server.kill())?;
        Ok(Self { server, sentinel, certificates, server_port, sentinel_port, _dir: dir })
    }

    /// The address of the server, with its password percent-encoded.
    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://:p%40ss%2Fword@{host}:{}/2", self.server_port)
    }

    /// The same through the sentinel.
    fn url_of_sentinel(&self) -> String {
        format!("rediss+sentinel://:p%40ss%2Fword@127.0.0.1:{}/flysk/2", self.sentinel_port)
    }

    /// Connects with the root certificate, writes and reads the number of the database.
    async fn use_with_root(&self, url: &str) -> Result<i64, ConnectError> {
        let config = RedisConfig {
            extra_roots: Some(self.certificates.root.clone()),
            sentinel_password: Some(SecretString::from(SENTINEL_PASSWORD)),
            ..RedisConfig::at(url)
        };
        write(&config).await
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.sentinel.kill();
        self.server.kill();
    }
}

fn start_server(redis: &Redis, dir: &Path, directives: &[(&str, String)]) -> anyhow::Result<Server> {
    let mut options =
        ["--requirepass", PASSWORD, "--bind", "127.0.0.1", OTHER_HOST].map(str::to_owned).to_vec();
    for (name, value) in directives {
        options.extend([format!("--{name}"), value.clone()]);
    }
    redis.start_with(&dir.join("server"), None, &options)
}

/// Writes through a new connection; returns the number of the database that it wrote to.
async fn write(config: &RedisConfig) -> Result<i64, ConnectError> {
    let mut connection = RedisConnection::connect(config).await?;
    check_redis(&mut connection, &RedisKeys::new("tls")).await?;
    let info: String = redis::cmd("CLIENT").arg("INFO").query_async(&mut connection).await?;
    let database = info.split(' ').find_map(|field| field.strip_prefix("db=")?.parse().ok());
    Ok(database.unwrap_or(-1))
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_reached_with_tls_through_its_root_and_name_alone() -> anyhow::Result<()> {
    let redis = Encrypted::start()?;
    let url = redis.url("rediss", "127.0.0.1");
    ensure!(redis.use_with_root(&url).await? == 2, "another database");

    let unknown = write(&RedisConfig::at(&url)).await.err().map(|error| error.to_string());
    ensure!(unknown.as_deref().is_some_and(|error| error.contains("certificate")), "{unknown:?}");
    let misnamed = redis.use_with_root(&redis.url("rediss", OTHER_HOST)).await.err();
    let misnamed = misnamed.map(|error| error.to_string());
    ensure!(misnamed.as_deref().is_some_and(|error| error.contains("certificate")), "{misnamed:?}");
    ensure!(redis.use_with_root(&redis.url("redis", "127.0.0.1")).await.is_err(), "TLS was not required");
    let insecure = redis.use_with_root(&format!("{url}#insecure")).await;
    ensure!(matches!(insecure, Err(ConnectError::Address(_))), "{insecure:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_redis_are_reached_with_tls_and_their_passwords() -> anyhow::Result<()> {
    let redis = Encrypted::start()?;
    let url = redis.url_of_sentinel();
    ensure!(redis.use_with_root(&url).await? == 2, "another database");

    ensure!(write(&RedisConfig::at(&url)).await.is_err(), "the certificate was not verified");
    let without_password =
        RedisConfig { extra_roots: Some(redis.certificates.root.clone()), ..RedisConfig::at(&url) };
    ensure!(write(&without_password).await.is_err(), "the sentinel asked for no password");
    Ok(())
}
