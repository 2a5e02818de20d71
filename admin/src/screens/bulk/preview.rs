//! The dry run of a bulk act: how many rows, a sample of them, and the form that confirms their number.

use chrono::{DateTime, SecondsFormat, Utc};
use flysk_domain::admin::{BulkAction, MAX_BULK_ROWS};
use flysk_domain::id::BulkActId;
use flysk_services::exports::Value;
use flysk_store::Conn;
use flysk_store::admin::sorting::ids_of;
use poem::Response;

use super::money;
use crate::http::{Bulk, Fault, Pairs, Visit};
use crate::lists::frozen::FrozenList;
use crate::lists::ticked::Ticked;
use crate::screens::frozen_lists::freeze_pairs;
use crate::view::{Cell, DetailPage, Field, Form, Row, Section, Table, format};

/// Rows of the sample.
const SAMPLE_ROWS: u32 = 10;
/// Field of the form with a list's check boxes: the ticked rows count, and no filter.
const BOXES_FIELD: &str = "boxes";

/// Rows that a bulk act selects.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) action: BulkAction,
    pub(super) list: String,
    /// Query string of the list, without `?`.
    pub(super) query: String,
    /// Rows that were created later are left out.
    pub(super) at: DateTime<Utc>,
    pub(super) frozen: Box<dyn FrozenList>,
}

impl Selection {
    /// Reads `action`, `list` and `query`.
    pub(super) fn of(pairs: &Pairs, at: DateTime<Utc>) -> Result<Self, Fault> {
        let action: BulkAction =
            pairs.parsed("action", "Действие")?.ok_or_else(|| Fault::refused("Выберите действие."))?;
        let list = pairs.required("list", "Список")?.to_owned();
        let query = pairs.get("query").unwrap_or_default().to_owned();
        let frozen = freeze_pairs(&list, &Pairs::parse(query.as_bytes()), at)?;
        if !frozen.bulk_actions().contains(&action) {
            return Err(Fault::NotFound);
        }
        Ok(Self { action, list, query, at, frozen })
    }

    /// Ids of the rows.
    ///
    /// # Errors
    ///
    /// A refusal if there are more than a bulk act may have.
    async fn ids(&self, conn: &mut Conn) -> Result<Vec<String>, Fault> {
        let ids = self.frozen.ids(conn, None, MAX_BULK_ROWS + 1).await?;
        if number_of(&ids) > MAX_BULK_ROWS {
            let most = format::number(MAX_BULK_ROWS.into());
            return Err(Fault::refused(format!("Под фильтр попадает больше {most} строк. Сузьте фильтр.")));
        }
        Ok(ids_of(&ids))
    }

    /// Number of the rows.
    ///
    /// # Errors
    ///
    /// A refusal if there are more than a bulk act may have.
    pub(super) async fn count(&self, conn: &mut Conn) -> Result<u32, Fault> {
        Ok(number_of(&self.ids(conn).await?))
    }
}

fn number_of(ids: &[String]) -> u32 {
    u32::try_from(ids.len()).unwrap_or(u32::MAX)
}

/// The request with the ticked rows, if it has some, as the query string of the list.
fn with_ticked_rows(asked: &Pairs) -> Result<Pairs, Fault> {
    if !asked.is_set(BOXES_FIELD) {
        return Ok(asked.clone());
    }
    Ok(asked.with("query", &Ticked::of_boxes(asked)?.query()))
}

/// `GET /bulk/preview`: changes nothing.
pub(crate) async fn preview(visit: Visit<Bulk>) -> Result<Response, Fault> {
    let asked = with_ticked_rows(&visit.request.query)?;
    let selection = Selection::of(&asked, visit.deps.clock().now())?;
    let mut conn = visit.deps.read().await?;
    let all = selection.ids(&mut conn).await?;
    let (count, money) = (number_of(&all), money::told(&mut conn, selection.action, &all).await?);
    let ids = selection.frozen.ids(&mut conn, None, SAMPLE_ROWS).await?;
    let sample = selection.frozen.rows(&mut conn, &ids).await?;
    let title = selection.action.label();
    let mut page = DetailPage::new(visit.layout(format!("{title}: проверка")));
    let back = format!("{}?{}", selection.list, selection.query);
    page.links = vec![Cell::link(back.clone(), "К списку")];
    page.facts = vec![
        ("Действие", Cell::text(title)),
        ("Список", Cell::link(back, selection.frozen.title())),
        ("Фильтр", Cell::text(selection.frozen.selection())),
        ("Строк", Cell::number(count)),
        ("Деньги", Cell::text(money)),
        ("Созданные не позже", Cell::time(selection.at)),
    ];
    if count > 0 {
        page.acts = vec![form(&selection, count, BulkActId::generate(visit.deps.clock()))];
    }
    let rows = sample.into_iter().map(|row| Row::plain(row.into_iter().map(cell).collect())).collect();
    let sample = Section::new(
        format!("Первые строки, не больше {SAMPLE_ROWS}"),
        Table::new(&selection.frozen.head(), rows),
        "Под фильтр ничего не попадает.",
    );
    page.sections = vec![sample.text("Пока ничего не изменено.")];
    visit.page(&page)
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Empty => Cell::Empty,
        Value::Text(text) => Cell::text(text),
        Value::Number(number) => Cell::Amount(number),
        Value::Time(time) => Cell::time(time),
    }
}

/// The form that confirms the act, which has the id `act` then: the number of rows has to be typed.
fn form(selection: &Selection, count: u32, act: BulkActId) -> Form {
    let inverse = match selection.action.inverse() {
        Some(_) => "Действие можно будет отменить для строк, с которыми ещё ничего не произошло.",
        None => "Отменить его нельзя.",
    };
    Form::act("/bulk/start", selection.action.label(), "Начать")
        .text(format!(
            "Задание обработает строки одну за другой, его можно остановить. {inverse} Чтобы подтвердить, введите число \
             строк: {count}."
        ))
        .field(Field::hidden("action", selection.action.code()))
        .field(Field::hidden("list", &selection.list))
        .field(Field::hidden("query", &selection.query))
        .field(Field::hidden("at", selection.at.to_rfc3339_opts(SecondsFormat::Micros, true)))
        .field(Field::hidden("expected", count))
        .field(Field::hidden("key", act))
        .field(Field::number("typed", "Число строк").required())
        .danger()
}
