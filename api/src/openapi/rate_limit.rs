//! The rate limit of backends in the document: a 429 for each limited operation, and the headers of its answers.

use serde_json::json;

use super::node::Node;
use crate::problem::ProblemCode;
use crate::rate_limit;

/// Adds the answer and the headers that [`rate_limit::BackendRateLimit`] gives.
pub(super) fn declare(document: &mut Node) -> serde_json::Result<()> {
    let Some(paths) = document.get_mut("paths") else { return Ok(()) };
    for (path, operations) in paths.fields_mut() {
        if !rate_limit::is_limited(path) {
            continue;
        }
        for (_, operation) in operations.fields_mut() {
            if let Some(responses) = operation.get_mut("responses") {
                add_refusal(responses)?;
                add_headers(responses)?;
            }
        }
    }
    Ok(())
}

fn add_refusal(responses: &mut Node) -> serde_json::Result<()> {
    if responses.get("429").is_some() {
        return Ok(());
    }
    let refusal = json!({
        "description": "The widget's backends have used their requests of this minute.",
        "content": {"application/problem+json": {"schema": {
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "enum": [ProblemCode::TooManyRequests.marker()],
        }}},
    });
    responses.set("429", serde_json::from_str(&refusal.to_string())?);
    Ok(())
}

fn add_headers(responses: &mut Node) -> serde_json::Result<()> {
    for (status, response) in responses.fields_mut() {
        if !status.starts_with('2') && status != "429" {
            continue;
        }
        if response.get("headers").is_none() {
            response.set("headers", Node::Object(Vec::new()));
        }
        let Some(headers) = response.get_mut("headers") else { continue };
        for (name, description, example) in rate_limit::HEADERS {
            let header =
                json!({"description": description, "schema": {"type": "string"}, "example": example});
            headers.set(name, serde_json::from_str(&header.to_string())?);
        }
    }
    Ok(())
}
