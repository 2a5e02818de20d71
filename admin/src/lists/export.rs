//! Requests to export a list: a job writes the file, with the filter and the columns of the page.

use flysk_domain::id::ExportId;
use flysk_jobs::platform::panel::WriteExport;
use flysk_store::admin::exports::{self, ExportState, FileFormat, ListExport};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::frozen::freeze_pairs;
use super::place::PLACE;
use super::views::saved_query;
use crate::http::{Exporting, Fault, Pairs, Rank, Record, Visit};
use crate::navigation;
use crate::request::form::query_string;
use crate::view::{Field, Form};

/// Exports of one operator that may be written at the same time.
const MAX_AT_ONCE: i64 = 3;
/// Maximum length of a query string, in bytes.
const MAX_QUERY_LEN: usize = 1_000;

/// The form that exports a list, if the operator may and files can be stored.
pub(super) fn form<R: Rank>(visit: &Visit<R>, path: &str) -> Option<Form> {
    let query = &visit.request.query;
    if !visit.who.may::<Exporting>() || visit.deps.storage.is_none() {
        return None;
    }
    // Lists of what only one operator sees are no files.
    freeze_pairs(path, query, visit.deps.clock().now()).ok()?;
    let form = Form::act("/export", "Выгрузить", "Выгрузить")
        .text("Все строки этого фильтра в этом порядке с выбранными столбцами, не больше миллиона. Файл будет в разделе «Выгрузки».")
        .field(Field::hidden("list", path))
        .field(Field::hidden("query", query_of(query)))
        .field(Field::choice("file_format", "Формат", [("xlsx", "XLSX"), ("csv", "CSV")]));
    Some(form)
}

/// The filter, the order and the columns of a list, without its place.
fn query_of(query: &Pairs) -> String {
    let left_out = [PLACE.as_slice(), &["size"]].concat();
    query_string(&query.without(&left_out)).trim_start_matches('?').to_owned()
}

/// `POST /export`: the list named by its path, with the filter of its query string.
pub(crate) async fn request(visit: Visit<Exporting>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let list = form.required("list", "Список")?;
    if !navigation::is_open_to(list, visit.who.role, &visit.who.rights) {
        return Err(Fault::NotFound);
    }
    let query = saved_query(&Pairs::parse(form.get("query").unwrap_or_default().as_bytes()));
    if query.len() > MAX_QUERY_LEN {
        return Err(Fault::refused("Фильтр длиннее 1000 знаков."));
    }
    let file_format: FileFormat = form.parsed("file_format", "Формат")?.unwrap_or(FileFormat::Xlsx);
    let reason = visit.reason()?;
    if visit.deps.storage.is_none() {
        return Err(Fault::refused("Хранилище файлов не настроено: выгрузки выключены."));
    }
    let now = visit.deps.clock().now();
    freeze_pairs(list, &Pairs::parse(query.as_bytes()), now)?;
    let export = ListExport {
        id: ExportId::generate(visit.deps.clock()),
        operator_id: visit.who.id,
        list: list.to_owned(),
        query: query.clone(),
        file_format,
        state: ExportState::Writing,
        rows_written: 0,
        is_cut: false,
        file_bytes: None,
        requested_at: now,
        updated_at: now,
        expires_at: None,
    };
    let write = || async {
        let mut act = visit.begin().await?;
        if exports::count_writing(&mut act, visit.who.id).await? >= MAX_AT_ONCE {
            return Err(Fault::refused("Уже пишутся три ваши выгрузки. Дождитесь одной из них."));
        }
        exports::insert(&mut act, &export).await?;
        act.unit().enqueue(&WriteExport { export_id: export.id }).await?;
        act.commit(Record {
            action: "list.export",
            subject: ("list", list.to_owned()),
            reason,
            before: Value::Null,
            after: json!({ "export": export.id, "query": query, "format": file_format.to_string() }),
        })
        .await
    };
    repeat_contended(write).await?;
    Ok(visit.done(&format!("/exports/{}", export.id), "Выгрузка начата."))
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
