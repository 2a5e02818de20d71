//! Requests to export a list: a job writes the file, with the filter and the columns of the page.

use flysk_domain::id::ExportId;
use flysk_jobs::platform::panel::WriteExport;
use flysk_store::admin::exports::{self, ExportState, FileFormat, ListExport};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::frozen_lists::freeze_pairs;
use crate::http::{Exporting, Fault, Pairs, Record, Visit};
use crate::lists::views::saved_query;
use crate::navigation;

/// Exports of one operator that may be written at the same time.
const MAX_AT_ONCE: i64 = 3;
/// Maximum length of a query string, in bytes.
const MAX_QUERY_LEN: usize = 1_000;

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
