//! Filters of lists of records (amoCRM docs, crm_platform/filters-api).

use serde_json::Value;

use super::super::model::EntityType;
use super::super::problem::Problem;
use super::super::query::Query;
use super::super::records::pipeline::PIPELINE_ID;
use super::super::records::{Crm, CustomField, FieldKind, FieldValue, Record};

const COMMON: [&str; 9] = [
    "id",
    "name",
    "created_by",
    "updated_by",
    "responsible_user_id",
    "created_at",
    "updated_at",
    "closest_task_at",
    "custom_fields_values",
];
const OF_LEADS: [&str; 4] = ["price", "statuses", "pipeline_id", "closed_at"];
/// Shortest part of a telephone number that `query` finds, digits.
const MIN_PHONE_DIGITS: usize = 4;

/// Inclusive bounds.
type Range = (u64, u64);

/// Wanted values of a custom field.
#[derive(Debug)]
struct FieldFilter {
    field_id: u64,
    /// One of these; empty: any.
    wanted: Vec<String>,
    /// Inclusive bounds, for numbers and dates.
    bounds: Option<(f64, f64)>,
}

/// The filters of a request.
#[derive(Debug)]
pub(crate) struct Filters {
    ids: Vec<u64>,
    names: Vec<String>,
    created_by: Vec<u64>,
    updated_by: Vec<u64>,
    responsible: Vec<u64>,
    pipelines: Vec<u64>,
    /// Pipeline and status.
    statuses: Vec<(u64, u64)>,
    price: Option<Range>,
    created_at: Option<Range>,
    updated_at: Option<Range>,
    closed_at: Option<Range>,
    closest_task_at: Option<Range>,
    fields: Vec<FieldFilter>,
    /// In lower case.
    text: String,
}

impl Filters {
    /// Parses the filters of a list; those that its type lacks are refused.
    pub(crate) fn parse(query: &Query, of: EntityType) -> Result<Self, Problem> {
        let further: &[&str] = if of == EntityType::Leads { &OF_LEADS } else { &[] };
        query.allow_filters(&[&COMMON[..], further].concat())?;
        let numbers = |name: &str| query.numbers(&format!("filter[{name}]"));
        let range = |name: &str| query.range_if_given(&format!("filter[{name}]"));
        Ok(Self {
            ids: numbers("id")?,
            names: query.many("filter[name]").into_iter().map(str::to_owned).collect(),
            created_by: numbers("created_by")?,
            updated_by: numbers("updated_by")?,
            responsible: numbers("responsible_user_id")?,
            pipelines: numbers("pipeline_id")?,
            statuses: statuses(query)?,
            price: range("price")?,
            created_at: range("created_at")?,
            updated_at: range("updated_at")?,
            closed_at: range("closed_at")?,
            closest_task_at: range("closest_task_at")?,
            fields: field_filters(query)?,
            text: query.one("query").unwrap_or_default().to_lowercase(),
        })
    }

    /// Whether a record passes.
    pub(crate) fn accept(&self, record: &Record, crm: &Crm) -> bool {
        let among = |wanted: &[u64], id: u64| wanted.is_empty() || wanted.contains(&id);
        let within = |range: Option<Range>, value: Option<i64>| {
            let value = value.and_then(|value| u64::try_from(value).ok());
            range.is_none_or(|(from, to)| value.is_some_and(|value| (from..=to).contains(&value)))
        };
        among(&self.ids, record.id)
            && (self.names.is_empty() || self.names.contains(&record.name))
            && among(&self.created_by, record.created_by)
            && among(&self.updated_by, record.updated_by)
            && among(&self.responsible, record.responsible_user_id)
            && among(&self.pipelines, PIPELINE_ID)
            && (self.statuses.is_empty() || self.statuses.contains(&(PIPELINE_ID, record.status_id)))
            && within(self.price, Some(record.price))
            && within(self.created_at, Some(record.created_at))
            && within(self.updated_at, Some(record.updated_at))
            && within(self.closed_at, record.closed_at)
            && within(self.closest_task_at, crm.closest_task_at(record.key()))
            && self.fields.iter().all(|filter| filter.accepts(record, &crm.fields))
            && self.finds(record)
    }

    fn finds(&self, record: &Record) -> bool {
        let texts = record.values.values().flatten().filter_map(|value| value.value.as_str());
        let mut texts = texts.chain([record.name.as_str()]);
        let wanted = digits(&self.text);
        texts.any(|text| text.to_lowercase().contains(&self.text))
            || (wanted.len() >= MIN_PHONE_DIGITS
                && record.phones().iter().any(|phone| digits(phone).contains(&wanted)))
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `filter[statuses][0][pipeline_id]` with `filter[statuses][0][status_id]`; both are required.
fn statuses(query: &Query) -> Result<Vec<(u64, u64)>, Problem> {
    let prefix = "filter[statuses]";
    let mut indexes: Vec<&str> = Vec::new();
    for (key, _) in query.pairs() {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let index = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
        let index = index.ok_or_else(|| Problem::invalid("InvalidType", key, "An index is expected."))?;
        if !indexes.contains(&index) {
            indexes.push(index);
        }
    }
    let part = |index: &str, name: &str| {
        let key = format!("{prefix}[{index}][{name}]");
        let found = query.numbers(&key)?.first().copied();
        found.ok_or_else(|| Problem::invalid("FieldMissing", &key, "This field is missing."))
    };
    indexes.into_iter().map(|index| Ok((part(index, "pipeline_id")?, part(index, "status_id")?))).collect()
}

/// `filter[custom_fields_values][<id>][]=…`, or `[from]` and `[to]`.
fn field_filters(query: &Query) -> Result<Vec<FieldFilter>, Problem> {
    let prefix = "filter[custom_fields_values]";
    let mut filters: Vec<FieldFilter> = Vec::new();
    for (key, value) in query.pairs() {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let wrong = || Problem::invalid("InvalidType", key, "The id of a field is expected.");
        let (id, rest) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
        let field_id: u64 = id.parse().map_err(|_| wrong())?;
        let index = filters.iter().position(|filter| filter.field_id == field_id);
        let index = index.unwrap_or_else(|| {
            filters.push(FieldFilter { field_id, wanted: Vec::new(), bounds: None });
            filters.len() - 1
        });
        let filter = &mut filters[index];
        if rest == "[from]" || rest == "[to]" {
            let bound: f64 = value.parse().map_err(|_| wrong())?;
            let (from, to) = filter.bounds.unwrap_or((f64::MIN, f64::MAX));
            filter.bounds = Some(if rest == "[from]" { (bound, to) } else { (from, bound) });
        } else {
            filter.wanted.push(value.to_owned());
        }
    }
    Ok(filters)
}

impl FieldFilter {
    /// A field that the account does not have is in no record.
    fn accepts(&self, record: &Record, fields: &[CustomField]) -> bool {
        let field = fields.iter().find(|field| field.id == self.field_id);
        let values = record.values.get(&self.field_id);
        field
            .zip(values)
            .is_some_and(|(field, values)| values.iter().any(|value| self.matches(field.kind, value)))
    }

    fn matches(&self, kind: FieldKind, value: &FieldValue) -> bool {
        let shown = match (&value.value, value.enum_id) {
            (_, Some(id)) if kind.is_choice() => id.to_string(),
            (Value::Bool(on), _) => u8::from(*on).to_string(),
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        };
        let number = shown.parse::<f64>().ok();
        let is_within =
            self.bounds.is_none_or(|(from, to)| number.is_some_and(|number| (from..=to).contains(&number)));
        is_within && (self.wanted.is_empty() || self.wanted.contains(&shown))
    }
}
