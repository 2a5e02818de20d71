//! Lists of leads, contacts and companies, and one of them (amoCRM docs, crm_platform/leads-api, contacts-api, companies-api,
//! filters-api).
//!
//! How `query` compares is not documented: here it is a part of the name or of a value, or of a telephone number's digits.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, Response, handler};
use serde_json::Value;

use super::super::Amocrm;
use super::super::guard::Caller;
use super::super::model::EntityType;
use super::super::problem::{HandlerResult, hal};
use super::super::query::{Query, hal_list};
use super::super::records::Record;
use super::filters::Filters;
use super::record_json::{parse_with, record_json};
use super::record_type;
use crate::lock::locked;

/// Lists records: filters, `query`, `with`, order and pages.
#[handler]
pub(crate) fn list(
    request: &Request,
    Path(entity): Path<String>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let query = Query::of(request.uri());
    let page = query.page(250)?;
    let with = parse_with(query.one("with"), of)?;
    let filters = Filters::parse(&query, of)?;
    let order = match of {
        EntityType::Leads => query.order(&["created_at", "updated_at", "id"])?,
        _ => query.order(&["updated_at", "id"])?,
    };
    let mut state = locked(&amo.inner.state);
    let content = &*state.content(caller.account_id);
    // Nothing is ever deleted here, so that the list of deleted leads is empty.
    let mut records: Vec<&Record> = content
        .entities
        .values()
        .filter(|record| record.entity_type == of && !with.contains(&"only_deleted"))
        .filter(|record| filters.accept(record, &content.crm))
        .collect();
    match order {
        Some(("created_at", _)) => records.sort_by_key(|record| (record.created_at, record.id)),
        Some(("updated_at", _)) => records.sort_by_key(|record| (record.updated_at, record.id)),
        _ => records.sort_by_key(|record| record.id),
    }
    if order.is_some_and(|(_, descending)| descending) {
        records.reverse();
    }
    let records: Vec<Value> =
        records.into_iter().map(|record| record_json(record, content, &with, caller)).collect();
    Ok(hal_list(of.plural(), &records, page, &caller.host, request.original_uri()))
}

/// Reads a record; 204 without a body if there is none.
#[handler]
pub(crate) fn one(
    request: &Request,
    Path((entity, id)): Path<(String, u64)>,
    Data(amo): Data<&Amocrm>,
    Data(caller): Data<&Caller>,
) -> HandlerResult {
    let of = record_type(&entity)?;
    let query = Query::of(request.uri());
    let with = parse_with(query.one("with"), of)?;
    let mut state = locked(&amo.inner.state);
    let content = &*state.content(caller.account_id);
    Ok(match content.entities.get(&(of, id)) {
        Some(record) => hal(&record_json(record, content, &with, caller)),
        None => Response::builder().status(StatusCode::NO_CONTENT).finish(),
    })
}
