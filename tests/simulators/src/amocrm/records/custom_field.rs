//! Custom fields of records and their values (amoCRM docs, crm_platform/custom-fields).

use serde_json::{Value, json};

use super::super::model::EntityType;

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    Numeric,
    Checkbox,
    Select,
    Multiselect,
    Date,
    Url,
    Textarea,
    Radiobutton,
    Streetaddress,
    Birthday,
    DateTime,
    TrackingData,
    /// Telephone numbers and e-mail addresses; only the predefined fields have it.
    Multitext,
}

/// The types with their names.
const KINDS: [(FieldKind, &str); 14] = [
    (FieldKind::Text, "text"),
    (FieldKind::Numeric, "numeric"),
    (FieldKind::Checkbox, "checkbox"),
    (FieldKind::Select, "select"),
    (FieldKind::Multiselect, "multiselect"),
    (FieldKind::Date, "date"),
    (FieldKind::Url, "url"),
    (FieldKind::Textarea, "textarea"),
    (FieldKind::Radiobutton, "radiobutton"),
    (FieldKind::Streetaddress, "streetaddress"),
    (FieldKind::Birthday, "birthday"),
    (FieldKind::DateTime, "date_time"),
    (FieldKind::TrackingData, "tracking_data"),
    (FieldKind::Multitext, "multitext"),
];

/// Codes of the values of a telephone number.
const PHONE_CODES: [&str; 6] = ["WORK", "WORKDD", "MOB", "FAX", "HOME", "OTHER"];
/// Codes of the values of an e-mail address.
const EMAIL_CODES: [&str; 3] = ["WORK", "PRIV", "OTHER"];

impl FieldKind {
    /// The type with this name in the API.
    pub(crate) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Name in the API.
    pub(crate) fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// Whether values are chosen from a list that the account defines.
    pub(crate) fn is_choice(self) -> bool {
        matches!(self, Self::Select | Self::Multiselect | Self::Radiobutton)
    }

    /// Whether a field may have several values.
    pub(crate) fn takes_many(self) -> bool {
        matches!(self, Self::Multiselect | Self::Multitext)
    }

    /// Whether an administrator can add a field of this type to records of a type (the table of types in the docs).
    pub(crate) fn can_be_added_to(self, of: EntityType) -> bool {
        match self {
            Self::Multitext => false,
            Self::TrackingData => of == EntityType::Leads,
            _ => true,
        }
    }
}

/// A value to choose.
#[derive(Debug, Clone)]
pub(crate) struct FieldEnum {
    pub(crate) id: u64,
    pub(crate) value: String,
    pub(crate) sort: i64,
    pub(crate) code: Option<String>,
}

/// A value of a custom field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldValue {
    pub(crate) value: Value,
    /// Id of the chosen value, for fields with a list of values.
    pub(crate) enum_id: Option<u64>,
    pub(crate) enum_code: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct CustomField {
    pub(crate) id: u64,
    pub(crate) entity_type: EntityType,
    pub(crate) name: String,
    pub(crate) code: Option<String>,
    pub(crate) sort: i64,
    pub(crate) kind: FieldKind,
    pub(crate) enums: Vec<FieldEnum>,
    pub(crate) is_predefined: bool,
    pub(crate) is_api_only: bool,
}

/// The fields that an account has from its beginning: telephone and e-mail of contacts and companies.
pub(super) fn predefined() -> Vec<CustomField> {
    [EntityType::Contacts, EntityType::Companies].into_iter().flat_map(predefined_of).collect()
}

fn predefined_of(of: EntityType) -> [CustomField; 2] {
    let field = |id: u64, name: &str, code: &str, codes: &[&str]| CustomField {
        id,
        entity_type: of,
        name: name.to_owned(),
        code: Some(code.to_owned()),
        sort: 4,
        kind: FieldKind::Multitext,
        enums: (0..).zip(codes).map(|(index, code)| enum_of(id, index, code)).collect(),
        is_predefined: true,
        is_api_only: false,
    };
    let phone = phone_field(of).unwrap_or_default();
    [field(phone, "Телефон", "PHONE", &PHONE_CODES), field(phone + 1, "Email", "EMAIL", &EMAIL_CODES)]
}

fn enum_of(field: u64, index: u64, code: &str) -> FieldEnum {
    let sort = i64::try_from(index).unwrap_or_default() + 1;
    FieldEnum { id: field * 10 + index, value: code.to_owned(), sort, code: Some(code.to_owned()) }
}

/// Id of the field for telephone numbers, the same in every account.
pub(super) fn phone_field(of: EntityType) -> Option<u64> {
    match of {
        EntityType::Contacts => Some(400_001),
        EntityType::Companies => Some(400_003),
        EntityType::Leads | EntityType::Customers => None,
    }
}

/// A telephone number at work.
pub(super) fn phone_value(field: u64, phone: &str) -> FieldValue {
    let work = enum_of(field, 0, PHONE_CODES[0]);
    FieldValue { value: json!(phone), enum_id: Some(work.id), enum_code: work.code }
}
