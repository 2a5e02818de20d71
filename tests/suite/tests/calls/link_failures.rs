//! Failures of recordings as shown to a manager: the true cause.

use std::sync::Arc;
use std::time::Duration;

use flysk_suite::environment::{Environment, Options};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// A host with an untrusted certificate; returns its address.
async fn self_signed_host() -> anyhow::Result<String> {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrecording").await;
        }
    });
    Ok(address)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_final_failure_shows_the_manager_its_true_cause() -> anyhow::Result<()> {
    let untrusted = self_signed_host().await?;
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSK_OUTBOUND_ALLOW".to_owned(), untrusted.clone());
    let env = Environment::start(options).await?;
    env.install().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let cases = [
        (format!("https://{untrusted}/r.mp3"), "recording_unavailable", "certificate_refused", "ертификат"),
        (format!("{url}?login=crm%3As3cret"), "recording_unavailable", "login_required", "логин и пароль"),
        (
            format!("{url}?login=crm%3As3cret").replace("http://", "http://crm:wr0ng@"),
            "recording_unavailable",
            "login_required",
            "логин и пароль",
        ),
        (format!("{url}?html=true"), "not_audio", "login_page", "страница входа"),
        (
            "http://10.0.0.1/call.mp3".to_owned(),
            "link_forbidden_address",
            "internal_network",
            "внутреннюю сеть",
        ),
        ("http://user:wr0ng@10.0.0.1/1.mp3".to_owned(), "link_forbidden_address", "internal_network", "сеть"),
        ("ftp://example.com/call.mp3".to_owned(), "link_forbidden_address", "not_a_link", "http"),
        ("записи/17.mp3".to_owned(), "link_forbidden_address", "not_a_link", "http"),
        (format!("{url}?redirects=9"), "recording_unavailable", "redirect_loop", "перенаправляет"),
        (format!("{url}?absent_times=99&absent_as=400"), "recording_unavailable", "host_refused", "ошибкой"),
    ];
    // Failures of some links are final after more than one attempt, and ten calls at once meet amoCRM's limit.
    let _hurry = env.hurry("calls.fetch_recording");
    let mut notes = Vec::new();
    for (link, code, cause, words) in cases {
        notes.push((env.simulators.call_arrives(Some(link.clone()), 42)?, link, code, cause, words));
    }
    for (note, link, code, cause, words) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        anyhow::ensure!(call.failure_code.as_deref() == Some(code), "{link}: {}", call.raw);
        anyhow::ensure!(call.raw["failure_cause"] == cause, "{link}: {}", call.raw);
        let label = call.raw["failure_label"].as_str().unwrap_or_default();
        anyhow::ensure!(label.contains(words), "{link}: {label}");
        anyhow::ensure!(!call.raw.to_string().contains("wr0ng"), "a login is shown: {}", call.raw);
    }
    let secret = env.log_lines()?.into_iter().find(|line| line.contains("wr0ng"));
    anyhow::ensure!(secret.is_none(), "a login is in the log: {secret:?}");
    Ok(())
}
