//! Vendors' JSON Schemas for the settings of installs.

use jsonschema::Validator;
use serde_json::Value;

/// Keywords of JSON Schema, from draft 4 to 2020-12.
///
/// Source: the meta-schemas of the drafts 4, 6, 7, 2019-09 and 2020-12.
const KEYWORDS: [&str; 60] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "writeOnly",
];
/// Keywords whose values are objects of schemas.
const MAPS: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// Keywords whose values are schemas, or lists of schemas.
const SCHEMAS: [&str; 16] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsSchemaError {
    /// A misspelt keyword would be ignored, and the vendor would believe that settings are validated by it.
    #[error("`{keyword}` at `{path}` is not a keyword of JSON Schema; keywords of your own begin with `x-`")]
    UnknownKeyword {
        /// The keyword.
        keyword: String,
        /// JSON pointer to the schema that contains it.
        path: String,
    },
    /// Not a JSON Schema, or an unknown format.
    #[error("the settings schema is not valid: {0}")]
    Invalid(String),
}

/// A compiled schema. `format` is validated, whatever the draft.
#[derive(Debug)]
pub struct SettingsSchema(Validator);

impl SettingsSchema {
    /// Checks and compiles a schema that a vendor registers: unknown keywords and formats are refused.
    pub fn check(schema: &Value) -> Result<Self, SettingsSchemaError> {
        check_keywords(schema, "")?;
        Self::build(schema, false)
    }

    /// Compiles a stored schema. An unknown format of a schema that is older than the check is ignored.
    pub fn compile(schema: &Value) -> Result<Self, SettingsSchemaError> {
        Self::build(schema, true)
    }

    fn build(schema: &Value, ignore_unknown_formats: bool) -> Result<Self, SettingsSchemaError> {
        let options = jsonschema::options()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(ignore_unknown_formats);
        options.build(schema).map(Self).map_err(|error| SettingsSchemaError::Invalid(error.to_string()))
    }

    /// Up to `most` violations, each with its JSON pointer.
    pub fn violations(&self, settings: &Value, most: usize) -> Vec<String> {
        let path = |pointer: String| if pointer.is_empty() { "settings".to_owned() } else { pointer };
        let errors = self.0.iter_errors(settings).take(most);
        errors.map(|error| format!("{}: {error}", path(error.instance_path().to_string()))).collect()
    }
}

fn check_keywords(schema: &Value, path: &str) -> Result<(), SettingsSchemaError> {
    // `true` and `false` are schemas, too.
    let Value::Object(keywords) = schema else { return Ok(()) };
    for (keyword, value) in keywords {
        let is_known = KEYWORDS.contains(&keyword.as_str()) || SCHEMAS.contains(&keyword.as_str());
        if !is_known && !keyword.starts_with("x-") {
            return Err(SettingsSchemaError::UnknownKeyword {
                keyword: keyword.clone(),
                path: path.to_owned(),
            });
        }
        let inner = format!("{path}/{keyword}");
        match value {
            Value::Object(named) if MAPS.contains(&keyword.as_str()) => {
                named
                    .iter()
                    .try_for_each(|(name, schema)| check_keywords(schema, &format!("{inner}/{name}")))?;
            }
            Value::Array(all) if SCHEMAS.contains(&keyword.as_str()) => {
                all.iter().try_for_each(|schema| check_keywords(schema, &inner))?;
            }
            schema if SCHEMAS.contains(&keyword.as_str()) => check_keywords(schema, &inner)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_format_is_validated_whatever_the_draft() {
        for draft in
            ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
        {
            let schema =
                json!({"$schema": draft, "properties": {"mail": {"type": "string", "format": "email"}}});
            let schema = SettingsSchema::check(&schema).unwrap();
            assert!(schema.violations(&json!({"mail": "vendor@example.com"}), 5).is_empty(), "{draft}");
            let found = schema.violations(&json!({"mail": "not an email"}), 5);
            assert!(found.len() == 1 && found[0].starts_with("/mail: "), "{draft}: {found:?}");
        }
        assert!(SettingsSchema::check(&json!({"format": "emial"})).is_err());
        assert!(SettingsSchema::compile(&json!({"format": "emial"})).is_ok());
    }

    #[test]
    fn a_misspelt_keyword_is_refused_with_its_place() {
        for (schema, path) in [
            (json!({"typ": "object"}), "`typ` at ``"),
            (json!({"properties": {"a": {"requierd": []}}}), "`requierd` at `/properties/a`"),
            (json!({"items": [{"anyOf": [{"minimun": 1}]}]}), "`minimun` at `/items/anyOf`"),
            (json!({"$defs": {"a": {"not": {"enumm": []}}}}), "`enumm` at `/$defs/a/not`"),
        ] {
            let refused = SettingsSchema::check(&schema).unwrap_err().to_string();
            assert!(refused.starts_with(path), "{refused}");
        }
        let schema = json!({"type": "object", "properties": {"typ": {"type": "string", "default": {"any": 1}}},
            "x-order": ["typ"], "dependencies": {"typ": ["other"]}, "unevaluatedProperties": false});
        assert!(SettingsSchema::check(&schema).is_ok(), "names of properties and values are free");
        assert!(SettingsSchema::check(&json!({"type": "no such type"})).is_err());
    }
}
