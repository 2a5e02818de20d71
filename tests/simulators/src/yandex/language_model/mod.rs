//! A deterministic substitute for a language model: parses the dialogue in the prompt and writes an answer in the
//! requested format, always the same for the same dialogue.

mod dialogue;
mod schema;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Status;
pub(crate) use dialogue::Dialogue;

/// Context of the models, tokens (AI Studio, "Text generation models").
pub(crate) const CONTEXT_TOKENS: usize = 32_768;

/// Models of the completion API. Other models are available through the OpenAI-style API only.
const MODELS: [&str; 3] = ["yandexgpt-lite", "yandexgpt", "aliceai-llm"];
const BRANCHES: [&str; 3] = ["latest", "rc", "deprecated"];

/// `gpt://<folder>/<model>[/<branch>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelUri {
    pub(crate) model: String,
    pub(crate) branch: String,
}

impl ModelUri {
    pub(crate) fn parse(uri: &str) -> Result<Self, Status> {
        let wrong = || Status::invalid(format!("model_uri {uri:?} is not gpt://<folder>/<model>[/<branch>]"));
        let mut parts = uri.strip_prefix("gpt://").ok_or_else(wrong)?.split('/');
        let folder = parts.next().unwrap_or_default();
        let model = parts.next().unwrap_or_default();
        let branch = parts.next().unwrap_or("latest");
        if folder.is_empty() || model.is_empty() || parts.next().is_some() {
            return Err(wrong());
        }
        if !MODELS.contains(&model) || !BRANCHES.contains(&branch) {
            return Err(Status::invalid(format!("model {model}/{branch} is not available")));
        }
        Ok(Self { model: model.to_owned(), branch: branch.to_owned() })
    }
}

/// A JSON Schema in a request. It is a `google.protobuf.Struct`: an object, never a string.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JsonSchema {
    schema: Option<Map<String, Value>>,
}

/// Requested format of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerFormat {
    Text,
    JsonObject,
    JsonSchema(Map<String, Value>),
}

impl AnswerFormat {
    /// Parses the oneof of `json_object` and `json_schema`.
    pub(crate) fn of(json_object: Option<bool>, json_schema: Option<JsonSchema>) -> Result<Self, Status> {
        match (json_object, json_schema) {
            (Some(_), Some(_)) => {
                Err(Status::invalid("oneof response_format: both json_object and json_schema are set"))
            }
            (Some(true), None) => Ok(Self::JsonObject),
            (Some(false) | None, None) => Ok(Self::Text),
            (None, Some(JsonSchema { schema: Some(schema) })) => Ok(Self::JsonSchema(schema)),
            (None, Some(JsonSchema { schema: None })) => {
                Err(Status::invalid("json_schema: schema is not set"))
            }
        }
    }
}

/// Answers one instruction about a dialogue.
///
/// If a JSON object is requested and the instruction does not contain "JSON", the model emits whitespace without
/// end, as the API's description warns. Then the result is `None`, and the caller truncates at its token limit.
pub(crate) fn answer(instruction: &str, format: &AnswerFormat, dialogue: &Dialogue) -> Option<String> {
    match format {
        AnswerFormat::Text => Some(dialogue.summary()),
        AnswerFormat::JsonObject if !instruction.to_uppercase().contains("JSON") => None,
        AnswerFormat::JsonObject => {
            let mood = dialogue.mood();
            let object = json!({
                "summary": dialogue.summary(),
                "sentiment": mood.name(),
                "score": mood.score(),
                "reason": dialogue.reason(),
            });
            Some(object.to_string())
        }
        AnswerFormat::JsonSchema(schema) => Some(schema::fill(schema, dialogue).to_string()),
    }
}

/// JSON in a Markdown code fence, as some models return it unasked.
pub(crate) fn fenced(text: &str) -> String {
    format!("```json\n{text}\n```")
}

/// Estimated number of tokens in a Russian text: one per three characters.
pub(crate) fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(3)
}

/// Token usage of a call; the API prints `int64` as strings.
pub(crate) fn usage(input_tokens: usize, completion_tokens: usize) -> Map<String, Value> {
    let total = input_tokens + completion_tokens;
    [("inputTextTokens", input_tokens), ("completionTokens", completion_tokens), ("totalTokens", total)]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), Value::String(count.to_string())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_uri_has_folder_model_and_optional_branch() {
        let uri = ModelUri::parse("gpt://b1gexample/yandexgpt-lite").unwrap();
        assert_eq!((uri.model.as_str(), uri.branch.as_str()), ("yandexgpt-lite", "latest"));
        for wrong in [
            "",
            "yandexgpt-lite/latest",
            "gpt:///yandexgpt/latest",
            "gpt://b1gexample/",
            "gpt://b1gexample/yandexgpt/latest/more",
            "gpt://b1gexample/yandexgpt/newest",
            "gpt://b1gexample/gpt-oss-20b/latest",
        ] {
            assert!(ModelUri::parse(wrong).is_err(), "{wrong}");
        }
    }
}
