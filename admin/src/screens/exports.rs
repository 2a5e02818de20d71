//! Exports of lists: their progress and their files. An operator sees only the own ones.

use std::io;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{ExportId, OperatorId};
use flysk_store::admin::exports::{self, ExportFilter, ExportState, FileFormat, ListExport};
use flysk_store::{Conn, StoreResult, repeat_contended};
use futures::TryStreamExt as _;
use poem::http::header::{self, HeaderValue};
use poem::{Body, Response};
use serde_json::{Value, json};

use super::frozen_lists::freeze_pairs;
use crate::http::respond::with_headers;
use crate::http::{Exporting, Fault, Pairs, Record, Visit};
use crate::lists::{Keyset, List};
use crate::view::{Cell, DetailPage, Field, Form, Labeled as _, Row};

/// States and formats for a filter.
const STATES: [ExportState; 4] =
    [ExportState::Writing, ExportState::Ready, ExportState::Failed, ExportState::Deleted];
const FORMATS: [FileFormat; 2] = [FileFormat::Xlsx, FileFormat::Csv];

/// The list of an operator's exports.
pub(crate) struct Exports;

impl List for Exports {
    type Filter = ExportFilter;
    type Record = ListExport;

    const TITLE: &'static str = "Выгрузки";
    const PATH: &'static str = "/exports";
    const HEAD: &'static [&'static str] =
        &["Запрошена", "Список", "Формат", "Состояние", "Строк", "Хранится до"];
    const EMPTY: &'static str = "Таких выгрузок нет.";
    const TEXT: &'static str =
        "Выгрузка начинается над списком. Её файл видит и скачивает только тот, кто её запросил.";

    const IS_EXPORTED: bool = false;

    fn filter(query: &Pairs) -> Result<ExportFilter, Fault> {
        Ok(ExportFilter {
            operator_id: None,
            state: query.parsed("state", "Состояние")?,
            file_format: query.parsed("format", "Формат")?,
        })
    }

    fn narrow(filter: &mut ExportFilter, operator: OperatorId) {
        filter.operator_id = Some(operator);
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let formats = FORMATS.map(|format| (format.as_str(), format.as_str().to_uppercase()));
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::filter("format", "Формат", formats).value(value("format")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        ExportId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &ExportFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        exports::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<ListExport>> {
        exports::rows(conn, ids).await
    }

    fn row(export: &ListExport) -> Row {
        let href = format!("/exports/{}", export.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(export.requested_at),
                Cell::link(href, title(export)),
                Cell::text(export.file_format.as_str()),
                export.state.cell(),
                Cell::number(export.rows_written),
                Cell::time(export.expires_at),
            ],
        )
    }
}

/// Title of the list.
fn title(export: &ListExport) -> String {
    let query = Pairs::parse(export.query.as_bytes());
    let list = freeze_pairs(&export.list, &query, export.requested_at);
    list.map_or_else(|_| export.list.clone(), |list| list.title().to_owned())
}

async fn find_own(visit: &Visit<Exporting>, conn: &mut Conn) -> Result<ListExport, Fault> {
    let id: ExportId = visit.request.id()?;
    let found = exports::find(conn, id).await?;
    found.filter(|export| export.operator_id == visit.who.id).ok_or(Fault::NotFound)
}

/// `GET /exports/:id`.
pub(crate) async fn show(visit: Visit<Exporting>) -> Result<Response, Fault> {
    let export = find_own(&visit, &mut *visit.deps.read().await?).await?;
    let mut page = DetailPage::new(visit.layout(format!("Выгрузка: {}", title(&export))));
    page.state = Some(export.state.cell());
    page.is_live = export.state == ExportState::Writing;
    page.links = vec![Cell::link("/exports", "Все выгрузки")];
    let size = export.file_bytes.map(|bytes| bytes.div_ceil(1_024));
    page.facts = vec![
        ("Id", Cell::code(export.id)),
        ("Список", Cell::link(format!("{}?{}", export.list, export.query), title(&export))),
        ("Формат", Cell::text(export.file_format.as_str())),
        ("Строк записано", Cell::number(export.rows_written)),
        ("Размер, КБ", size.map_or(Cell::Empty, Cell::number)),
        ("Запрошена", Cell::time(export.requested_at)),
        ("Последняя запись", Cell::time(export.updated_at)),
        ("Файл хранится до", Cell::time(export.expires_at)),
    ];
    if export.is_cut {
        page.facts.push(("Обрезана", Cell::text("в списке больше строк, чем может быть в выгрузке")));
    }
    if export.state == ExportState::Ready {
        page.acts = vec![
            Form::act(format!("/exports/{}/download", export.id), "Скачать", "Скачать")
                .text("Скачивание попадёт в журнал.")
                .without_reason(),
        ];
    }
    visit.page(&page)
}

/// `POST /exports/:id/download`: streams the file from object storage.
pub(crate) async fn download(visit: Visit<Exporting>) -> Result<Response, Fault> {
    let storage = visit.deps.storage.as_ref().ok_or(Fault::NotFound)?;
    let export = find_own(&visit, &mut *visit.deps.read().await?).await?;
    if export.state != ExportState::Ready {
        return Err(Fault::conflict("Файла нет: он ещё не записан или уже удалён."));
    }
    let object = match storage.get_range(&export.object_key(), None).await {
        Err(error) if error.is_not_found() => return Err(Fault::conflict("Файл уже удалён.")),
        got => got?,
    };
    let record = || async {
        visit
            .begin()
            .await?
            .commit(Record {
                action: "export.download",
                subject: ("export", export.id.to_string()),
                reason: "",
                before: Value::Null,
                after: json!({ "list": export.list, "query": export.query, "rows": export.rows_written }),
            })
            .await
    };
    repeat_contended(record).await?;
    let body = Body::from_bytes_stream(object.body.into_stream().map_err(io::Error::other));
    let response = Response::builder().content_type(export.file_format.media_type()).body(body);
    let mut response = with_headers(response);
    let name = format!(
        "{}-{}.{}",
        export.list.trim_start_matches('/'),
        export.requested_at.format("%Y%m%d-%H%M"),
        export.file_format.as_str()
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(object.bytes));
    Ok(response)
}
