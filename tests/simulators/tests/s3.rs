//! The storage, tested through the SDK that real clients use.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use flysk_simulators::s3::{self, Bucket, Key, Object, Role};
use flysk_simulators::{Act, Control, Running, Script};

fn key(id: &str, role: Role) -> Key {
    Key { id: id.to_owned(), secret: format!("secret-of-{id}"), role }
}

async fn storage() -> Running<Bucket> {
    let keys =
        vec![key("editor", Role::Editor), key("uploader", Role::Uploader), key("viewer", Role::Viewer)];
    s3::start(s3::Options { bind: None, bucket: "calls".into(), keys }, Control::default()).await.unwrap()
}

fn client(storage: &Running<Bucket>, id: &str, region: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&storage.url)
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(id, format!("secret-of-{id}"), None, None, "test"))
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

async fn put(client: &Client, name: &str) -> Result<(), String> {
    let body = ByteStream::from_static(b"sound");
    let sent = client.put_object().bucket("calls").key(name).body(body).send().await;
    sent.map(|_| ()).map_err(|error| error.code().unwrap_or("no code").to_owned())
}

#[tokio::test]
async fn an_object_is_put_listed_read_and_deleted() {
    let storage = storage().await;
    let editor = client(&storage, "editor", s3::REGION);
    put(&editor, "t1/2026/a.mp3").await.unwrap();
    assert_eq!(storage.state.objects().unwrap(), [Object { key: "t1/2026/a.mp3".into(), size: 5 }]);
    let listed: Vec<Object> =
        serde_json::from_slice(&fetch(&format!("{}/_sim/objects", storage.url)).await.1).unwrap();
    assert_eq!(listed, storage.state.objects().unwrap());

    let read =
        editor.get_object().bucket("calls").key("t1/2026/a.mp3").range("bytes=1-3").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().into_bytes().as_ref(), b"oun");
    editor.delete_object().bucket("calls").key("t1/2026/a.mp3").send().await.unwrap();
    assert_eq!(storage.state.objects().unwrap(), []);
    let missing = editor.get_object().bucket("calls").key("t1/2026/a.mp3").send().await.unwrap_err();
    assert_eq!(missing.code(), Some("NoSuchKey"));
}

#[tokio::test]
async fn a_presigned_link_reads_one_object_and_unsigned_reads_fail() {
    let storage = storage().await;
    let viewer = client(&storage, "viewer", s3::REGION);
    put(&client(&storage, "uploader", s3::REGION), "a b.mp3").await.unwrap();
    let minute = PresigningConfig::expires_in(std::time::Duration::from_mins(1)).unwrap();
    let link = viewer.get_object().bucket("calls").key("a b.mp3").presigned(minute).await.unwrap();
    assert_eq!(fetch(link.uri()).await, (200, b"sound".to_vec()));
    assert_eq!(fetch(&link.uri().replace("a%20b", "a%20c")).await.0, 403);
    assert_eq!(fetch(&format!("{}/calls/a%20b.mp3", storage.url)).await.0, 403);
}

#[tokio::test]
async fn roles_region_and_secret_are_checked() {
    let storage = storage().await;
    put(&client(&storage, "uploader", s3::REGION), "a.mp3").await.unwrap();
    let refused =
        client(&storage, "uploader", s3::REGION).delete_object().bucket("calls").key("a.mp3").send().await;
    assert_eq!(refused.unwrap_err().code(), Some("AccessDenied"));
    assert_eq!(put(&client(&storage, "viewer", s3::REGION), "b.mp3").await.unwrap_err(), "AccessDenied");
    assert_eq!(
        put(&client(&storage, "editor", "us-east-1"), "b.mp3").await.unwrap_err(),
        "SignatureDoesNotMatch"
    );
    assert!(put(&client(&storage, "stranger", s3::REGION), "b.mp3").await.is_err());
    assert_eq!(storage.state.objects().unwrap().len(), 1);
}

#[tokio::test]
async fn scripted_failures_happen_and_then_end() {
    let storage = storage().await;
    let editor = client(&storage, "editor", s3::REGION);
    let slow_down =
        Act::Answer { status: 503, headers: vec![], body: "<Error><Code>SlowDown</Code></Error>".into() };
    storage.control.script(Script::next("/calls/*", slow_down));
    storage.control.script(Script::next("/calls/*", Act::ServeThenCut));
    assert_eq!(put(&editor, "a.mp3").await.unwrap_err(), "SlowDown");
    assert_eq!(storage.state.objects().unwrap(), []);
    put(&editor, "a.mp3").await.unwrap_err();
    assert_eq!(storage.state.objects().unwrap().len(), 1, "it was stored, only the answer was lost");
    put(&editor, "b.mp3").await.unwrap();
    let statuses: Vec<_> =
        storage.control.calls_to("PUT", "/calls/*").iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
    storage.state.empty().unwrap();
    assert_eq!(storage.state.objects().unwrap(), []);
}

async fn fetch(url: &str) -> (u16, Vec<u8>) {
    let response = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}
