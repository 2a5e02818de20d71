//! The recording host serves ranges correctly and simulates faults.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::time::{Duration, Instant};

use flysk_simulators::recordings::{self, Behaviour, Link, Recordings};
use flysk_simulators::{Control, Running};
use futures::StreamExt;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, IF_NONE_MATCH, LOCATION, RANGE};

struct Host {
    sim: Running<Recordings>,
    http: reqwest::Client,
    content: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Host {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..100_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        std::fs::write(folder.path().join("call.mp3"), &content).unwrap();
        let sim = recordings::start(None, folder.path(), Control::default()).await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { sim, http, content, _folder: folder }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.sim.url))
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_correct_host_serves_files_and_ranges() {
    let host = Host::start().await;
    let whole = host.get("/call.mp3").send().await.unwrap();
    assert_eq!(
        (whole.status().as_u16(), &whole.headers()["accept-ranges"]),
        (200, &"bytes".parse().unwrap())
    );
    assert_eq!(whole.bytes().await.unwrap(), host.content);
    let part = host.get("/call.mp3").header(RANGE, "bytes=500-").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), &part.headers()[CONTENT_RANGE]),
        (206, &"bytes 500-99999/100000".parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap(), host.content[500..]);
    let beyond = host.get("/call.mp3").header(RANGE, "bytes=100000-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(host.get("/call.mp3").header(IF_NONE_MATCH, "x").send().await.unwrap().status(), 304);
    assert_eq!(host.status("/none.mp3").await, 404);
    assert_eq!(host.status("/..%2F..%2Fetc%2Fpasswd").await, 404);
    assert_eq!(host.status("/call.mp3?htlm=true").await, 400);
}

#[tokio::test]
async fn a_cut_download_is_resumed_by_range() {
    let host = Host::start().await;
    let mut stream = host.get("/call.mp3?cut_at=40000").send().await.unwrap().bytes_stream();
    let mut got = Vec::new();
    let failed = loop {
        match stream.next().await {
            Some(Ok(piece)) => got.extend_from_slice(&piece),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(failed, "a cut connection is an error, not an end");
    assert_eq!(got, host.content[..40_000]);
    let rest = host.get("/call.mp3?cut_at=40000").header(RANGE, "bytes=40000-").send().await.unwrap();
    assert_eq!(rest.bytes().await.unwrap(), host.content[40_000..]);
    let rest = host.get("/call.mp3?cut_after=1000").header(RANGE, "bytes=40000-").send().await.unwrap();
    assert!(rest.bytes().await.is_err(), "every connection is cut");
}

#[tokio::test]
async fn a_file_may_be_absent_at_first() {
    let host = Host::start().await;
    let path = "/call.mp3?absent_times=2";
    assert_eq!([host.status(path).await, host.status(path).await, host.status(path).await], [404, 404, 200]);
    let path = "/call.mp3?absent_ms=60000";
    assert_eq!(host.status(path).await, 404);
    host.sim.control.clock().advance(chrono::Duration::seconds(61));
    assert_eq!(host.status(path).await, 200);
}

#[tokio::test]
async fn redirects_form_a_chain_or_lead_to_private_addresses() {
    let host = Host::start().await;
    let behaviour = Behaviour { redirects: 2, ..Behaviour::default() };
    let path = "/system/media/talk/1/abc/";
    host.sim.state.link(Link { path: path.into(), file: "call.mp3".into(), behaviour });
    let mut target = path.to_owned();
    for hop in 0..2 {
        let response = host.get(&target).send().await.unwrap();
        assert_eq!(response.status(), 302, "hop {hop}");
        target = response.headers()[LOCATION].to_str().unwrap().to_owned();
    }
    assert_eq!(host.get(&target).send().await.unwrap().bytes().await.unwrap(), host.content);

    let private =
        host.get("/call.mp3?redirect_to=http%3A%2F%2F169.254.169.254%2Flatest").send().await.unwrap();
    assert_eq!(private.headers()[LOCATION], "http://169.254.169.254/latest");
}

#[tokio::test]
async fn wrong_content_missing_ranges_slow_and_endless_bodies_are_simulated() {
    let host = Host::start().await;
    let page = host.get("/call.mp3?html=true").send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    let typed = host.get("/call.mp3?content_type=text%2Fplain").send().await.unwrap();
    assert_eq!(typed.headers()[CONTENT_TYPE], "text/plain");
    let whole = host.get("/call.mp3?no_range=true").header(RANGE, "bytes=5-").send().await.unwrap();
    assert_eq!((whole.status().as_u16(), whole.bytes().await.unwrap().len()), (200, host.content.len()));
    let began = Instant::now();
    let slow = host.get("/call.mp3?bytes_per_s=200000").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(slow, host.content);
    assert!(began.elapsed() >= Duration::from_millis(400));
    let mut endless = host.get("/call.mp3?huge=true").send().await.unwrap().bytes_stream();
    let mut seen = 0;
    while seen < 5_000_000 {
        seen += endless.next().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn absent_files_are_answered_as_real_hosts_do() {
    let host = Host::start().await;
    for (shape, status, body) in [
        ("empty", 200, Some(Vec::new())),
        ("json", 200, Some(b"{\"status\": \"processing\"}".to_vec())),
        ("third", 200, Some(host.content[..33_333].to_vec())),
        ("401", 401, None),
        ("425", 425, None),
        ("204", 204, None),
    ] {
        let path = format!("/call.mp3?absent_times=1&absent_as={shape}");
        let absent = host.get(&path).send().await.unwrap();
        assert_eq!(absent.status(), status, "{shape}");
        if let Some(body) = body {
            assert!(absent.bytes().await.unwrap() == body, "{shape}");
        }
        assert!(host.get(&path).send().await.unwrap().bytes().await.unwrap() == host.content, "{shape}");
    }
}

#[tokio::test]
async fn a_host_may_require_a_login_or_a_cookie() {
    let host = Host::start().await;
    let path = "/call.mp3?login=crm%3As3cret";
    let unknown = host.get(path).send().await.unwrap();
    assert_eq!(unknown.status(), 401);
    assert!(unknown.headers().contains_key("www-authenticate"));
    let known = host.get(path).basic_auth("crm", Some("s3cret")).send().await.unwrap();
    assert_eq!(known.status(), 200);

    let path = "/call.mp3?cookie=true";
    let stranger = host.get(path).send().await.unwrap();
    assert_eq!((stranger.status().as_u16(), &stranger.headers()[LOCATION]), (302, &path.parse().unwrap()));
    let cookie = stranger.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(host.get(path).header("cookie", cookie).send().await.unwrap().status(), 200);

    let raw = host.get("/call.mp3?raw_location=true").send().await.unwrap();
    assert_eq!(raw.headers()[LOCATION].as_bytes(), "/записи/call.mp3".as_bytes());
    assert_eq!(host.status("/%D0%B7%D0%B0%D0%BF%D0%B8%D1%81%D0%B8/call.mp3").await, 200);
}

#[tokio::test]
async fn codings_and_lengths_may_be_wrong() {
    let host = Host::start().await;
    let coded = host.get("/call.mp3?gzip=true").send().await.unwrap();
    assert_eq!(coded.headers()["content-encoding"], "gzip");
    assert!(coded.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
    let promised = host.get("/call.mp3?excess=1000").send().await.unwrap();
    assert_eq!(promised.content_length(), Some(101_000));
    let (mut got, mut pieces) = (0, promised.bytes_stream());
    while let Some(Ok(piece)) = pieces.next().await {
        got += piece.len();
    }
    assert_eq!(got, 100_000);
}

#[tokio::test]
async fn raw_responses_are_malformed_as_specified() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = Host::start().await;
    let address = host.sim.state.raw_url().replace("http://", "");
    for (target, begins, length) in [
        ("/call.mp3?spaced", "HTTP/1.1 200 OK\r\nContent-Type : audio/mpeg\r\n", 100_000),
        ("/call.mp3?untyped", "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n", 100_000),
        ("/call.mp3?short_length", "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n", 100_000),
        ("/call.mp3?chunked_cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", 50_008),
        ("/../none.mp3?spaced", "HTTP/1.1 404 Not Found\r\n", 0),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(answer.starts_with(begins.as_bytes()), "{target}");
        assert_eq!(answer.len() - end, length, "{target}");
    }
}
