//! Ways from a list to bulk acts on its rows.

use flysk_domain::admin::BulkAction;

use super::columns::HIDE_PARAMETER;
use super::place::PLACE;
use super::sorting::{ORDER_PARAMETER, SORT_PARAMETER};
use crate::http::{Bulk, Rank, Visit};
use crate::request::form::query_string;
use crate::view::Cell;

/// Links to the dry runs of a list's bulk acts, with the filter of the page.
pub(super) fn links<R: Rank>(visit: &Visit<R>, list: &str, actions: &[BulkAction]) -> Vec<Cell> {
    if !visit.who.may::<Bulk>() {
        return Vec::new();
    }
    let left_out = [PLACE.as_slice(), &[SORT_PARAMETER, ORDER_PARAMETER, "size", HIDE_PARAMETER]].concat();
    let query = visit.request.query.without(&left_out);
    let link = |action: &BulkAction| {
        let mut query = query.clone();
        // Rows in other states would be refused one by one.
        if !query.iter().any(|(name, _)| name == "state") {
            query.push(("state".to_owned(), wanted_state(*action).to_owned()));
        }
        let query = query_string(&query).trim_start_matches('?').to_owned();
        let pairs = [("action", action.code().to_owned()), ("list", list.to_owned()), ("query", query)];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
        Cell::link(
            format!("/bulk/preview{}", query_string(&pairs)),
            format!("{}: все найденные", action.label()),
        )
    };
    actions.iter().map(link).collect()
}

/// Acts that an operator may begin with the ticked rows of a list.
pub(super) fn ticked_acts<R: Rank>(
    visit: &Visit<R>,
    actions: &'static [BulkAction],
) -> &'static [BulkAction] {
    if visit.who.may::<Bulk>() { actions } else { &[] }
}

/// The state of the rows that an act is meant for.
const fn wanted_state(action: BulkAction) -> &'static str {
    match action {
        BulkAction::JobReplay => "dead",
        BulkAction::JobCancel => "queued",
        BulkAction::EventReplay => "failed",
    }
}
