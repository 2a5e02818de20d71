//! No link leads to a request into the private network.

use flysk_clients::outbound::{BadUrl, Config, DownloadLimits, Outbound, OutboundError, Partial, PostLimits};
use flysk_domain::failure_action::FailureAction;
use http::HeaderMap;

use crate::server::{Reply, Server};

pub(crate) fn closed() -> Outbound {
    Outbound::new(Config::default()).unwrap()
}

/// A client that may reach only this server.
pub(crate) fn opened_for(server: &Server) -> Outbound {
    Outbound::new(Config { allow: vec![server.address.to_string().parse().unwrap()], ..Config::default() })
        .unwrap()
}

/// Downloads into a temporary file.
pub(crate) async fn try_download(outbound: &Outbound, url: &str) -> Result<Vec<u8>, OutboundError> {
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().unwrap());
    outbound.download(url, &mut file, &DownloadLimits::default(), &mut Partial::default()).await?;
    let mut content = Vec::new();
    tokio::io::AsyncSeekExt::rewind(&mut file).await.unwrap();
    tokio::io::AsyncReadExt::read_to_end(&mut file, &mut content).await.unwrap();
    Ok(content)
}

/// All notations of loopback addresses; `{port}` stands for a port with a listener.
const OURS: [&str; 31] = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://①②⑦.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://pbx.localhost:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http:127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/ ",
];

/// Private and special networks, which must be refused even without a listener.
const PRIVATE: [&str; 17] = [
    "http://10.0.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://172.16.0.1/",
    "http://192.168.1.1:8080/r.mp3",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[64:ff9b::10.0.0.1]/",
];

#[tokio::test]
async fn no_notation_of_a_local_address_is_connected_to() {
    let server = Server::always(Reply::new(200, &[], "secret")).await;
    let port = server.address.port().to_string();
    let links = OURS.iter().map(|link| link.replace("{port}", &port)).chain(PRIVATE.map(str::to_owned));
    let outbound = closed();
    for link in links {
        let error = try_download(&outbound, &link).await.unwrap_err();
        assert!(matches!(error, OutboundError::ForbiddenAddress), "{link}: {error:?}");
        assert_eq!(error.outcome(), FailureAction::GiveUp);
        let error =
            outbound.post(&link, HeaderMap::new(), "x".into(), &PostLimits::default()).await.unwrap_err();
        assert!(matches!(error, OutboundError::ForbiddenAddress), "{link}: {error:?}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_is_checked_like_the_first_url() {
    let inside = Server::always(Reply::new(200, &[], "secret")).await;
    let port = inside.address.port().to_string();
    for link in OURS.iter().map(|link| link.trim().replace("{port}", &port)).filter(|link| link.is_ascii()) {
        let outside = Server::start(move |_, _| Reply::new(302, &[("Location", &link)], "")).await;
        let error = try_download(&opened_for(&outside), &outside.url("/r.mp3")).await.unwrap_err();
        // A redirect without `//` ("http:127.0.0.1") is a relative link.
        assert!(
            matches!(error, OutboundError::ForbiddenAddress | OutboundError::TooManyRedirects { .. }),
            "{error:?}"
        );
    }
    assert_eq!(inside.requests().len(), 0);
    let outside =
        Server::always(Reply::new(307, &[("Location", "http://169.254.169.254/latest/")], "")).await;
    let error = try_download(&opened_for(&outside), &outside.url("/r.mp3")).await.unwrap_err();
    assert!(matches!(error, OutboundError::ForbiddenAddress), "{error:?}");
}

#[tokio::test]
async fn an_allowed_address_is_one_host_and_port() {
    let opened = Server::always(Reply::new(200, &[], "recording")).await;
    let other = Server::always(Reply::new(200, &[], "secret")).await;
    let outbound = opened_for(&opened);
    assert_eq!(try_download(&outbound, &opened.url("/r.mp3")).await.unwrap(), b"recording");
    let error = try_download(&outbound, &other.url("/r.mp3")).await.unwrap_err();
    assert!(matches!(error, OutboundError::ForbiddenAddress), "{error:?}");

    let by_name = format!("localhost:{}", opened.address.port());
    let outbound =
        Outbound::new(Config { allow: vec![by_name.parse().unwrap()], ..Config::default() }).unwrap();
    assert_eq!(try_download(&outbound, &format!("http://{by_name}/r.mp3")).await.unwrap(), b"recording");
    assert!(try_download(&outbound, &opened.url("/r.mp3")).await.is_err());
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn non_http_urls_are_rejected_before_any_request() {
    let outbound = closed();
    for (link, reason) in [
        ("", BadUrl::Syntax),
        ("recording.mp3", BadUrl::Syntax),
        ("//pbx.example.com/r.mp3", BadUrl::Syntax),
        ("http://", BadUrl::Syntax),
        ("http://a b/", BadUrl::Syntax),
        ("http://[::1", BadUrl::Syntax),
        ("http://127.0.0.256/", BadUrl::Syntax),
        ("http://pbx.example.com:99999/", BadUrl::Syntax),
        ("ftp://pbx.example.com/r.mp3", BadUrl::Scheme),
        ("file:///etc/passwd", BadUrl::Scheme),
        ("gopher://127.0.0.1:6379/_FLUSHALL", BadUrl::Scheme),
        ("data:audio/mpeg;base64,AAAA", BadUrl::Scheme),
        ("javascript:alert(1)", BadUrl::Scheme),
        ("ftp://user:secret@pbx.example.com/r.mp3", BadUrl::Scheme),
        (&format!("http://pbx.example.com/{}", "a".repeat(5000)), BadUrl::TooLong),
    ] {
        let error = try_download(&outbound, link).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadUrl(found) if found == reason), "{link}: {error:?}");
        assert!(!crate::all_words(&error).contains("secret"), "{link}");
    }
}

/// Event endpoints must not contain credentials, because their URLs are stored and shown.
#[tokio::test]
async fn credentials_are_accepted_in_recording_links_and_rejected_in_endpoints() {
    for link in ["http://user@1.1.1.1/", "http://user:secret@1.1.1.1/", "http://:secret@1.1.1.1/"] {
        let error =
            closed().post(link, HeaderMap::new(), "x".into(), &PostLimits::default()).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadUrl(BadUrl::Credentials)), "{link}: {error:?}");
        assert!(!crate::all_words(&error).contains("secret"), "{link}");
    }
    let home = "http://user:secret@169.254.169.254/latest/meta-data/";
    let error = try_download(&closed(), home).await.unwrap_err();
    assert!(matches!(error, OutboundError::ForbiddenAddress), "{error:?}");
}

#[tokio::test]
async fn redirects_to_non_http_urls_are_rejected() {
    for (location, reason) in
        [("file:///etc/passwd", BadUrl::Scheme), ("http://pbx.example.com:99999/", BadUrl::Syntax)]
    {
        let server = Server::always(Reply::new(302, &[("Location", location)], "")).await;
        let error = try_download(&opened_for(&server), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, OutboundError::BadUrl(found) if found == reason), "{location}: {error:?}");
    }
    let server = Server::always(Reply::new(302, &[], "")).await;
    let error = try_download(&opened_for(&server), &server.url("/")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Status { status: 302, .. }), "{error:?}");
}

#[tokio::test]
async fn at_most_five_redirects_are_followed() {
    let chain = |length: usize| {
        move |request: &crate::server::Request, _: usize| {
            let hop: usize = request.target.trim_start_matches("/hop/").parse().unwrap();
            if hop == length {
                return Reply::new(200, &[], "recording");
            }
            Reply::new(301, &[("Location", &format!("{}", hop + 1))], "")
        }
    };
    let server = Server::start(chain(5)).await;
    assert_eq!(try_download(&opened_for(&server), &server.url("/hop/0")).await.unwrap(), b"recording");
    let server = Server::start(chain(6)).await;
    let error = try_download(&opened_for(&server), &server.url("/hop/0")).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooManyRedirects { limit: 5 }), "{error:?}");
    assert_eq!(server.requests().len(), 6);
}
