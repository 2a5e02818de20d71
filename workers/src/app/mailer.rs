//! The mail server for job handlers.

use anyhow::Context as _;
use flysk_clients::mail::{Config, Mailer, Tls};
use flysk_config::{Smtp, SmtpTls};

/// The client of the configured mail server; `None` without one, which is said once at the start.
pub(super) fn mailer(smtp: Option<&Smtp>) -> anyhow::Result<Option<Mailer>> {
    let Some(smtp) = smtp else {
        tracing::info!("FLYSK_SMTP_URL is not set: this worker sends no e-mail");
        return Ok(None);
    };
    let extra_roots = smtp
        .extra_roots
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| path.display().to_string()))
        .transpose()
        .context("FLYSK_SMTP_EXTRA_ROOTS")?;
    let config = Config {
        host: smtp.host.clone(),
        port: smtp.port,
        tls: match smtp.tls {
            SmtpTls::Implicit => Tls::Implicit,
            SmtpTls::StartTls => Tls::StartTls,
            SmtpTls::None => Tls::None,
        },
        login: smtp.login.clone(),
        from: smtp.from.clone(),
        timeout: smtp.timeout,
        extra_roots: extra_roots.into_iter().collect(),
    };
    Mailer::new(&config).context("the mail server").map(Some)
}
