//! Object Storage: against an S3 server, and with scripted responses.

use std::path::Path;
use std::time::Duration;

use flysk_clients::storage::{ByteRange, Config, Storage, StorageError};
use flysk_domain::failure_action::FailureAction;
use futures::TryStreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::server::{Reply, Server};

fn storage_at(endpoint: &str) -> Storage {
    Storage::new(Config {
        endpoint: endpoint.parse().unwrap(),
        bucket: "calls".into(),
        access_key_id: "key-id".into(),
        secret_access_key: "s3cr3t".into(),
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(20),
        upload_timeout: Duration::from_mins(1),
    })
}

/// An S3 server that checks signatures, with an empty bucket in a temporary directory.
async fn s3() -> (Storage, TempDir) {
    let root = TempDir::new().unwrap();
    std::fs::create_dir(root.path().join("calls")).unwrap();
    let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
    service.set_auth(SimpleAuth::from_single("key-id", "s3cr3t"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (storage_at(&endpoint), root)
}

fn file_of(root: &Path, content: &[u8]) -> std::path::PathBuf {
    let path = root.join("recording");
    std::fs::write(&path, content).unwrap();
    path
}

async fn read(storage: &Storage, key: &str, range: Option<ByteRange>) -> (Option<String>, Vec<u8>) {
    let object = storage.get_range(key, range).await.unwrap();
    let (length, content_range) = (object.bytes, object.content_range);
    let bytes: Vec<u8> = object.body.into_stream().map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap();
    assert_eq!(u64::try_from(bytes.len()), Ok(length));
    (content_range, bytes)
}

#[tokio::test]
async fn an_object_is_put_read_in_parts_listed_and_deleted() {
    let (storage, root) = s3().await;
    let content: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let path = file_of(root.path(), &content);
    storage.put_file("t42/2026/c1.mp3", &path, "audio/mpeg").await.unwrap();
    storage.put_file("t43/c2.mp3", &path, "audio/mpeg").await.unwrap();
    assert!(storage.exists("t42/2026/c1.mp3").await.unwrap());

    assert_eq!(read(&storage, "t42/2026/c1.mp3", None).await, (None, content.clone()));
    let part = Some(ByteRange::From { start: 10, end: Some(19) });
    assert_eq!(read(&storage, "t42/2026/c1.mp3", part).await.1, content[10..20]);
    let rest = Some(ByteRange::From { start: 299_990, end: None });
    let (range, bytes) = read(&storage, "t42/2026/c1.mp3", rest).await;
    assert_eq!(
        (range.as_deref(), bytes.as_slice()),
        (Some("bytes 299990-299999/300000"), &content[299_990..])
    );
    assert_eq!(read(&storage, "t42/2026/c1.mp3", Some(ByteRange::Last(5))).await.1, content[299_995..]);

    let page = storage.list("t42/", None).await.unwrap();
    let listed: Vec<_> = page.objects.iter().map(|object| (object.key.as_str(), object.bytes)).collect();
    assert_eq!((listed.as_slice(), page.next), ([("t42/2026/c1.mp3", 300_000)].as_slice(), None));

    storage.delete("t42/2026/c1.mp3").await.unwrap();
    assert!(!storage.exists("t42/2026/c1.mp3").await.unwrap());
    assert!(storage.list("t42/", None).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn a_missing_object_is_reported_and_deleting_it_succeeds() {
    let (storage, _root) = s3().await;
    let error = storage.get_range("gone.mp3", None).await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(error.outcome(), FailureAction::GiveUp);
    let missing = Server::always(Reply::new(404, &[], "<Error><Code>NoSuchKey</Code></Error>")).await;
    storage_at(&missing.url("")).delete("gone.mp3").await.unwrap();
    let error = storage.put_file("k", Path::new("/nonexistent/file"), "audio/mpeg").await.unwrap_err();
    assert!(matches!(error, StorageError::File(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_is_uploaded_without_checksums_or_trailers() {
    let server = Server::always(Reply::new(200, &[], "")).await;
    let root = TempDir::new().unwrap();
    let path = file_of(root.path(), b"recording");
    storage_at(&server.url("")).put_file("t42/c1.mp3", &path, "audio/mpeg").await.unwrap();
    let request = server.only_request();
    assert!(request.target.starts_with("/calls/t42/c1.mp3"), "{}", request.target);
    assert_eq!(request.body, b"recording");
    assert_eq!(
        (request.header("content-length"), request.header("content-type")),
        (Some("9"), Some("audio/mpeg"))
    );
    assert!(request.header("authorization").unwrap().contains("/ru-central1/s3/aws4_request"));
    for absent in
        ["x-amz-trailer", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "content-encoding"]
    {
        assert_eq!(request.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn error_responses_are_classified_and_not_retried_by_the_client() {
    let refusal = |status, code: &str| {
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>s3cr3t</Message></Error>");
        Reply::new(status, &[("Content-Type", "application/xml"), ("x-amz-request-id", "req-1")], body)
    };
    for (reply, outcome) in [
        (refusal(403, "AccessDenied"), FailureAction::GiveUp),
        (refusal(403, "SignatureDoesNotMatch"), FailureAction::GiveUp),
        (refusal(404, "NoSuchBucket"), FailureAction::GiveUp),
        (refusal(416, "InvalidRange"), FailureAction::GiveUp),
        (refusal(400, "InvalidArgument"), FailureAction::GiveUp),
        (refusal(400, "RequestTimeout"), FailureAction::RETRY),
        (refusal(503, "SlowDown"), FailureAction::RETRY),
        (refusal(500, "InternalError"), FailureAction::RETRY),
        (Reply::page(502), FailureAction::RETRY),
        (Reply::nothing(), FailureAction::RETRY),
    ] {
        let label = format!("{reply:?}");
        let server = Server::always(reply).await;
        let error = storage_at(&server.url("")).get_range("c1.mp3", None).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{label}: {error:?}");
        assert!(!crate::all_words(&error).contains("s3cr3t"), "{label}");
        assert_eq!(server.requests().len(), 1, "{label}");
    }
}

#[test]
fn a_link_for_speechkit_is_clean_and_path_style() {
    let storage = storage_at("https://storage.yandexcloud.net");
    assert_eq!(
        storage.object_url("t42/2026/c1.mp3").as_str(),
        "https://storage.yandexcloud.net/calls/t42/2026/c1.mp3"
    );
    assert_eq!(
        storage.object_url("a b?/ё#.mp3").as_str(),
        "https://storage.yandexcloud.net/calls/a%20b%3F/%D1%91%23.mp3"
    );
    assert!(!format!("{storage:?}").contains("s3cr3t"));
}
