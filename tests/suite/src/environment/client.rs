//! Client of FlySense's API, as its widget uses it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_simulators::amocrm::{Amocrm, WidgetTokenShape};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ACCOUNT, ADMIN, CLIENT_ID, LEAD};

/// A widget's client. Every request carries a new one-time token, as on amoCRM's page.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    api_url: String,
    amocrm: Amocrm,
    account: u64,
    user: u64,
}

/// A transcription in an API response. Fields that tests rarely use are in `raw`.
#[derive(Debug, Clone, Deserialize)]
pub struct Transcription {
    /// `tr_…`.
    pub id: String,
    /// Id of the call note.
    pub note_id: u64,
    /// State code.
    pub state: String,
    /// Set in the state `failed` only.
    #[serde(default)]
    pub failure_code: Option<String>,
    /// The full JSON object.
    #[serde(skip)]
    pub raw: Value,
}

impl Transcription {
    fn read(raw: Value) -> anyhow::Result<Self> {
        let read = Self::deserialize(&raw).with_context(|| format!("unexpected transcription: {raw}"))?;
        Ok(Self { raw, ..read })
    }

    /// A field of the `payment` object; null if absent.
    pub fn payment(&self, field: &str) -> &Value {
        self.raw.get("payment").and_then(|payment| payment.get(field)).unwrap_or(&Value::Null)
    }

    /// Whether the state is final.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "done" | "no_speech" | "failed" | "cancelled")
    }
}

impl Client {
    pub(super) fn new(api_url: &str, amocrm: Amocrm) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_mins(2)).build()?;
        Ok(Self { http, api_url: api_url.to_owned(), amocrm, account: ACCOUNT, user: ADMIN })
    }

    /// The same client as another user or in another account.
    #[must_use]
    pub fn acting_as(&self, account: u64, user: u64) -> Self {
        Self { account, user, ..self.clone() }
    }

    /// A one-time token of the user.
    pub fn token(&self) -> anyhow::Result<String> {
        Ok(self.amocrm.widget_token(CLIENT_ID, self.account, self.user, &WidgetTokenShape::default())?)
    }

    /// Sends a request with a new token; returns status and JSON body.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.api_url))
            .header("X-Auth-Token", self.token()?);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Requests the transcription of a call note; returns its id.
    pub async fn transcribe(&self, note_id: u64) -> anyhow::Result<String> {
        let body = json!({ "note_id": note_id, "entity_type": "leads", "entity_id": LEAD });
        let (status, answer) = self.request(Method::POST, "/v1/flysense/transcriptions", Some(&body)).await?;
        if status != StatusCode::ACCEPTED {
            bail!("{status}: {answer}");
        }
        Ok(answer.get("id").and_then(Value::as_str).context("no id")?.to_owned())
    }

    /// Reads one transcription.
    pub async fn transcription(&self, id: &str) -> anyhow::Result<Transcription> {
        let (status, answer) =
            self.request(Method::GET, &format!("/v1/flysense/transcriptions/{id}"), None).await?;
        if status != StatusCode::OK {
            bail!("{status}: {answer}");
        }
        Transcription::read(answer)
    }

    /// Lists the lead's transcriptions, newest first.
    pub async fn transcriptions(&self) -> anyhow::Result<Vec<Transcription>> {
        let path = format!("/v1/flysense/transcriptions?entity_type=leads&entity_id={LEAD}&limit=100");
        let (status, answer) = self.request(Method::GET, &path, None).await?;
        if status != StatusCode::OK {
            bail!("{status}: {answer}");
        }
        let items = answer.get("items").and_then(Value::as_array).context("no items")?;
        items.iter().cloned().map(Transcription::read).collect()
    }

    /// Waits until the transcription of a note has reached a final state.
    pub async fn wait_for_end(&self, note_id: u64, timeout: Duration) -> anyhow::Result<Transcription> {
        self.wait_until(note_id, timeout, Transcription::has_ended).await
    }

    /// Waits until the transcription of a note is in this state.
    pub async fn wait_for_state(
        &self,
        note_id: u64,
        state: &str,
        timeout: Duration,
    ) -> anyhow::Result<Transcription> {
        self.wait_until(note_id, timeout, |call| call.state == state).await
    }

    /// Waits until the payment of a transcription is in this state.
    pub async fn wait_for_payment(
        &self,
        id: &str,
        state: &str,
        timeout: Duration,
    ) -> anyhow::Result<Transcription> {
        let deadline = Instant::now() + timeout;
        loop {
            let call = self.transcription(id).await?;
            if call.payment("state").as_str() == Some(state) {
                return Ok(call);
            }
            if Instant::now() > deadline {
                bail!("the payment of {id} did not become `{state}`: {}", call.raw);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn wait_until(
        &self,
        note_id: u64,
        timeout: Duration,
        reached: impl Fn(&Transcription) -> bool,
    ) -> anyhow::Result<Transcription> {
        let deadline = Instant::now() + timeout;
        loop {
            let found = self.transcriptions().await?.into_iter().find(|call| call.note_id == note_id);
            if let Some(call) = found.as_ref().filter(|call| reached(call)) {
                return self.transcription(&call.id).await;
            }
            if Instant::now() > deadline {
                bail!("the call of note {note_id} did not reach the expected state: {found:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
