//! Responses of YandexGPT.

use std::fmt;

use flysk_domain::serde_lenient;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::YandexGptError;
use crate::http::Malformed;
use crate::yandex::Status;

/// What the model has written, and what it costs.
#[derive(Clone, PartialEq, Eq)]
pub struct CompletionResponse {
    /// Text of the completion: JSON if a schema was given and `ending` is [`Ending::Complete`]. `Debug` does not show it.
    pub text: String,
    /// Whether `text` can be used.
    pub ending: Ending,
    /// Used tokens.
    pub usage: Usage,
    /// Version of the model that was used; branches such as `latest` change.
    pub model_version: String,
}

/// Why the model stopped writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The completion is complete.
    Complete,
    /// The limit of tokens was reached; JSON is cut.
    Truncated,
    /// The content filter replaced the completion with a polite text, which is not JSON.
    ContentFilter,
    /// An unknown status.
    Other(String),
}

/// Used tokens; the total is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Usage {
    /// Tokens of the request.
    #[serde(deserialize_with = "serde_lenient::u64_or_zero")]
    pub input_text_tokens: u64,
    /// Tokens that the model has written.
    #[serde(deserialize_with = "serde_lenient::u64_or_zero")]
    pub completion_tokens: u64,
    /// Tokens of both.
    #[serde(deserialize_with = "serde_lenient::u64_or_zero")]
    pub total_tokens: u64,
}

impl CompletionResponse {
    /// Parses the text as JSON, without the code fence that some models add; `None` if it does not parse, is cut or was
    /// filtered.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        if self.ending != Ending::Complete {
            return None;
        }
        serde_json::from_str(without_fence(&self.text)).ok()
    }
}

fn without_fence(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}

impl fmt::Debug for CompletionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionResponse")
            .field("bytes", &self.text.len())
            .field("ending", &self.ending)
            .field("usage", &self.usage)
            .field("model_version", &self.model_version)
            .finish_non_exhaustive()
    }
}

/// Parses a response. Its body is a stream of `{"result":…}` like recognition results; the last object is the whole
/// completion.
pub(super) fn read(body: &[u8]) -> Result<CompletionResponse, YandexGptError> {
    let mut last = None;
    for object in serde_json::Deserializer::from_slice(body).into_iter::<Value>() {
        let mut object = object.map_err(|error| Malformed { line: error.line(), column: error.column() })?;
        if let Some(error) = object.get("error").filter(|error| error.is_object()) {
            return Err(YandexGptError::Refused { status: Status::of_rpc(error), after: None });
        }
        let result = object.get_mut("result").map(Value::take);
        last = Some(result.filter(Value::is_object).unwrap_or(object));
    }
    let result: ResultBody = last.and_then(|result| serde_json::from_value(result).ok()).unwrap_or_default();
    let first = result.alternatives.into_iter().next().ok_or(YandexGptError::Empty)?;
    Ok(CompletionResponse {
        text: first.message.text,
        ending: Ending::from_name(first.status),
        usage: result.usage,
        model_version: result.model_version.unwrap_or_default(),
    })
}

impl Ending {
    fn from_name(name: String) -> Self {
        match name.as_str() {
            "ALTERNATIVE_STATUS_FINAL" => Self::Complete,
            "ALTERNATIVE_STATUS_TRUNCATED_FINAL" => Self::Truncated,
            "ALTERNATIVE_STATUS_CONTENT_FILTER" => Self::ContentFilter,
            _ => Self::Other(name),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResultBody {
    #[serde(deserialize_with = "serde_lenient::nullable")]
    alternatives: Vec<Alternative>,
    #[serde(deserialize_with = "serde_lenient::nullable")]
    usage: Usage,
    #[serde(deserialize_with = "serde_lenient::optional_text")]
    model_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Alternative {
    #[serde(deserialize_with = "serde_lenient::nullable")]
    message: MessageBody,
    #[serde(deserialize_with = "serde_lenient::nullable")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageBody {
    #[serde(deserialize_with = "serde_lenient::nullable")]
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, status: &str) -> String {
        serde_json::json!({"result": {
            "alternatives": [{"message": {"role": "assistant", "text": text}, "status": status}],
            "usage": {"inputTextTokens": "900", "completionTokens": 60, "totalTokens": "960", "new": {}},
            "modelVersion": "v5"}})
        .to_string()
    }

    #[test]
    fn the_answer_is_read_wrapped_bare_and_as_the_last_of_a_stream() {
        let wrapped = body("{\"a\":1}", "ALTERNATIVE_STATUS_FINAL");
        let bare = serde_json::from_str::<Value>(&wrapped).unwrap()["result"].to_string();
        let stream = format!("{}\n{wrapped}", body("{\"a", "ALTERNATIVE_STATUS_PARTIAL"));
        for text in [wrapped.as_str(), &bare, &stream] {
            let answer = read(text.as_bytes()).unwrap();
            assert_eq!((answer.ending.clone(), answer.usage.total_tokens), (Ending::Complete, 960), "{text}");
            assert_eq!(answer.json::<Value>(), Some(serde_json::json!({"a": 1})), "{text}");
        }
    }

    #[test]
    fn a_code_fence_is_taken_off() {
        for text in ["```json\n{\"a\":1}\n```", "```\n{\"a\":1}```", " {\"a\":1} "] {
            let answer = read(body(text, "ALTERNATIVE_STATUS_FINAL").as_bytes()).unwrap();
            assert_eq!(answer.json::<Value>(), Some(serde_json::json!({"a": 1})), "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_filtered_is_no_json_even_if_it_looks_like_it() {
        for (name, ending) in [
            ("ALTERNATIVE_STATUS_TRUNCATED_FINAL", Ending::Truncated),
            ("ALTERNATIVE_STATUS_CONTENT_FILTER", Ending::ContentFilter),
            ("ALTERNATIVE_STATUS_NEW", Ending::Other("ALTERNATIVE_STATUS_NEW".into())),
        ] {
            let answer = read(body("{}", name).as_bytes()).unwrap();
            assert_eq!((answer.json::<Value>(), answer.ending), (None, ending));
        }
    }

    #[test]
    fn errors_inside_a_success_and_empty_successes_are_told() {
        let refused = read(br#"{"error":{"grpcCode":8,"message":"quota"}}"#).unwrap_err();
        assert!(matches!(refused, YandexGptError::Refused { .. }));
        for text in ["", "{}", r#"{"result":null}"#, r#"{"result":{"alternatives":[]}}"#] {
            assert!(matches!(read(text.as_bytes()), Err(YandexGptError::Empty)), "{text}");
        }
        assert!(matches!(read(b"<html>"), Err(YandexGptError::Unreadable(_))));
    }
}
