//! Extra root certificates add trust; verification is never disabled.

use std::net::SocketAddr;
use std::sync::Arc;

use flysk_clients::http::{BuildError, HttpOptions, client};
use flysk_clients::outbound::{Config, Outbound, OutboundError};
use flysk_domain::failure_action::FailureAction;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::outbound_addresses::try_download;

/// An unknown certificate authority in PEM, and a server on `localhost` with a certificate of it.
async fn server_of_unknown_authority() -> (String, SocketAddr) {
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
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrecording").await;
            let _ = stream.shutdown().await;
        }
    });
    (authority.pem(), address)
}

fn outbound(extra_roots: Vec<String>, opened: &str) -> Outbound {
    let http = HttpOptions { extra_roots, ..HttpOptions::default() };
    Outbound::new(Config { http, allow: vec![opened.parse().unwrap()], ..Config::default() }).unwrap()
}

#[tokio::test]
async fn a_certificate_is_accepted_only_from_a_trusted_root_and_for_its_name() {
    let (root, address) = server_of_unknown_authority().await;
    let (by_name, by_address) = (format!("localhost:{}", address.port()), address.to_string());
    let trusted =
        try_download(&outbound(vec![root.clone()], &by_name), &format!("https://{by_name}/r.mp3")).await;
    assert_eq!(trusted.unwrap(), b"recording");
    for (roots, host) in [(Vec::new(), by_name), (vec![root], by_address)] {
        let error =
            try_download(&outbound(roots, &host), &format!("https://{host}/r.mp3")).await.unwrap_err();
        assert!(matches!(error, OutboundError::Tls(_)), "{host}: {error:?}");
        assert_eq!(error.outcome(), FailureAction::RETRY);
    }
}

#[test]
fn a_bundle_without_certificates_is_an_error() {
    let options =
        |bundle: &str| HttpOptions { extra_roots: vec![bundle.to_owned()], ..HttpOptions::default() };
    for bundle in ["", "not a certificate", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
    {
        let error = client(&options(bundle)).unwrap_err();
        assert!(matches!(error, BuildError::EmptyBundle { index: 0 }), "{bundle}: {error:?}");
    }
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(client(&options(damaged)).unwrap_err(), BuildError::Tls(_)));
}
