//! Request bodies of YandexGPT.

use serde::Serialize;
use serde_json::Value;

/// A completion request.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// URI of the model: `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// Messages of the conversation; the model answers the last one.
    pub messages: Vec<Message>,
    /// Sampling temperature from 0 (most likely text) to 1.
    pub temperature: f64,
    /// Maximum length of the completion in tokens. Longer JSON is cut.
    pub max_tokens: u32,
    /// JSON Schema of the completion; `None` for plain text.
    pub json_schema: Option<Value>,
}

/// One message of the conversation.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Role of the author.
    pub role: Role,
    /// Text. `Debug` does not show it, because it contains people's calls.
    pub text: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("role", &self.role).field("bytes", &self.text.len()).finish()
    }
}

/// Role of a message's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the model.
    System,
    /// Input, such as a dialogue.
    User,
    /// An earlier completion.
    Assistant,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompletionBody<'a> {
    model_uri: &'a str,
    completion_options: CompletionOptions,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<JsonSchema<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompletionOptions {
    stream: bool,
    temperature: f64,
    /// A string, because proto3 JSON writes `int64` as a string.
    max_tokens: String,
    reasoning_options: ReasoningOptions,
}

#[derive(Serialize)]
struct ReasoningOptions {
    mode: &'static str,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    schema: &'a Value,
}

impl<'a> From<&'a Completion> for CompletionBody<'a> {
    fn from(completion: &'a Completion) -> Self {
        Self {
            model_uri: &completion.model_uri,
            completion_options: CompletionOptions {
                stream: false,
                temperature: completion.temperature,
                max_tokens: completion.max_tokens.to_string(),
                reasoning_options: ReasoningOptions { mode: "DISABLED" },
            },
            messages: &completion.messages,
            json_schema: completion.json_schema.as_ref().map(|schema| JsonSchema { schema }),
        }
    }
}
