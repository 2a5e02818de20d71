//! The form that exports a list, with the filter and the columns of the page.

use super::List;
use super::place::PLACE;
use crate::http::{Exporting, Pairs, Rank, Visit};
use crate::request::form::query_string;
use crate::view::{Field, Form};

/// The form that exports a list, if the operator may and files can be stored.
pub(super) fn form<L: List, R: Rank>(visit: &Visit<R>) -> Option<Form> {
    if !L::IS_EXPORTED || !visit.who.may::<Exporting>() || visit.deps.storage.is_none() {
        return None;
    }
    let form = Form::act("/export", "Выгрузить", "Выгрузить")
        .text("Все строки этого фильтра в этом порядке с выбранными столбцами, не больше миллиона. Файл будет в разделе «Выгрузки».")
        .field(Field::hidden("list", L::PATH))
        .field(Field::hidden("query", query_of(&visit.request.query)))
        .field(Field::choice("file_format", "Формат", [("xlsx", "XLSX"), ("csv", "CSV")]));
    Some(form)
}

/// The filter, the order and the columns of a list, without its place.
fn query_of(query: &Pairs) -> String {
    let left_out = [PLACE.as_slice(), &["size"]].concat();
    query_string(&query.without(&left_out)).trim_start_matches('?').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_takes_the_filter_the_order_and_the_columns_and_no_place() {
        let query =
            Pairs::parse(b"state=dead&hide=2&after=job_1&day=2026-11-30&sort=-amount&size=9&count=more");
        assert_eq!(query_of(&query), "state=dead&hide=2&sort=-amount");
    }
}
