//! Parsing and validation of `CompletionRequest` (Foundation Models API, `TextGenerationService.Completion`).

use serde::Deserialize;
use serde_json::Value;

use crate::yandex::language_model::{AnswerFormat, CONTEXT_TOKENS, JsonSchema, ModelUri, tokens};
use crate::yandex::proto_json::{Double, Int64, proto_enum};
use crate::yandex::{Code, Status};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CompletionRequest {
    #[serde(alias = "model_uri")]
    model_uri: Option<String>,
    #[serde(alias = "completion_options")]
    completion_options: Option<CompletionOptions>,
    messages: Option<Vec<Message>>,
    tools: Option<Vec<Value>>,
    #[serde(alias = "json_object")]
    json_object: Option<bool>,
    #[serde(alias = "json_schema")]
    json_schema: Option<JsonSchema>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CompletionOptions {
    stream: Option<bool>,
    temperature: Option<Double>,
    #[serde(alias = "max_tokens")]
    max_tokens: Option<Int64>,
    #[serde(alias = "reasoning_options")]
    reasoning_options: Option<ReasoningOptions>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReasoningOptions {
    mode: Option<ReasoningMode>,
}

proto_enum! { ReasoningMode {
    Unspecified = 0 "REASONING_MODE_UNSPECIFIED", Disabled = 1 "DISABLED", EnabledHidden = 2 "ENABLED_HIDDEN",
} }

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Message {
    role: Option<String>,
    text: Option<String>,
}

/// A valid request.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) model: ModelUri,
    pub(super) format: AnswerFormat,
    pub(super) stream: bool,
    /// Maximum tokens of the answer.
    pub(super) max_tokens: usize,
    /// Reasoning is enabled, and its tokens are reported.
    pub(super) reasoning: bool,
    /// Text of all messages, for counting tokens and reading the instruction.
    pub(super) prompt: String,
    /// Text of the last user message.
    pub(super) question: String,
}

/// Parses a request body as strictly as the API does.
pub(super) fn read(body: &[u8]) -> Result<Task, Status> {
    let request: CompletionRequest =
        serde_json::from_slice(body).map_err(|error| Status::invalid(format!("request body: {error}")))?;
    if request.tools.is_some_and(|tools| !tools.is_empty()) {
        return Err(Status::new(Code::Unimplemented, "tools are not supported"));
    }
    let model = ModelUri::parse(request.model_uri.as_deref().unwrap_or_default())?;
    let options = request.completion_options.unwrap_or_default();
    let temperature = options.temperature.map_or(0.3, |temperature| temperature.0);
    if !(0.0..=1.0).contains(&temperature) {
        return Err(Status::invalid("temperature must lie in [0, 1]"));
    }
    let max_tokens = match options.max_tokens {
        None => CONTEXT_TOKENS,
        Some(Int64(limit)) => usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| Status::invalid("max_tokens must be greater than zero"))?,
    };
    let messages = request.messages.unwrap_or_default();
    let (prompt, question) = read_messages(messages)?;
    if tokens(&prompt) > CONTEXT_TOKENS {
        return Err(Status::invalid(format!("number of input tokens must be no more than {CONTEXT_TOKENS}")));
    }
    Ok(Task {
        model,
        format: AnswerFormat::of(request.json_object, request.json_schema)?,
        stream: options.stream.unwrap_or(false),
        max_tokens,
        reasoning: options.reasoning_options.and_then(|options| options.mode)
            == Some(ReasoningMode::EnabledHidden),
        prompt,
        question,
    })
}

/// Text of all messages, concatenated, and of the last user message.
fn read_messages(messages: Vec<Message>) -> Result<(String, String), Status> {
    let mut texts = Vec::new();
    let mut question = None;
    for message in messages {
        let role = message.role.unwrap_or_default();
        if !["system", "user", "assistant"].contains(&role.as_str()) {
            return Err(Status::invalid(format!("unknown message role {role:?}")));
        }
        let text = message.text.filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Status::invalid("a message has no text"))?;
        if role == "user" {
            question = Some(text.clone());
        }
        texts.push(text);
    }
    let question = question.ok_or_else(|| Status::invalid("messages hold nothing from the user"))?;
    Ok((texts.join("\n"), question))
}
