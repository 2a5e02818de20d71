//! Fills a JSON Schema with values from a dialogue.

use serde_json::{Map, Value, json};

use super::dialogue::Dialogue;

/// Maximum depth. Deeper values are null, so that recursive schemas terminate.
const DEPTH_LIMIT: usize = 16;

/// A value that is valid under the schema.
pub(crate) fn fill(schema: &Map<String, Value>, dialogue: &Dialogue) -> Value {
    Filler { root: schema, dialogue }.value("", schema, 0)
}

struct Filler<'a> {
    root: &'a Map<String, Value>,
    dialogue: &'a Dialogue,
}

impl<'a> Filler<'a> {
    fn value(&self, name: &str, schema: &'a Map<String, Value>, depth: usize) -> Value {
        if depth > DEPTH_LIMIT {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| self.referred(path))
        {
            return self.value(name, target, depth + 1);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            return self.choice(choices);
        }
        let branch = ["anyOf", "oneOf", "allOf"]
            .iter()
            .find_map(|key| schema.get(*key)?.as_array()?.first()?.as_object());
        if let Some(branch) = branch {
            return self.value(name, branch, depth + 1);
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(name, schema, depth),
            "number" => json!(bounded(schema, self.number(name))),
            "integer" => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "bounded by the schema, rounded on purpose"
                )]
                let whole = bounded(schema, self.number(name)).round() as i64;
                json!(whole)
            }
            "boolean" => Value::Bool(false),
            "null" => Value::Null,
            _ => Value::String(self.text(name, schema)),
        }
    }

    fn object(&self, schema: &'a Map<String, Value>, depth: usize) -> Value {
        let properties = schema.get("properties").and_then(Value::as_object);
        let filled = properties.into_iter().flatten().filter_map(|(name, inner)| {
            Some((name.clone(), self.value(name, inner.as_object()?, depth + 1)))
        });
        Value::Object(filled.collect())
    }

    fn array(&self, name: &str, schema: &'a Map<String, Value>, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 100);
        let Some(items) = schema.get("items").and_then(Value::as_object) else { return json!([]) };
        (0..count).map(|_| self.value(name, items, depth + 1)).collect()
    }

    /// The mood if it is among the choices, in English or Russian; otherwise the first choice.
    fn choice(&self, choices: &[Value]) -> Value {
        let mood = self.dialogue.mood();
        let of_mood = choices.iter().find(|choice| {
            choice
                .as_str()
                .is_some_and(|text| text == mood.name() || text.to_lowercase() == mood.in_russian())
        });
        of_mood.or(choices.first()).cloned().unwrap_or(Value::Null)
    }

    fn number(&self, name: &str) -> f64 {
        match name.to_lowercase() {
            name if name.contains("confidence") || name.contains("probability") => 0.9,
            _ => self.dialogue.mood().score(),
        }
    }

    fn text(&self, name: &str, schema: &Map<String, Value>) -> String {
        let name = name.to_lowercase();
        let text = if name.contains("sentiment") || name.contains("mood") {
            self.dialogue.mood().name().to_owned()
        } else if name.contains("reason") || name.contains("why") {
            self.dialogue.reason()
        } else {
            self.dialogue.summary()
        };
        let limit =
            schema.get("maxLength").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        text.chars().take(limit.unwrap_or(usize::MAX)).collect()
    }

    /// Resolves a reference `#/a/b`.
    fn referred(&self, path: &str) -> Option<&'a Map<String, Value>> {
        let mut steps = path.strip_prefix("#/")?.split('/');
        let first = self.root.get(steps.next()?)?;
        steps.try_fold(first, |at, step| at.get(step))?.as_object()
    }
}

/// The schema's type; of several, the first that is not null. Without a type, it is inferred from the keywords.
fn type_of(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.contains_key("properties") => "object",
        _ if schema.contains_key("items") => "array",
        _ => "string",
    }
}

fn bounded(schema: &Map<String, Value>, value: f64) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    value.max(bound("minimum").unwrap_or(f64::NEG_INFINITY)).min(bound("maximum").unwrap_or(f64::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_keyword_is_respected() {
        let schema = json!({
            "type": "object",
            "properties": {
                "sentiment": { "type": "string", "enum": ["positive", "neutral", "negative"] },
                "score": { "type": "number", "minimum": 0, "maximum": 1 },
                "stars": { "type": "integer", "minimum": 1, "maximum": 5 },
                "summary": { "type": ["null", "string"], "maxLength": 10 },
                "topics": { "type": "array", "minItems": 2, "items": { "$ref": "#/$defs/topic" } },
            },
            "required": ["sentiment"],
            "$defs": { "topic": { "anyOf": [{ "type": "string" }] } },
        });
        let dialogue = Dialogue::read("Клиент: Это очень плохо, третий раз звоню!");
        let filled = fill(schema.as_object().unwrap(), &dialogue);
        assert_eq!(filled["sentiment"], "negative");
        assert_eq!(filled["score"], 0.0);
        assert_eq!(filled["stars"], 1);
        assert_eq!(filled["summary"].as_str().unwrap().chars().count(), 10);
        assert_eq!(filled["topics"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_recursive_schema_terminates() {
        let schema = json!({ "type": "object", "properties": { "inner": { "$ref": "#/properties/inner" } } });
        assert!(fill(schema.as_object().unwrap(), &Dialogue::default()).is_object());
    }
}
