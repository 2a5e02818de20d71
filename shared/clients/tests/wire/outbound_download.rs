//! Downloads from slow, broken or incorrect servers.

use std::time::Duration;

use flysk_clients::outbound::{Config, DownloadLimits, Downloaded, Outbound, OutboundError, Partial};
use flysk_domain::failure_action::FailureAction;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::outbound_addresses::{opened_for, try_download};
use crate::server::{Reply, Request, Server, closed_port};

const LIMITS: DownloadLimits = DownloadLimits {
    max_bytes: 1000,
    total: Duration::from_mins(1),
    idle: Duration::from_mins(1),
    max_resumes: 3,
};

fn recording() -> Vec<u8> {
    (0..200).collect()
}

fn new_file() -> File {
    File::from_std(tempfile::tempfile().unwrap())
}

async fn content_of(file: &mut File) -> Vec<u8> {
    let mut content = Vec::new();
    file.rewind().await.unwrap();
    file.read_to_end(&mut content).await.unwrap();
    content
}

async fn download(server: &Server, limits: &DownloadLimits) -> Result<(Downloaded, Vec<u8>), OutboundError> {
    let mut file = new_file();
    let done = opened_for(server)
        .download(&server.url("/r.mp3"), &mut file, limits, &mut Partial::default())
        .await?;
    Ok((done, content_of(&mut file).await))
}

/// Start of the requested range.
fn asked_from(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// The rest of the recording, cut after `sent` bytes.
fn rest(from: usize, sent: usize) -> Reply {
    let range = format!("bytes {from}-199/200");
    Reply::cut(206, &[("Content-Range", &range), ("ETag", "\"v1\"")], &recording()[from..], sent)
}

#[tokio::test]
async fn a_recording_is_requested_without_conditional_headers() {
    let server = Server::always(Reply::new(200, &[("Content-Type", "audio/mpeg")], recording())).await;
    let (done, content) = download(&server, &LIMITS).await.unwrap();
    assert_eq!(content, recording());
    assert_eq!(
        done,
        Downloaded { bytes: 200, content_type: Some("audio/mpeg".into()), resumes: 0, is_short: false }
    );
    let request = server.only_request();
    assert_eq!(request.method, "GET");
    assert_eq!(request.header("cache-control"), Some("no-cache"));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert!(request.header("user-agent").unwrap().starts_with("Flysk/"));
    for name in ["if-none-match", "if-modified-since", "range", "cookie", "authorization", "referer"] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_broken_download_is_resumed_at_the_same_byte() {
    let server = Server::start(|request, _| match asked_from(request) {
        None => Reply::cut(200, &[("ETag", "\"v1\"")], recording(), 50),
        Some(from) if from < 150 => rest(from, 50),
        Some(from) => rest(from, 200 - from),
    })
    .await;
    let (done, content) = download(&server, &LIMITS).await.unwrap();
    assert_eq!((done.resumes, content), (3, recording()));
    let ranges: Vec<_> = server.requests().iter().map(asked_from).collect();
    assert_eq!(ranges, [None, Some(50), Some(100), Some(150)]);
    assert!(server.requests()[1..].iter().all(|request| request.header("if-range") == Some("\"v1\"")));
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let server = Server::start(|_, nth| match nth {
        0 => Reply::cut(200, &[("ETag", "\"v1\"")], recording(), 150),
        _ => Reply::new(200, &[("ETag", "\"v1\"")], recording()),
    })
    .await;
    let (done, content) = download(&server, &LIMITS).await.unwrap();
    assert_eq!((done.resumes, content), (1, recording()));
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_is_read_from_the_start() {
    let server = Server::start(|_, nth| match nth {
        0 => Reply::cut(200, &[("ETag", "\"v1\"")], recording(), 150),
        _ => Reply::new(200, &[("ETag", "\"v2\"")], "shorter"),
    })
    .await;
    assert_eq!(download(&server, &LIMITS).await.unwrap().1, b"shorter");
}

#[tokio::test]
async fn an_inconsistent_partial_response_restarts_the_download() {
    let wrong_rests = [
        Reply::new(206, &[("Content-Range", "bytes 20-199/200")], &recording()[20..]),
        Reply::new(206, &[("Content-Range", "bytes 50-99/100")], "x".repeat(50)),
        Reply::new(206, &[], &recording()[50..]),
        Reply::new(416, &[("Content-Range", "bytes */10")], ""),
    ];
    for wrong in wrong_rests {
        let label = format!("{wrong:?}");
        let server = Server::start(move |_, nth| match nth {
            0 => Reply::cut(200, &[("ETag", "\"v1\"")], recording(), 50),
            1 => wrong.clone(),
            _ => Reply::new(200, &[], recording()),
        })
        .await;
        let (done, content) = download(&server, &LIMITS).await.unwrap();
        assert_eq!((done.resumes, content), (2, recording()), "{label}");
        assert_eq!(server.requests()[2].header("range"), None, "{label}");
    }
}

#[tokio::test]
async fn a_weak_tag_is_not_used_but_the_length_is_checked() {
    let server = Server::start(|request, _| match asked_from(request) {
        None => Reply::cut(200, &[("ETag", "W/\"v1\"")], recording(), 50),
        Some(from) => rest(from, 200 - from),
    })
    .await;
    assert_eq!(download(&server, &LIMITS).await.unwrap().1, recording());
    assert_eq!(server.requests()[1].header("if-range"), None);
}

#[tokio::test]
async fn a_download_that_keeps_breaking_fails_with_the_received_bytes() {
    let server = Server::start(|request, _| match asked_from(request) {
        None => Reply::cut(200, &[("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")], recording(), 10),
        Some(from) => rest(from, 10),
    })
    .await;
    let (mut file, mut partial, outbound) = (new_file(), Partial::default(), opened_for(&server));
    let url = server.url("/r.mp3");
    let error = outbound.download(&url, &mut file, &LIMITS, &mut partial).await.unwrap_err();
    assert!(matches!(error, OutboundError::Cut { times: 4, .. }), "{error:?}");
    assert_eq!((error.outcome(), partial.bytes(), partial.total()), (FailureAction::RETRY, 40, Some(200)));

    let patient = DownloadLimits { max_resumes: 100, ..LIMITS };
    let done = outbound.download(&url, &mut file, &patient, &mut partial).await.unwrap();
    assert_eq!((done.bytes, done.resumes), (200, 15));
    assert_eq!(content_of(&mut file).await, recording());
    assert_eq!(server.requests()[4].header("if-range"), Some("Sun, 01 Nov 2026 10:00:00 GMT"));
}

/// A part of another version of the file, even of the same length, is not continued: the host supports `If-Range`, or
/// sends another `ETag`.
#[tokio::test]
async fn a_stored_partial_download_is_discarded_if_the_file_changed() {
    for heeds_if_range in [true, false] {
        let server = Server::start(move |request, _| match asked_from(request) {
            Some(_) if heeds_if_range && request.header("if-range") != Some("\"v1\"") => {
                Reply::new(200, &[("ETag", "\"v1\"")], recording())
            }
            Some(from) => rest(from, 200 - from),
            None => Reply::new(200, &[("ETag", "\"v1\"")], recording()),
        })
        .await;
        let memo = serde_json::from_str(r#"{"bytes":50,"total":200,"validator":"\"v0\""}"#).unwrap();
        let (mut file, mut partial) = (new_file(), Partial::from_saved(&memo, 50));
        file.write_all(&[255; 50]).await.unwrap();
        let outbound = opened_for(&server);
        let done = outbound.download(&server.url("/r.mp3"), &mut file, &LIMITS, &mut partial).await.unwrap();
        assert_eq!((done.bytes, content_of(&mut file).await), (200, recording()), "{heeds_if_range}");
    }
}

/// For the same file only the rest is requested.
#[tokio::test]
async fn a_stored_partial_download_is_resumed() {
    let server = Server::start(|request, _| match asked_from(request) {
        Some(from) => rest(from, 200 - from),
        None => Reply::new(500, &[], ""),
    })
    .await;
    let memo = serde_json::from_str(r#"{"bytes":50,"total":200,"validator":"\"v1\""}"#).unwrap();
    let (mut file, mut partial) = (new_file(), Partial::from_saved(&memo, 50));
    file.write_all(&recording()[..50]).await.unwrap();
    let outbound = opened_for(&server);
    outbound.download(&server.url("/r.mp3"), &mut file, &LIMITS, &mut partial).await.unwrap();
    assert_eq!(content_of(&mut file).await, recording());
    assert_eq!(server.only_request().header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn a_file_of_the_maximum_size_passes_and_one_byte_more_fails() {
    let exact = Server::always(Reply::new(200, &[], vec![7; 1000])).await;
    assert_eq!(download(&exact, &LIMITS).await.unwrap().0.bytes, 1000);
    let announced = Server::always(Reply::cut(200, &[], vec![7; 1001], 0)).await;
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.extend([7; 1001]);
    let unannounced = Server::always(Reply::Hang(endless)).await;
    for server in [announced, unannounced] {
        let error = download(&server, &LIMITS).await.unwrap_err();
        assert!(matches!(error, OutboundError::TooLarge { limit: 1000 }), "{error:?}");
        assert_eq!(error.outcome(), FailureAction::GiveUp);
    }
}

#[tokio::test]
async fn a_hang_before_or_inside_a_response_times_out() {
    let impatient = DownloadLimits { idle: Duration::from_millis(50), ..LIMITS };
    let hurried = DownloadLimits { total: Duration::from_millis(50), ..LIMITS };
    let silent = Reply::nothing().then_silence();
    let stalled = Reply::cut(200, &[], recording(), 100).then_silence();
    for (reply, limits) in
        [(&silent, impatient), (&stalled, impatient), (&silent, hurried), (&stalled, hurried)]
    {
        let server = Server::always(reply.clone()).await;
        let error = download(&server, &limits).await.unwrap_err();
        assert!(matches!(error, OutboundError::TimedOut), "{error:?}");
        assert_eq!(error.outcome(), FailureAction::RETRY);
    }
}

#[tokio::test]
async fn statuses_are_classified() {
    let after = Some(Duration::from_secs(7));
    for (code, not_yet, outcome) in [
        (202, true, FailureAction::RETRY),
        (204, true, FailureAction::RETRY),
        (403, true, FailureAction::RETRY),
        (404, true, FailureAction::RETRY),
        (410, true, FailureAction::RETRY),
        (304, false, FailureAction::Retry { after }),
        (429, false, FailureAction::Wait { after }),
        (503, false, FailureAction::Retry { after }),
        (400, false, FailureAction::GiveUp),
        (401, false, FailureAction::GiveUp),
    ] {
        let server = Server::always(Reply::new(code, &[("Retry-After", "7")], "")).await;
        let error = try_download(&opened_for(&server), &server.url("/r.mp3")).await.unwrap_err();
        assert_eq!(matches!(error, OutboundError::NotYet { status } if status == code), not_yet, "{code}");
        assert_eq!(error.outcome(), outcome, "{code}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_reported_without_the_link() {
    let address = closed_port().await;
    let config = Config { allow: vec![address.to_string().parse().unwrap()], ..Config::default() };
    let outbound = Outbound::new(config).unwrap();
    let error = try_download(&outbound, &format!("http://{address}/r?sign=s3cr3t")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Connect(_)), "{error:?}");
    assert_eq!(error.outcome(), FailureAction::RETRY);
    assert!(!crate::all_words(&error).contains("s3cr3t"));
}
