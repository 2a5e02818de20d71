//! `custom_fields_values`: values of custom fields in requests and answers (amoCRM docs, crm_platform/custom-fields, examples of
//! filling).

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::super::fields::{Field, Kind, check, optional};
use super::super::model::EntityType;
use super::super::problem::FieldError;
use super::super::records::{CustomField, FieldEnum, FieldKind, FieldValue, Record};

/// Values by the fields' ids; none: the field is emptied.
pub(crate) type Changes = Vec<(u64, Vec<FieldValue>)>;

const ENTRY: [Field; 5] = [
    optional("field_id", Kind::OptInt),
    optional("field_code", Kind::OptText),
    // Parts of an answer that are sent back.
    optional("field_name", Kind::OptText),
    optional("field_type", Kind::OptText),
    optional("values", Kind::OptArray),
];
const VALUE: [Field; 3] =
    [optional("value", Kind::Any), optional("enum_id", Kind::OptInt), optional("enum_code", Kind::OptText)];

/// The values of an item, or what is wrong with them.
pub(crate) fn parse_values(
    item: &Map<String, Value>,
    fields: &[CustomField],
    of: EntityType,
) -> Result<Changes, Vec<FieldError>> {
    let entries = item.get("custom_fields_values").and_then(Value::as_array);
    let mut changes = Vec::new();
    let mut complaints = Vec::new();
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        match parse_entry(entry, fields, of, &format!("custom_fields_values.{index}")) {
            Ok(change) => changes.push(change),
            Err(found) => complaints.extend(found),
        }
    }
    if complaints.is_empty() { Ok(changes) } else { Err(complaints) }
}

fn parse_entry(
    entry: &Value,
    fields: &[CustomField],
    of: EntityType,
    path: &str,
) -> Result<(u64, Vec<FieldValue>), Vec<FieldError>> {
    let Some(entry) = entry.as_object() else {
        return Err(vec![FieldError::new("InvalidType", path, "This value should be of type object.")]);
    };
    let complaints = check(entry, &ENTRY, &format!("{path}."));
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let field = field_of(entry, fields, of, path).map_err(|complaint| vec![complaint])?;
    // Null empties a field (amoCRM's PHP library, `NullCustomFieldValueCollection`).
    if entry.get("values").is_some_and(Value::is_null) {
        return Ok((field.id, Vec::new()));
    }
    let given = entry.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let path = format!("{path}.values");
    if given.is_empty() || (given.len() > 1 && !field.kind.takes_many()) {
        return Err(vec![FieldError::new(
            "InvalidCount",
            path,
            "This collection has another number of values.",
        )]);
    }
    let parsed =
        given.iter().enumerate().map(|(index, value)| parse_value(field, value, &format!("{path}.{index}")));
    let values: Result<Vec<FieldValue>, FieldError> = parsed.collect();
    values.map(|values| (field.id, values)).map_err(|complaint| vec![complaint])
}

/// The field that an entry names by id or code.
fn field_of<'a>(
    entry: &Map<String, Value>,
    fields: &'a [CustomField],
    of: EntityType,
    path: &str,
) -> Result<&'a CustomField, FieldError> {
    let mut own = fields.iter().filter(|field| field.entity_type == of);
    let (found, name) = match (entry.get("field_id").and_then(Value::as_u64), entry.get("field_code")) {
        (Some(id), _) => (own.find(|field| field.id == id), "field_id"),
        (None, Some(Value::String(code))) => {
            (own.find(|field| field.code.as_ref() == Some(code)), "field_code")
        }
        _ => {
            return Err(FieldError::new(
                "FieldMissing",
                format!("{path}.field_id"),
                "This field is missing.",
            ));
        }
    };
    found.ok_or_else(|| FieldError::not_a_choice(format!("{path}.{name}")))
}

fn parse_value(field: &CustomField, given: &Value, path: &str) -> Result<FieldValue, FieldError> {
    let Some(given) = given.as_object() else {
        return Err(FieldError::new("InvalidType", path, "This value should be of type object."));
    };
    if let Some(complaint) = check(given, &VALUE, &format!("{path}.")).into_iter().next() {
        return Err(complaint);
    }
    let value = given.get("value").unwrap_or(&Value::Null);
    let plain = |value: Value| FieldValue { value, enum_id: None, enum_code: None };
    let wrong = |kind: &str| {
        let detail = format!("This value should be of type {kind}.");
        FieldError::new("InvalidType", format!("{path}.value"), detail)
    };
    Ok(match field.kind {
        FieldKind::Text
        | FieldKind::Url
        | FieldKind::Textarea
        | FieldKind::Streetaddress
        | FieldKind::TrackingData => plain(json!(value.as_str().ok_or_else(|| wrong("string"))?)),
        FieldKind::Numeric => plain(json!(numeric(value).ok_or_else(|| wrong("numeric"))?)),
        FieldKind::Checkbox => plain(json!(value.as_bool().ok_or_else(|| wrong("bool"))?)),
        FieldKind::Date | FieldKind::DateTime | FieldKind::Birthday => {
            plain(json!(unix_time(value).ok_or_else(|| wrong("timestamp"))?))
        }
        FieldKind::Select | FieldKind::Multiselect | FieldKind::Radiobutton => {
            let chosen = chosen_by(given, &field.enums, value.as_str());
            let chosen = chosen.ok_or_else(|| FieldError::not_a_choice(format!("{path}.value")))?;
            with_enum(json!(chosen.value), chosen)
        }
        FieldKind::Multitext => {
            let text = value.as_str().ok_or_else(|| wrong("string"))?;
            let chosen = chosen_by(given, &field.enums, None);
            let chosen = chosen.ok_or_else(|| FieldError::not_a_choice(format!("{path}.enum_code")))?;
            with_enum(json!(text), chosen)
        }
    })
}

fn with_enum(value: Value, chosen: &FieldEnum) -> FieldValue {
    FieldValue { value, enum_id: Some(chosen.id), enum_code: chosen.code.clone() }
}

/// The value that is named by its id, its code or its text.
fn chosen_by<'a>(
    given: &Map<String, Value>,
    enums: &'a [FieldEnum],
    text: Option<&str>,
) -> Option<&'a FieldEnum> {
    let (id, code) =
        (given.get("enum_id").and_then(Value::as_u64), given.get("enum_code").and_then(Value::as_str));
    enums.iter().find(|known| match (id, code) {
        (Some(id), _) => known.id == id,
        (None, Some(code)) => known.code.as_deref() == Some(code),
        (None, None) => text == Some(known.value.as_str()),
    })
}

/// A number as the API answers it: text.
fn numeric(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| text)
}

/// Unix seconds: a number, or a time in RFC 3339.
fn unix_time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp()),
        other => other.as_i64(),
    }
}

/// Writes values into a record.
pub(crate) fn apply(record: &mut Record, changes: Changes) {
    for (field, values) in changes {
        if values.is_empty() {
            record.values.remove(&field);
        } else {
            record.values.insert(field, values);
        }
    }
}

/// The values of a record in an answer; null if it has none.
pub(crate) fn values_json(record: &Record, fields: &[CustomField]) -> Value {
    let entries: Vec<Value> = record
        .values
        .iter()
        .filter_map(|(id, values)| {
            let field = fields.iter().find(|field| field.id == *id)?;
            let values: Vec<Value> = values.iter().map(value_json).collect();
            Some(json!({
                "field_id": field.id,
                "field_name": field.name,
                "field_code": field.code,
                "field_type": field.kind.name(),
                "values": values,
            }))
        })
        .collect();
    if entries.is_empty() { Value::Null } else { Value::from(entries) }
}

fn value_json(value: &FieldValue) -> Value {
    let mut body = json!({"value": value.value});
    if let Some(id) = value.enum_id {
        body["enum_id"] = json!(id);
        body["enum_code"] = json!(value.enum_code);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::super::records::Crm;
    use super::*;

    fn parsed(entry: &Value) -> Result<Changes, Vec<(&'static str, String)>> {
        let item = json!({"custom_fields_values": [entry]});
        let item = item.as_object().unwrap();
        parse_values(item, &Crm::default().fields, EntityType::Contacts)
            .map_err(|found| found.into_iter().map(|complaint| (complaint.code, complaint.path)).collect())
    }

    #[test]
    fn a_phone_needs_its_kind() {
        let phone = |value: Value| parsed(&json!({"field_code": "PHONE", "values": [value]}));
        let home = phone(json!({"value": "+74991234567", "enum_code": "HOME"})).unwrap();
        assert_eq!((home[0].0, home[0].1[0].enum_id), (400_001, Some(4_000_014)));
        assert_eq!(phone(json!({"value": "+7", "enum_id": 4_000_010, "enum_code": null})).unwrap().len(), 1);
        for value in [json!({"value": "+7"}), json!({"value": "+7", "enum_code": "CAR"})] {
            let complaint = ("NotSupportedChoice", "custom_fields_values.0.values.0.enum_code".to_owned());
            assert_eq!(phone(value), Err(vec![complaint]));
        }
    }

    #[test]
    fn a_field_of_other_records_does_not_exist() {
        let entry = json!({"field_id": 400_003, "values": [{"value": "+7", "enum_code": "WORK"}]});
        assert_eq!(
            parsed(&entry),
            Err(vec![("NotSupportedChoice", "custom_fields_values.0.field_id".to_owned())])
        );
    }

    #[test]
    fn null_empties_a_field_and_an_empty_list_is_refused() {
        assert_eq!(parsed(&json!({"field_id": 400_001, "values": null})).unwrap(), [(400_001, Vec::new())]);
        assert!(parsed(&json!({"field_id": 400_001, "values": []})).is_err());
    }
}
