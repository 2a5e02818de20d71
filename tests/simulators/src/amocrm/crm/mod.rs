//! Leads, contacts, companies and tasks, with custom fields, tags, links and the pipeline, so that a widget's own logic runs
//! against the simulator.
//!
//! Held to amoCRM's developer documentation (pages of `crm_platform`, July 2025) and, for the forms of hooks, to Kommo's. Where it
//! says nothing, this is how the simulator behaves; a widget must not rely on it:
//!
//! - The filters of `filters-api`, which amoCRM gives to some accounts only, are on: `is_api_filter_enabled` says so.
//! - A batch with a wrong item changes nothing. An unknown id is an error of its item, in the method for one record 404.
//! - Fields that are not documented are refused, as everywhere in this simulator.
//! - A lead that gets status 142 or 143 without `closed_at` is closed now. A change sends `update_…` beside `status_lead` and
//!   `responsible_…`.
//! - Rights other than an administrator's are not simulated: every user sees and changes every record.
//!
//! Left out: customers as records (they hold notes and links), incoming leads (`unsorted`), `leads/complex`, loss reasons, sources,
//! catalogues, chats, deletion and restoring, pipelines of one's own, further types of tasks, and the types of custom fields that
//! [`custom_fields`] names.

mod custom_fields;
mod filters;
mod hooks;
mod links;
mod pipelines;
mod record_json;
mod record_list;
mod record_rules;
mod record_write;
mod scenario;
mod tags;
mod task_write;
mod tasks;
mod values;

use poem::http::StatusCode;
use poem::{Route, get, post};

pub(crate) use scenario::routes as sim_routes;

use super::model::EntityType;
use super::problem::Problem;

/// Type of records in a path; 404 for others, customers among them.
fn record_type(plural: &str) -> Result<EntityType, Problem> {
    [EntityType::Leads, EntityType::Contacts, EntityType::Companies]
        .into_iter()
        .find(|known| known.plural() == plural)
        .ok_or_else(|| Problem::api(StatusCode::NOT_FOUND, "Not found"))
}

/// Adds the methods to those of the API.
pub(crate) fn routes(api: Route) -> Route {
    api.at("/leads/pipelines", get(pipelines::list))
        .at("/leads/pipelines/:id", get(pipelines::one))
        .at("/leads/pipelines/:id/statuses", get(pipelines::statuses))
        .at("/leads/pipelines/:id/statuses/:status", get(pipelines::show_status))
        .at("/tasks", get(tasks::list).post(task_write::add).patch(task_write::edit))
        .at("/tasks/:id", get(tasks::one).patch(task_write::edit_one))
        .at("/:entity", get(record_list::list).post(record_write::add).patch(record_write::edit))
        .at("/:entity/custom_fields", get(custom_fields::list).post(custom_fields::add))
        .at("/:entity/custom_fields/:id", get(custom_fields::one))
        .at("/:entity/tags", get(tags::list_tags).post(tags::add))
        .at("/:entity/:entity_id", get(record_list::one).patch(record_write::edit_one))
        .at("/:entity/:entity_id/links", get(links::list))
        .at("/:entity/:entity_id/link", post(links::add))
        .at("/:entity/:entity_id/unlink", post(links::remove))
}
