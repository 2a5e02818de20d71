//! Links of telephony systems: with credentials, with redirects in raw UTF-8 and cookies, and with malformed headers.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flysk_clients::outbound::{Config, Outbound, OutboundError};

use crate::outbound_addresses::{opened_for, try_download};
use crate::server::{Reply, Request, Server};

/// A client that may reach these servers by IP address and as `localhost`.
fn opened_for_both(servers: [&Server; 2]) -> Outbound {
    let rules = servers
        .iter()
        .flat_map(|server| [server.address.to_string(), format!("localhost:{}", server.address.port())]);
    let allow = rules.map(|rule| rule.parse().unwrap()).collect();
    Outbound::new(Config { allow, ..Config::default() }).unwrap()
}

fn login(request: &Request) -> Option<String> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    Some(String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
}

fn redirect(location: &str) -> Reply {
    Reply::new(302, &[("Location", location)], "")
}

/// A host that requires the credentials `crm` / `p@ss:1`.
async fn guarded() -> Server {
    Server::start(|request, _| match login(request).as_deref() {
        Some("crm:p@ss:1") => Reply::new(200, &[], "recording"),
        _ => Reply::new(401, &[("WWW-Authenticate", "Basic realm=\"records\"")], "who is it?"),
    })
    .await
}

#[tokio::test]
async fn credentials_of_a_link_are_sent_as_basic_authentication() {
    let server = guarded().await;
    let link = format!("http://crm:p%40ss%3A1@{}/records/17.wav?a=1", server.address);
    assert_eq!(try_download(&opened_for(&server), &link).await.unwrap(), b"recording");
    let request = server.only_request();
    assert_eq!(request.target, "/records/17.wav?a=1");
    assert_eq!(request.header("host").unwrap(), server.address.to_string());

    for link in [server.url("/17.wav"), format!("http://crm:s3cr3t@{}/17.wav", server.address)] {
        let error = try_download(&opened_for(&server), &link).await.unwrap_err();
        assert!(matches!(error, OutboundError::Status { status: 401, .. }), "{error:?}");
        assert!(!crate::all_words(&error).contains("s3cr3t"), "{error:?}");
    }
}

#[tokio::test]
async fn credentials_follow_redirects_on_the_same_host_only() {
    let other = Server::always(Reply::new(200, &[], "recording")).await;
    let elsewhere = [other.url("/17.wav"), format!("http://localhost:{}/17.wav", other.address.port())];
    for target in elsewhere {
        let server = Server::start(move |request, _| match request.target.as_str() {
            "/1" => redirect("/2"),
            _ => redirect(&target),
        })
        .await;
        let outbound = opened_for_both([&server, &other]);
        let link = format!("http://crm:secret@{}/1", server.address);
        assert_eq!(try_download(&outbound, &link).await.unwrap(), b"recording");
        assert!(server.requests().iter().all(|request| login(request).as_deref() == Some("crm:secret")));
    }
    assert!(other.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn credentials_in_a_redirect_are_sent_to_its_host() {
    let guarded = guarded().await;
    let location = format!("http://crm:p%40ss%3A1@{}/17.wav", guarded.address);
    let server = Server::start(move |_, _| redirect(&location)).await;
    let outbound = opened_for_both([&server, &guarded]);
    assert_eq!(try_download(&outbound, &server.url("/1")).await.unwrap(), b"recording");
    assert_eq!(login(&server.only_request()), None);
}

#[tokio::test]
async fn a_location_in_raw_bytes_is_percent_encoded_and_followed() {
    for (raw, target) in [
        ("/записи/17.wav".as_bytes(), "/%D0%B7%D0%B0%D0%BF%D0%B8%D1%81%D0%B8/17.wav"),
        (
            "/записи/мой файл.wav?имя=а".as_bytes(),
            "/%D0%B7%D0%B0%D0%BF%D0%B8%D1%81%D0%B8/%D0%BC%D0%BE%D0%B9%20%D1%84%D0%B0%D0%B9%D0%BB.wav?%D0%B8%D0%BC%D1%8F=%D0%B0",
        ),
        (b"/\xe7\xe0/17.wav", "/%E7%E0/17.wav"),
        ("/r/%D0%B7 1.wav".as_bytes(), "/r/%D0%B7%201.wav"),
    ] {
        let head = [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ", raw, b"\r\n\r\n"].concat();
        let server = Server::start(move |request, _| match request.target.as_str() {
            "/r/17" => Reply::Bytes(head.clone()),
            _ => Reply::new(200, &[], "recording"),
        })
        .await;
        assert_eq!(try_download(&opened_for(&server), &server.url("/r/17")).await.unwrap(), b"recording");
        assert_eq!(server.requests()[1].target, target);
    }
}

/// A host with a cookie session: the first hop sets the cookie, the second requires it.
#[tokio::test]
async fn a_cookie_of_one_hop_is_sent_to_the_next_of_the_same_host() {
    let server = Server::start(|request, _| match (request.target.as_str(), request.header("cookie")) {
        (_, Some("sid=42; lang=ru")) => Reply::new(200, &[], "recording"),
        ("/r/17", _) => {
            let headers = [
                ("Set-Cookie", "sid=42; Path=/; HttpOnly"),
                ("Set-Cookie", "lang=ru; Path=/"),
                ("Location", "/file/17"),
            ];
            Reply::new(302, &headers, "")
        }
        _ => Reply::new(403, &[], ""),
    })
    .await;
    let outbound = opened_for(&server);
    assert_eq!(try_download(&outbound, &server.url("/r/17")).await.unwrap(), b"recording");
    // The next download starts without cookies.
    assert!(try_download(&outbound, &server.url("/file/17")).await.is_err());
}

#[tokio::test]
async fn a_cookie_is_not_sent_to_another_host() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let other = Server::start(move |request, _| {
        log.lock().unwrap().push(request.header("cookie").map(str::to_owned));
        Reply::new(200, &[], "recording")
    })
    .await;
    for target in [other.url("/17.wav"), format!("http://localhost:{}/17.wav", other.address.port())] {
        let server = Server::start(move |_, _| {
            Reply::new(302, &[("Set-Cookie", "sid=42; Path=/"), ("Location", &target)], "")
        })
        .await;
        let outbound = opened_for_both([&server, &other]);
        assert_eq!(try_download(&outbound, &server.url("/1")).await.unwrap(), b"recording");
    }
    assert_eq!(*seen.lock().unwrap(), [None, None]);
}

/// Header names with a space before the colon, lines that are not headers, folded lines, HTTP/1.0.
#[tokio::test]
async fn malformed_headers_are_accepted_as_in_browsers() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type : audio/mpeg\r\nContent-Length : 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nСервер АТС: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Note: first\r\n second\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n",
    ] {
        let server = Server::always(Reply::Bytes(format!("{head}recording").into_bytes())).await;
        let got = try_download(&opened_for(&server), &server.url("/r.mp3")).await;
        assert_eq!(got.unwrap(), b"recording", "{head}");
    }
}
