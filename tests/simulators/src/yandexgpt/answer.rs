//! `CompletionResponse`: one, or several in a stream, each under `result`.

use poem::Response;
use serde_json::{Value, json};

use super::Outcome;
use super::request::Task;
use crate::yandex::language_model::{AnswerFormat, Dialogue, answer, fenced, tokens, usage};

/// Number of parts in a streamed response.
const STREAM_PARTS: usize = 3;

const REFUSAL: &str =
    "В интернете есть много сайтов с информацией на эту тему. Посмотрите, что нашлось в поиске";

/// Response to a task. A stream is several JSON objects in one body, each with all the text so far.
pub(super) fn write(task: &Task, outcome: Outcome) -> Response {
    let (text, status) = compose(task, outcome);
    let mut body = String::new();
    if task.stream {
        let length = text.chars().count();
        for part in 1..STREAM_PARTS {
            let so_far: String = text.chars().take(length * part / STREAM_PARTS).collect();
            body += &envelope(task, &so_far, "ALTERNATIVE_STATUS_PARTIAL").to_string();
            body.push('\n');
        }
    }
    body += &envelope(task, &text, status).to_string();
    Response::builder().content_type("application/json").body(body)
}

/// Text and status of the final answer.
fn compose(task: &Task, outcome: Outcome) -> (String, &'static str) {
    if outcome == Outcome::ContentFilter {
        return (REFUSAL.to_owned(), "ALTERNATIVE_STATUS_CONTENT_FILTER");
    }
    let written = answer(&task.prompt, &task.format, &Dialogue::read(&task.question));
    // A model whose prompt does not mention JSON fills its token limit with whitespace.
    let text = written.unwrap_or_else(|| " \n".repeat(task.max_tokens * 3 / 2));
    let text = match (outcome, &task.format) {
        (Outcome::Fenced, AnswerFormat::JsonObject | AnswerFormat::JsonSchema(_)) => fenced(&text),
        _ => text,
    };
    let limit = if outcome == Outcome::Truncated { tokens(&text) / 2 } else { task.max_tokens };
    if tokens(&text) > limit || outcome == Outcome::Truncated || text.trim().is_empty() {
        return (text.chars().take(limit * 3).collect(), "ALTERNATIVE_STATUS_TRUNCATED_FINAL");
    }
    (text, "ALTERNATIVE_STATUS_FINAL")
}

fn envelope(task: &Task, text: &str, status: &str) -> Value {
    let mut usage = usage(tokens(&task.prompt), tokens(text));
    let thought = if task.reasoning { "64" } else { "0" };
    usage.insert("completionTokensDetails".to_owned(), json!({ "reasoningTokens": thought }));
    json!({ "result": {
        "alternatives": [{ "message": { "role": "assistant", "text": text }, "status": status }],
        "usage": usage,
        "modelVersion": format!("{}.{}.2026-10-01", task.model.model, task.model.branch),
    } })
}
