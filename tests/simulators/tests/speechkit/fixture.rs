//! A storage, a recognizer that reads from it, and a plain HTTP client.

use std::path::{Path, PathBuf};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use flysk_simulators::s3::{self, Bucket, Key, Role};
use flysk_simulators::speechkit::{self, Behaviour, Manifest, Options, Quotas, SpeechKit, Storage};
use flysk_simulators::{Control, Credential, Running};
use serde_json::{Value, json};

pub(crate) struct Fixture {
    pub(crate) storage: Running<Bucket>,
    pub(crate) speechkit: Running<SpeechKit>,
    http: reqwest::Client,
    objects: aws_sdk_s3::Client,
}

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/calls")
}

impl Fixture {
    /// Recognition takes no time, and status checks are not limited.
    pub(crate) async fn fast() -> Self {
        Self::with(Behaviour { pace: 0.0, ..Behaviour::default() }, 1_000_000).await
    }

    pub(crate) async fn with(behaviour: Behaviour, checks_per_second: usize) -> Self {
        let key = |id: &str, role| Key { id: id.into(), secret: "secret".into(), role };
        let keys = vec![key("product", Role::Editor), key("recogniser", Role::Viewer)];
        let options = s3::Options { bind: None, bucket: "calls".into(), keys: keys.clone() };
        let storage = s3::start(options, Control::default()).await.unwrap();
        let llm_less = Credential { language_models: false, ..Credential::api_key("no-llm") };
        let deaf = Credential { recognition: false, ..Credential::api_key("deaf") };
        let options = Options {
            bind: None,
            credentials: vec![Credential::api_key("key"), llm_less, deaf],
            storage: Storage { endpoint: storage.url.parse().unwrap(), key: keys[1].clone() },
            manifest: Manifest::load(&fixtures().join("manifest.json")).unwrap(),
            quotas: Quotas { checks_per_second, ..Quotas::default() },
            behaviour,
        };
        let speechkit = speechkit::start(options, Control::default()).await.unwrap();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&storage.url)
            .region(Region::new(s3::REGION))
            .credentials_provider(Credentials::new("product", "secret", None, None, "test"))
            .force_path_style(true)
            .build();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { storage, speechkit, http, objects: aws_sdk_s3::Client::from_conf(config) }
    }

    /// Uploads a fixture and returns its link.
    pub(crate) async fn upload(&self, name: &str) -> String {
        let body = ByteStream::from_path(fixtures().join(name)).await.unwrap();
        self.objects.put_object().bucket("calls").key(name).body(body).send().await.unwrap();
        format!("{}/calls/{name}", self.storage.url)
    }

    /// A request for an uploaded fixture with required fields only.
    pub(crate) async fn request(&self, name: &str) -> Value {
        let container = match Path::new(name).extension().and_then(|it| it.to_str()) {
            Some("wav") => "WAV",
            Some("ogg") => "OGG_OPUS",
            _ => "MP3",
        };
        json!({
            "uri": self.upload(name).await,
            "recognitionModel": {
                "model": "general",
                "audioFormat": { "containerAudio": { "containerAudioType": container } },
                "textNormalization": { "textNormalization": "TEXT_NORMALIZATION_ENABLED", "literatureText": true },
                "languageRestriction": { "restrictionType": "WHITELIST", "languageCode": ["ru-RU"] },
                "audioProcessingType": "FULL_DATA",
            },
        })
    }

    pub(crate) async fn call_as(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: String,
    ) -> reqwest::Result<(u16, String)> {
        let method = method.parse().unwrap();
        let url = format!("{}{path}", self.speechkit.url);
        let sent =
            self.http.request(method, url).header("Authorization", format!("Api-Key {key}")).body(body);
        let response = sent.send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.call_as("key", "GET", path, String::new()).await.unwrap()
    }

    pub(crate) async fn submit(&self, body: &Value) -> (u16, String) {
        self.call_as("key", "POST", "/stt/v3/recognizeFileAsync", body.to_string()).await.unwrap()
    }

    /// Submits a request that must be accepted; returns the operation's id.
    pub(crate) async fn accepted(&self, body: &Value) -> String {
        let (status, text) = self.submit(body).await;
        assert_eq!(status, 200, "{text}");
        let operation: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&operation["done"], &operation["metadata"]), (&json!(false), &Value::Null));
        operation["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn operation(&self, id: &str) -> Value {
        let (status, text) = self.get(&format!("/operations/{id}")).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until the operation is done and returns it.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        for _ in 0..6_000 {
            let operation = self.operation(id).await;
            if operation["done"] == true {
                return operation;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("operation {id} is never done");
    }

    /// The raw result stream.
    pub(crate) async fn result(&self, id: &str) -> (u16, String) {
        self.get(&format!("/stt/v3/getRecognition?operation_id={id}")).await
    }

    /// Recognizes and returns the events.
    pub(crate) async fn events(&self, body: &Value) -> Vec<Value> {
        let id = self.accepted(body).await;
        let operation = self.finished(&id).await;
        assert!(operation.get("error").is_none() && operation.get("response").is_none(), "{operation}");
        let (status, text) = self.result(&id).await;
        assert_eq!(status, 200, "{text}");
        objects(&text)
    }
}

/// Parses concatenated JSON objects.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().unwrap()
}

/// Payloads of one event with their channel tags.
pub(crate) fn payloads<'a>(events: &'a [Value], name: &str) -> Vec<(&'a str, &'a Value)> {
    let of_name = events
        .iter()
        .filter_map(|event| Some((event["result"]["channelTag"].as_str()?, event["result"].get(name)?)));
    of_name.collect()
}

/// An `int64` as printed by the API.
pub(crate) fn ms(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}
