//! Saved views of lists: a name for a filter, of one operator or shared with all.

use flysk_domain::id::ViewId;
use flysk_store::admin::views::{self, SavedView};
use flysk_store::{Conn, repeat_contended};
use poem::Response;

use super::place::PLACE;
use crate::http::respond::redirect;
use crate::http::{Fault, Pairs, Rank, Support, Visit};
use crate::navigation;
use crate::request::form::query_string;

/// Maximum length of a name, in characters.
const MAX_NAME_LEN: usize = 80;
/// Maximum length of a query string, in bytes.
const MAX_QUERY_LEN: usize = 1_000;

/// A saved view as its list shows it.
#[derive(Debug)]
pub(super) struct ViewLink {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) current: bool,
    pub(super) shared: bool,
    /// Path of the form that deletes it, if it is the operator's own.
    pub(super) delete: Option<String>,
}

/// The part of an address that a view saves.
pub(crate) fn saved_query(query: &Pairs) -> String {
    query_string(&query.without(&PLACE)).trim_start_matches('?').to_owned()
}

/// The saved views of a list.
pub(super) async fn of_list<R: Rank>(
    conn: &mut Conn,
    visit: &Visit<R>,
    path: &str,
) -> Result<Vec<ViewLink>, Fault> {
    let current = saved_query(&visit.request.query);
    let saved = views::list(conn, visit.who.id, path).await?;
    let link = |view: SavedView| ViewLink {
        href: format!("{path}?{}", view.query),
        current: view.query == current,
        shared: view.shared,
        delete: (view.operator_id == visit.who.id).then(|| format!("/views/{}/delete", view.id)),
        name: view.name,
    };
    Ok(saved.into_iter().map(link).collect())
}

/// `POST /views/save`. A view changes nothing of the product, so the audit log does not record it.
pub(crate) async fn save(visit: Visit<Support>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let path = form.required("list", "Список")?;
    if !navigation::is_section(path) {
        return Err(Fault::NotFound);
    }
    let name = form.required("name", "Название вида")?;
    // Parsed and written anew, so that a view is a query string and nothing else.
    let query = saved_query(&Pairs::parse(form.get("query").unwrap_or_default().as_bytes()));
    if name.chars().count() > MAX_NAME_LEN || query.len() > MAX_QUERY_LEN {
        return Err(Fault::refused("Название вида: до 80 знаков, фильтр: до 1000."));
    }
    let view = SavedView {
        id: ViewId::generate(visit.deps.clock()),
        operator_id: visit.who.id,
        list: path.to_owned(),
        name: name.to_owned(),
        query: query.clone(),
        shared: form.is_set("shared"),
    };
    let insert = || async {
        let mut conn = visit.deps.write().await?;
        Ok::<_, Fault>(views::insert(&mut conn, &view, visit.deps.clock().now()).await?)
    };
    repeat_contended(insert).await?;
    Ok(redirect(&format!("{path}?{query}")))
}

/// `POST /views/:id/delete`.
pub(crate) async fn delete(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: ViewId = visit.request.id()?;
    let path = visit.request.form.required("list", "Список")?;
    let delete = || async {
        let mut conn = visit.deps.write().await?;
        Ok::<_, Fault>(views::delete(&mut conn, visit.who.id, id).await?)
    };
    if !navigation::is_section(path) || !repeat_contended(delete).await? {
        return Err(Fault::NotFound);
    }
    Ok(redirect(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_saves_the_filter_and_not_the_place() {
        let query = Pairs::parse(b"state=dead&after=job_1&day=2026-11-30&kind=&sort=-amount&count=more");
        assert_eq!(saved_query(&query), "state=dead&sort=-amount");
    }
}
