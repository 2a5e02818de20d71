//! The client against the simulator, plain and encrypted.

use std::sync::Arc;
use std::time::Duration;

use flysk_clients::mail::{Config, MailBuildError, MailError, Mailer, Message, Stage, Tls};
use flysk_domain::failure_action::FailureAction;
use flysk_simulators::smtp::{self, Fault, Moment, Options, Smtp};
use flysk_simulators::{Control, Running};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const ADDRESS: &str = "buh@customer.example.test";
const PASSWORD: &str = "s3cr3t p/w";

/// An unknown certificate authority in PEM, and a certificate of it for `localhost`.
fn certificate() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn server(options: Options) -> Running<Smtp> {
    smtp::start(options, Control::default()).await.unwrap()
}

fn config(server: &Running<Smtp>, tls: Tls) -> Config {
    Config {
        host: "localhost".to_owned(),
        port: server.addr.port(),
        tls,
        login: None,
        from: "Флиск <notices@flysk.example>".to_owned(),
        timeout: Duration::from_secs(20),
        extra_roots: Vec::new(),
    }
}

fn mailer(server: &Running<Smtp>) -> Mailer {
    Mailer::new(&config(server, Tls::None)).unwrap()
}

async fn send(mailer: &Mailer) -> Result<(), MailError> {
    let unsubscribe = format!("https://api.flysk.example/mail?ticket={}", "x1-_".repeat(60)).parse().unwrap();
    let message = Message {
        id: "mln_01KC2QHF6N5V4W3X2Y1Z0A9B8C",
        subject: "FlySense AI: оплата следующего периода подписки не прошла, виджет работает до 15.01.2027",
        text: "Здравствуйте!\n\n.точка в начале строки\nhttps://api.flysk.example/pay/inv_1/0123456789abcdef\n",
        html: "<p>Здравствуйте!</p>",
        unsubscribe: Some(&unsubscribe),
        date: "2026-12-01T09:00:00Z".parse().unwrap(),
    };
    mailer.send(&ADDRESS.parse().unwrap(), &message).await
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written_and_can_be_switched_off_with_one_click() {
    let server = server(Options::default()).await;
    send(&mailer(&server)).await.unwrap();
    let letters = server.state.letters();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(
        (letter.sender.as_str(), letter.recipients.as_slice()),
        ("notices@flysk.example", &[ADDRESS.to_owned()][..])
    );
    assert!(letter.subject().ends_with("виджет работает до 15.01.2027"), "{}", letter.subject());
    assert!(
        letter
            .text()
            .contains("\n.точка в начале строки\nhttps://api.flysk.example/pay/inv_1/0123456789abcdef\n")
    );
    assert_eq!(letter.html().trim_end(), "<p>Здравствуйте!</p>");
    assert_eq!(letter.field("Message-ID"), "<mln_01KC2QHF6N5V4W3X2Y1Z0A9B8C@flysk.example>");
    let link = letter.field("List-Unsubscribe");
    assert!(
        link.starts_with("<https://api.flysk.example/mail?ticket=x1-_") && link.ends_with("x1-_>"),
        "{link}"
    );
    assert_eq!(letter.field("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(letter.field("Auto-Submitted"), "auto-generated");
    assert_eq!(letter.field("Date"), "Tue, 01 Dec 2026 09:00:00 +0000");
}

#[tokio::test]
async fn password_and_letter_are_sent_only_to_a_trusted_server() {
    let (root, acceptor) = certificate();
    for (tls, implicit) in [(Tls::StartTls, false), (Tls::Implicit, true)] {
        let login = ("flysk".to_owned(), PASSWORD.to_owned());
        let options = Options { bind: None, login: Some(login), tls: Some((acceptor.clone(), implicit)) };
        let server = server(options).await;
        let login = Some(("flysk".to_owned(), PASSWORD.into()));
        let trusting = Config { login, extra_roots: vec![root.clone()], ..config(&server, tls) };
        send(&Mailer::new(&trusting).unwrap()).await.unwrap();
        assert!(server.state.letters()[0].encrypted);

        let strange = Config { extra_roots: Vec::new(), ..trusting.clone() };
        let error = send(&Mailer::new(&strange).unwrap()).await.unwrap_err();
        assert!(matches!(error, MailError::NoAnswer { stage: Stage::Connect, .. }), "{error:?}");
        let elsewhere = Config { host: "127.0.0.1".to_owned(), ..trusting.clone() };
        let error = send(&Mailer::new(&elsewhere).unwrap()).await.unwrap_err();
        assert!(matches!(error, MailError::NoAnswer { stage: Stage::Connect, .. }), "{error:?}");
        let wrong = Config { login: Some(("flysk".to_owned(), "wrong".into())), ..trusting };
        let error = send(&Mailer::new(&wrong).unwrap()).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.outcome()),
            ("mail: refused at login with 535 5.7.8", FailureAction::RETRY)
        );
        assert_eq!(server.state.letters().len(), 1);
    }
}

#[tokio::test]
async fn a_server_without_encryption_gets_nothing_if_it_is_required() {
    let server = server(Options::default()).await;
    let error = send(&Mailer::new(&config(&server, Tls::StartTls)).unwrap()).await.unwrap_err();
    assert!(matches!(error, MailError::NoAnswer { stage: Stage::Connect, .. }), "{error:?}");
    assert_eq!((error.outcome(), server.state.letters().len()), (FailureAction::RETRY, 0));
}

#[tokio::test]
async fn every_failure_tells_whether_the_letter_may_be_sent_again() {
    use FailureAction::{GiveUp, Unknown};
    const RETRY: FailureAction = FailureAction::RETRY;
    let server = server(Options::default()).await;
    let answer = |text: &str| Fault::Answer(text.to_owned());
    let gone = format!("550 5.1.1 <{ADDRESS}>: no such user");
    let cases = [
        (Moment::Greeting, answer("421 4.3.2 busy"), RETRY, false),
        (Moment::Greeting, answer("554 5.7.1 not you"), RETRY, false),
        (Moment::Sender, answer("550 5.7.1 not for this domain"), RETRY, false),
        (Moment::Recipient, answer("450 4.2.1 greylisted"), RETRY, false),
        (Moment::Recipient, answer(&gone), GiveUp, true),
        (Moment::Recipient, answer("552 5.2.2 full"), GiveUp, false),
        (Moment::Recipient, Fault::Cut, RETRY, false),
        (Moment::Data, answer("451 4.3.0 disk"), RETRY, false),
        (Moment::Content, answer("452 4.3.1 disk"), RETRY, false),
        (Moment::Content, answer("554 5.7.1 spam"), GiveUp, false),
        (Moment::Content, Fault::Cut, Unknown, false),
    ];
    for (moment, fault, action, is_bad) in cases {
        server.state.fail(moment, fault.clone());
        let error = send(&mailer(&server)).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert_eq!((error.outcome(), error.bad_address().is_some()), (action, is_bad), "{fault:?}: {told}");
        assert!(!told.contains("customer") && !told.contains("no such user"), "{told}");
    }
    assert!(server.state.letters().is_empty());
    server.state.fail(Moment::Content, Fault::KeepAndCut);
    assert_eq!(send(&mailer(&server)).await.unwrap_err().outcome(), Unknown);
    assert_eq!(server.state.letters().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_is_tried_again() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = server(Options::default()).await;
    let quick = |port| Config { port, timeout: Duration::from_millis(100), ..config(&server, Tls::None) };
    let error = send(&Mailer::new(&quick(silent.local_addr().unwrap().port())).unwrap()).await.unwrap_err();
    assert_eq!(error, MailError::NoAnswer { stage: Stage::Connect, reason: "timeout" });
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let error = send(&Mailer::new(&quick(port)).unwrap()).await.unwrap_err();
    assert_eq!(error.outcome(), FailureAction::RETRY);
}

#[tokio::test]
async fn options_that_cannot_work_are_told_at_the_start() {
    let server = server(Options::default()).await;
    let from = Config { from: "not an address".to_owned(), ..config(&server, Tls::None) };
    assert_eq!(Mailer::new(&from).unwrap_err(), MailBuildError::Sender);
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let roots = Config { extra_roots: vec![damaged], ..config(&server, Tls::StartTls) };
    assert_eq!(Mailer::new(&roots).unwrap_err(), MailBuildError::Certificate);
}
