//! What comes back.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::YandexGptError;
use crate::http::Malformed;
use crate::lenient;
use crate::yandex::Status;

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was said: JSON as text if a schema was given and `ending` is [`Ending::Complete`]. `Debug`
    /// does not show it.
    pub text: String,
    /// Whether it is all there.
    pub ending: Ending,
    /// What it cost.
    pub usage: Usage,
    /// Which model really answered; branches move.
    pub model_version: String,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It is all there.
    Complete,
    /// The limit of tokens was reached: JSON is cut.
    Truncated,
    /// The ethics filter answered instead, politely and not in JSON.
    ContentFilter,
    /// A name we do not know.
    Other(String),
}

/// Tokens, billed by the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Usage {
    /// Of the question.
    #[serde(deserialize_with = "lenient::u64_or_zero")]
    pub input_text_tokens: u64,
    /// Of the answer.
    #[serde(deserialize_with = "lenient::u64_or_zero")]
    pub completion_tokens: u64,
    /// Of both.
    #[serde(deserialize_with = "lenient::u64_or_zero")]
    pub total_tokens: u64,
}

impl Answer {
    /// Reads the text as JSON, without the code fence some models put around it; `None` if it is no
    /// such JSON, or is cut or filtered.
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

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("bytes", &self.text.len())
            .field("ending", &self.ending)
            .field("usage", &self.usage)
            .field("model_version", &self.model_version)
            .finish_non_exhaustive()
    }
}

/// The body is a stream of `{"result":…}` behind the same kind of gateway as recognition results; the
/// last object is the whole answer.
pub(super) fn read(body: &[u8]) -> Result<Answer, YandexGptError> {
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
    Ok(Answer {
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
    #[serde(deserialize_with = "lenient::nullable")]
    alternatives: Vec<Alternative>,
    #[serde(deserialize_with = "lenient::nullable")]
    usage: Usage,
    #[serde(deserialize_with = "lenient::optional_text")]
    model_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Alternative {
    #[serde(deserialize_with = "lenient::nullable")]
    message: MessageBody,
    #[serde(deserialize_with = "lenient::nullable")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageBody {
    #[serde(deserialize_with = "lenient::nullable")]
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
