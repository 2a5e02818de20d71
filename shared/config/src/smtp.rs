//! The mail server that notices are sent through.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

use super::reader::Reader;
use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::optional(
    "FLYSK_SMTP_URL",
    "smtp://flysk:development@mail.example.com:587",
    "Mail server for notices by e-mail. `smtps://` is encrypted from the first byte (port 465), `smtp://` by STARTTLS, which\n\
     is required (port 587); `?tls=none` sends unencrypted, to a relay without password or on this machine. Without URL and\n\
     sender no e-mail is sent.",
)
.secret_address();
const FROM: Variable = Variable::optional(
    "FLYSK_SMTP_FROM",
    "Flysk <notices@example.com>",
    "Sender of e-mail. Required with the URL. The mail server must be allowed to send for its domain (SPF, DKIM).",
);
const EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_SMTP_EXTRA_ROOTS",
    "/etc/flysk/mail-ca.pem",
    "PEM file with root certificates that are trusted for the mail server in addition to the system's.",
);
const TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_SMTP_TIMEOUT_MS",
    "10000",
    "Timeout of one step of the dialogue with the mail server, in milliseconds.",
);

pub(super) const VARIABLES: &[Variable] = &[URL, FROM, EXTRA_ROOTS, TIMEOUT_MS];

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte.
    Implicit,
    /// By STARTTLS.
    StartTls,
    /// Not at all.
    None,
}

/// Access to the mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Host in `FLYSK_SMTP_URL`.
    pub host: String,
    /// Port in `FLYSK_SMTP_URL`.
    pub port: u16,
    /// Encryption in `FLYSK_SMTP_URL`.
    pub tls: SmtpTls,
    /// User and password in `FLYSK_SMTP_URL`.
    pub login: Option<(String, SecretString)>,
    /// `FLYSK_SMTP_FROM`: sender.
    pub from: String,
    /// `FLYSK_SMTP_EXTRA_ROOTS`: PEM file with additional root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_SMTP_TIMEOUT_MS`: timeout of one step.
    pub timeout: Duration,
}

impl Smtp {
    /// Reads the variables; `None` if neither URL nor sender is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let extra_roots = vars.optional(&EXTRA_ROOTS, Reader::path);
            let timeout = vars.millis(&TIMEOUT_MS, 100..=30_000);
            if !vars.is_set(&URL) && !vars.is_set(&FROM) {
                return Ok(None);
            }
            let server = vars.parsed(&URL, parse_server);
            let from = vars.parsed(&FROM, |text| {
                let fits = text.contains('@') && !text.contains(char::is_control);
                if fits {
                    Ok(text.to_owned())
                } else {
                    Err("`Name <name@host.zone>` or an address".to_owned())
                }
            });
            let Server { host, port, tls, login } = server?;
            Ok(Some(Self {
                host,
                port,
                tls,
                login,
                from: from?,
                extra_roots: extra_roots?,
                timeout: timeout?,
            }))
        })
    }
}

struct Server {
    host: String,
    port: u16,
    tls: SmtpTls,
    login: Option<(String, SecretString)>,
}

fn parse_server(text: &str) -> Result<Server, String> {
    const WANTED: &str = "`smtps://user:password@host:port`, or `smtp://…` with STARTTLS";
    let url = Url::parse(text).map_err(|_| WANTED.to_owned())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(WANTED)?;
    let tls = match (url.scheme(), url.query()) {
        ("smtps", None) => SmtpTls::Implicit,
        ("smtp", None | Some("tls=starttls")) => SmtpTls::StartTls,
        ("smtp", Some("tls=none")) => SmtpTls::None,
        _ => return Err(WANTED.to_owned()),
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(WANTED.to_owned());
    }
    let decoded =
        |part: &str| percent_decode_str(part).decode_utf8().map(String::from).map_err(|_| WANTED.to_owned());
    let login = match url.password() {
        Some(password) => Some((decoded(url.username())?, SecretString::from(decoded(password)?))),
        None if url.username().is_empty() => None,
        None => return Err("a password with the user".to_owned()),
    };
    if tls == SmtpTls::None && login.is_some() && !is_loopback(host) {
        return Err("encryption: a password is not sent unencrypted to another machine".to_owned());
    }
    let port = url.port().unwrap_or(if tls == SmtpTls::Implicit { 465 } else { 587 });
    Ok(Server { host: host.trim_matches(['[', ']']).to_owned(), port, tls, login })
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(url: &str) -> Result<Smtp, String> {
        let env = Env::default().with("FLYSK_SMTP_URL", url).with("FLYSK_SMTP_FROM", "Flysk <n@example.com>");
        Smtp::from_env(&env).map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn without_variables_no_mail_is_sent_and_half_of_them_is_an_error() {
        assert!(Smtp::from_env(&Env::default()).unwrap().is_none());
        let told =
            Smtp::from_env(&Env::default().with("FLYSK_SMTP_FROM", "n@example.com")).unwrap_err().to_string();
        assert!(told.contains("FLYSK_SMTP_URL"), "{told}");
    }

    #[test]
    fn the_url_tells_encryption_port_and_login() {
        let implicit = read("smtps://a%40b.c:p%2Fw@mail.example.com").unwrap();
        let (user, password) = implicit.login.unwrap();
        assert_eq!((implicit.tls, implicit.port, user.as_str()), (SmtpTls::Implicit, 465, "a@b.c"));
        assert_eq!(password.expose_secret(), "p/w");
        let starttls = read("smtp://mail.example.com:2525").unwrap();
        assert_eq!((starttls.tls, starttls.port, starttls.login.is_none()), (SmtpTls::StartTls, 2525, true));
        assert_eq!(read("smtp://relay:25?tls=none").unwrap().tls, SmtpTls::None);
        assert!(read("smtp://u:p@127.0.0.1:25?tls=none").is_ok(), "this machine");
    }

    #[test]
    fn a_password_is_neither_shown_nor_sent_in_the_clear() {
        for url in [
            "smtp://u:hunter2@relay:25?tls=none",
            "http://u:hunter2@host",
            "smtp://u:hunter2@host/x",
            "smtp://u@host",
        ] {
            let told = read(url).unwrap_err();
            assert!(told.contains("FLYSK_SMTP_URL") && !told.contains("hunter2"), "{told}");
        }
        let shown = format!("{:?}", read("smtps://u:hunter2@host").unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
