//! Limits of a schema: lengths of texts, numbers of items, ranges of integers.
//!
//! poem-openapi checks them too, but its error does not say where the value is.

use poem_openapi::registry::MetaSchema;

/// What is wrong with the length of a text, in characters.
pub(super) fn broken_by_text(schema: &MetaSchema, text: &str) -> Option<String> {
    broken_by_count(text.chars().count(), "character", schema.min_length, schema.max_length)
}

/// What is wrong with the number of items of an array.
pub(super) fn broken_by_items(schema: &MetaSchema, items: usize) -> Option<String> {
    broken_by_count(items, "item", schema.min_items, schema.max_items)
}

/// What is wrong with the size of an integer, which is given as JSON.
pub(super) fn broken_by_integer(schema: &MetaSchema, text: &str) -> Option<String> {
    let number: f64 = text.parse().ok()?;
    let least =
        schema.minimum.filter(|least| number < *least).map(|least| format!("must be at least {least}"));
    least.or_else(|| {
        schema.maximum.filter(|most| number > *most).map(|most| format!("must be at most {most}"))
    })
}

fn broken_by_count(count: usize, unit: &str, least: Option<usize>, most: Option<usize>) -> Option<String> {
    let told = |bound: &str, limit: usize| {
        let plural = if limit == 1 { "" } else { "s" };
        format!("must have {bound} {limit} {unit}{plural}, not {count}")
    };
    let too_few = least.filter(|least| count < *least).map(|least| told("at least", least));
    too_few.or_else(|| most.filter(|most| count > *most).map(|most| told("at most", most)))
}
