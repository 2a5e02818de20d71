//! What we ask.

use serde::Serialize;
use serde_json::Value;

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// `gpt://<folder>/<model>/<branch>`.
    pub model_uri: String,
    /// What was said so far; the last one is to be answered.
    pub messages: Vec<Message>,
    /// 0 for the most likely answer, up to 1.
    pub temperature: f64,
    /// The longest answer. JSON that needs more is cut.
    pub max_tokens: u32,
    /// A JSON Schema the answer is to follow; plain text without one.
    pub json_schema: Option<Value>,
}

/// One message of the conversation.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What. `Debug` does not show it: it holds people's calls.
    pub text: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("role", &self.role).field("bytes", &self.text.len()).finish()
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instruction.
    System,
    /// What it is about.
    User,
    /// An earlier answer.
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
    /// An `int64`, which proto3 JSON writes as a string.
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
