//! Sends e-mail through an SMTP server.
//!
//! SMTP has no idempotency keys: a letter that is handed over twice is read twice. So each step of the dialogue has its own
//! error ([`Stage`]), and [`MailError::outcome`] distinguishes what was certainly not accepted from what may have been.
//! Sources: RFC 5321 (dialogue, codes), RFC 3463 (enhanced codes), RFC 8058 (one-click unsubscribing).

mod error;
mod letter;

use std::fmt;
use std::time::Duration;

use flysk_domain::platform::purchases::Email;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;

pub use error::{MailBuildError, MailError, ReplyCode, Stage};
pub use letter::Message;

/// Encryption of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// From the first byte (`smtps`, usually port 465).
    Implicit,
    /// By STARTTLS before anything else is sent (usually port 587). A server without it is refused.
    StartTls,
    /// Not at all: a relay on this machine or in a trusted network.
    None,
}

/// Access to a mail server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name or IP address of the server, which its certificate must name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// User and password; `None`: the server requires none.
    pub login: Option<(String, SecretString)>,
    /// Sender: `Flysk <billing@example.com>` or an address.
    pub from: String,
    /// Timeout of one step of the dialogue.
    pub timeout: Duration,
    /// PEM bundles of root certificates that are trusted in addition to the system's. Verification is never disabled.
    pub extra_roots: Vec<String>,
}

/// A mail server that letters are handed over to.
pub struct Mailer {
    host: String,
    port: u16,
    encryption: Encryption,
    login: Option<Credentials>,
    from: Mailbox,
    hello: ClientId,
    timeout: Duration,
}

#[derive(Clone)]
enum Encryption {
    Implicit(TlsParameters),
    StartTls(TlsParameters),
    None,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Reads the options. Sends nothing.
    ///
    /// # Errors
    ///
    /// The sender or a certificate is invalid.
    pub fn new(config: &Config) -> Result<Self, MailBuildError> {
        let from: Mailbox = config.from.parse().map_err(|_| MailBuildError::Sender)?;
        let encryption = match config.tls {
            Tls::Implicit => Encryption::Implicit(tls_parameters(config)?),
            Tls::StartTls => Encryption::StartTls(tls_parameters(config)?),
            Tls::None => Encryption::None,
        };
        let login = config.login.as_ref();
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            encryption,
            login: login
                .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned())),
            hello: ClientId::Domain(from.email.domain().to_owned()),
            from,
            timeout: config.timeout,
        })
    }

    /// Hands a letter over to the server. Not idempotent.
    pub async fn send(&self, to: &Email, message: &Message<'_>) -> Result<(), MailError> {
        let recipient: Address = to.as_str().parse().map_err(|_| MailError::Invalid)?;
        let content = letter::write(&self.from, &recipient, message)?;
        let mut connection = self.connect().await?;
        let sent = self.hand_over(&mut connection, recipient, &content).await;
        // The outcome is known; the server closes the connection anyway.
        let _ = tokio::time::timeout(self.timeout, connection.quit()).await;
        sent
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let lost = |reason| MailError::NoAnswer { stage: Stage::Connect, reason };
        let connecting = async {
            let mut connection = match &self.encryption {
                Encryption::Implicit(parameters) => self.connect_encrypted(parameters.clone()).await,
                Encryption::StartTls(_) | Encryption::None => {
                    let stream = self.open_stream().await.map_err(|_| lost("connection"))?;
                    AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
                }
            }
            .map_err(|error| MailError::of(Stage::Connect, &error))?;
            if let Encryption::StartTls(parameters) = &self.encryption {
                let encrypted = connection.starttls(parameters.clone(), &self.hello).await;
                encrypted.map_err(|error| MailError::of(Stage::Connect, &error))?;
            }
            Ok(connection)
        };
        tokio::time::timeout(self.timeout, connecting).await.unwrap_or_else(|_| Err(lost("timeout")))
    }

    /// Opens a connection without Nagle's algorithm. The library writes the end of a letter by itself after the content: the
    /// algorithm would hold it back until the server acknowledges the content, which Linux delays by 40 ms.
    async fn open_stream(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens a connection that is encrypted from the first byte. The library takes no open stream for it, so that the delay of
    /// [`Mailer::open_stream`] stays.
    async fn connect_encrypted(
        &self,
        parameters: TlsParameters,
    ) -> Result<AsyncSmtpConnection, lettre::transport::smtp::Error> {
        let server = (self.host.as_str(), self.port);
        let timeout = Some(self.timeout);
        AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, Some(parameters), None).await
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        recipient: Address,
        content: &[u8],
    ) -> Result<(), MailError> {
        if let Some(login) = &self.login {
            self.step(Stage::Login, connection.auth(DEFAULT_MECHANISMS, login)).await?;
        }
        let sender = Some(self.from.email.clone());
        self.step(Stage::Sender, connection.command(Mail::new(sender, Vec::new()))).await?;
        self.step(Stage::Recipient, connection.command(Rcpt::new(recipient, Vec::new()))).await?;
        self.step(Stage::Data, connection.command(Data)).await?;
        self.step(Stage::Content, connection.message(content)).await?;
        Ok(())
    }

    async fn step<T>(
        &self,
        stage: Stage,
        step: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, MailError> {
        match tokio::time::timeout(self.timeout, step).await {
            Ok(done) => done.map_err(|error| MailError::of(stage, &error)),
            Err(_) => Err(MailError::NoAnswer { stage, reason: "timeout" }),
        }
    }
}

fn tls_parameters(config: &Config) -> Result<TlsParameters, MailBuildError> {
    let mut builder = TlsParameters::builder(config.host.clone());
    for bundle in &config.extra_roots {
        let roots = Certificate::from_pem(bundle.as_bytes()).map_err(|_| MailBuildError::Certificate)?;
        builder = builder.add_root_certificate(roots);
    }
    builder.build_rustls().map_err(|_| MailBuildError::Certificate)
}
