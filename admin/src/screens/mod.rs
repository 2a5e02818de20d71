//! Pages of the panel, one folder or file per section.

mod account_state;
pub(crate) mod accounts;
mod act_as;
pub(crate) mod api_errors;
mod approval_objects;
mod approval_requests;
mod approvals;
mod audit;
pub(crate) mod bank;
mod bulk;
mod bulk_lists;
mod call_audio;
mod calls;
mod campaigns;
mod cards;
mod decided_requests;
mod erasure;
pub(crate) mod events;
mod export_requests;
mod exports;
pub(crate) mod frozen_lists;
mod home;
mod installs;
mod invoice_tables;
pub(crate) mod invoices;
mod jobs;
mod letters;
mod me;
mod my_passkeys;
mod object_pages;
mod operators;
pub(crate) mod packages;
mod payments;
pub(crate) mod plans;
pub(crate) mod prices;
mod purchases;
mod receipts;
mod search;
mod search_contacts;
mod search_tables;
mod subscription_faults;
mod subscriptions;
mod transfer_invoices;
mod transfers;
mod vendors;
mod wallets;
pub(crate) mod widgets;

use crate::http::{Bulk, Exporting, Route, Support};
use crate::lists;

/// Routes of all sections.
pub(crate) fn routes() -> Vec<Route> {
    let sections = [overview(), sellers(), customers(), money(), subscriptions_routes(), billing(), system()];
    sections.into_iter().flatten().collect()
}

fn overview() -> Vec<Route> {
    vec![
        Route::get("/", home::show),
        Route::get("/search", search::show),
        Route::post("/export", export_requests::request),
        Route::get("/exports", lists::show::<exports::Exports, Exporting>),
        Route::get("/exports/:id", exports::show),
        Route::post("/exports/:id/download", exports::download),
        Route::post("/views/save", lists::views::save),
        Route::post("/views/:id/delete", lists::views::delete),
        Route::get("/me", me::show),
        Route::post("/me/proof", me::renew_proof),
        Route::post("/me/proof/challenge", my_passkeys::proof_challenge),
        Route::post("/me/passkeys/challenge", my_passkeys::challenge),
        Route::post("/me/passkeys", my_passkeys::add),
        Route::post("/me/passkeys/:id/remove", my_passkeys::remove),
        Route::post("/me/password", me::change_password),
        Route::post("/me/recovery-codes", me::renew_recovery_codes),
        Route::post("/me/density", me::choose_density),
        Route::post("/me/sessions/:id/end", me::end_session),
    ]
}

fn sellers() -> Vec<Route> {
    vec![
        Route::get("/widgets", widgets::list),
        Route::post("/widgets/register", widgets::register),
        Route::get("/widgets/:id", widgets::show),
        Route::post("/widgets/:id/update", widgets::update),
        Route::post("/widgets/:id/client-secret", widgets::change_client_secret),
        Route::post("/widgets/:id/rotate-token", widgets::rotate_token),
        Route::post("/widgets/:id/rotate-event-secret", widgets::rotate_event_secret),
        Route::post("/widgets/:id/revoke-former", widgets::revoke_former),
        Route::post("/widgets/:id/events", widgets::update_events),
        Route::post("/widgets/:id/schema", widgets::update_schema),
        Route::post("/widgets/:id/test-event", widgets::send_test),
        Route::get("/vendors", vendors::list),
        Route::post("/vendors/create", vendors::create),
        Route::get("/vendors/:id", vendors::show),
        Route::post("/vendors/:id/update", vendors::update),
        Route::post("/vendors/:id/taxes", vendors::put_taxes),
        Route::post("/vendors/:id/assign", vendors::assign),
        Route::post("/vendors/:id/invite", vendors::invite),
        Route::post("/vendors/:id/revoke-invitation", vendors::revoke_invitation),
        Route::post("/vendors/:id/user-access", vendors::change_access),
        Route::post("/vendors/:id/terminal", vendors::set_terminal),
        Route::post("/vendors/:id/remove-terminal", vendors::remove_terminal),
        Route::post("/vendors/:id/t-api", vendors::set_t_api),
        Route::post("/vendors/:id/remove-t-api", vendors::remove_t_api),
        Route::post("/vendors/:id/transfer-terms", vendors::set_terms),
    ]
}

fn customers() -> Vec<Route> {
    vec![
        Route::get("/accounts", lists::show::<accounts::Accounts, Support>),
        Route::get("/accounts/:id", accounts::show),
        Route::get("/accounts/:id/erasure", erasure::preview),
        Route::post("/accounts/:id/erase", erasure::request),
        Route::get("/installs", lists::show::<installs::Installs, Support>),
        Route::get("/installs/:id", installs::show),
        Route::get("/installs/:id/timeline", installs::timeline),
        Route::get("/installs/:id/letters", letters::show_sent),
        Route::post("/installs/:id/act-as", act_as::begin),
        Route::get("/installs/:id/as-customer", act_as::show),
        Route::post("/installs/:id/act-as-end", act_as::end),
        Route::post("/installs/:id/switch-on", installs::switch_on),
        Route::post("/installs/:id/switch-off", installs::switch_off),
        Route::post("/installs/:id/reconnect", installs::reconnect_link),
        Route::post("/installs/:id/settings", installs::change_settings),
        Route::post("/installs/:id/restore-settings", installs::restore_settings),
        Route::get("/calls", lists::show::<calls::Calls, Support>),
        Route::get("/calls/:id", calls::show),
        Route::post("/calls/:id/replay", calls::replay),
        Route::post("/calls/:id/listen", call_audio::request),
        Route::get("/calls/:id/audio", call_audio::show),
        Route::get("/calls/:id/audio/file", call_audio::stream),
    ]
}

fn money() -> Vec<Route> {
    vec![
        Route::get("/wallets", lists::show::<wallets::Wallets, Support>),
        Route::get("/wallets/:id", wallets::show),
        Route::post("/wallets/:id/credit", wallets::credit),
        Route::get("/purchases", lists::show::<purchases::Purchases, Support>),
        Route::get("/purchases/:id", purchases::show),
        Route::post("/purchases/:id/refresh", purchases::refresh),
        Route::post("/purchases/:id/refund", purchases::refund),
        Route::post("/purchases/:id/resolve", purchases::resolve),
        Route::get("/packages", packages::list),
        Route::post("/packages/offer", packages::offer),
        Route::post("/packages/retire", packages::retire),
        Route::get("/prices", prices::list),
        Route::post("/prices/set", prices::set),
        Route::get("/notifications", lists::show::<bank::Notifications, Support>),
        Route::get("/discrepancies", lists::show::<bank::Discrepancies, Support>),
    ]
}

fn subscriptions_routes() -> Vec<Route> {
    vec![
        Route::get("/subscriptions", lists::show::<subscriptions::Subscriptions, Support>),
        Route::get("/subscriptions/:id", subscriptions::show),
        Route::post("/subscriptions/:id/renew", subscriptions::renew),
        Route::post("/subscriptions/:id/bonus", subscriptions::grant_bonus),
        Route::post("/subscriptions/:id/cancel", subscriptions::cancel),
        Route::post("/subscriptions/:id/end-refunded", subscriptions::end_refunded),
        Route::post("/subscriptions/:id/restore", subscriptions::restore),
        Route::post("/subscriptions/:id/reinstate", subscriptions::reinstate),
        Route::post("/subscriptions/:id/end-review", subscriptions::end_review),
        Route::post("/subscriptions/:id/free-seat", subscriptions::free_seat),
        Route::post("/installs/:id/subscription", subscriptions::start),
        Route::get("/subscriptions/:id/quote", subscriptions::show_quote),
        Route::post("/subscriptions/:id/quote", subscriptions::price),
        Route::post("/subscriptions/:id/apply", subscriptions::apply),
        Route::post("/subscriptions/:id/withdraw-change", subscriptions::withdraw),
        Route::post("/installs/:id/unlink-card", cards::unlink),
    ]
}

fn billing() -> Vec<Route> {
    vec![
        Route::get("/invoices", lists::show::<invoices::Invoices, Support>),
        Route::get("/invoices/:id", invoices::show),
        Route::post("/invoices/:id/mark-paid", invoices::mark_paid),
        Route::post("/invoices/:id/void", invoices::void),
        Route::post("/invoices/:id/clear-lock", invoices::clear_lock),
        Route::post("/invoices/:id/refund", invoices::refund),
        Route::post("/invoices/:id/receipt", invoices::decide_receipt),
        Route::get("/payments", lists::show::<payments::Payments, Support>),
        Route::get("/payments/:id", payments::show),
        Route::post("/payments/:id/refresh", payments::refresh),
        Route::post("/payments/:id/resolve", payments::resolve),
        Route::get("/receipts", lists::show::<receipts::Receipts, Support>),
        Route::get("/transfers", lists::show::<transfers::Transfers, Support>),
        Route::get("/transfers/:id", transfers::show),
        Route::post("/transfers/:id/match", transfers::give_to_invoice),
        Route::post("/transfers/:id/balance", transfers::put_into_balance),
        Route::post("/transfers/:id/returned", transfers::record_returned),
        Route::post("/transfers/:id/dismiss", transfers::dismiss),
        Route::post("/transfers/:id/leave", transfers::leave),
        Route::get("/transfer-invoices", lists::show::<transfer_invoices::TransferInvoices, Support>),
        Route::get("/transfer-invoices/:id", transfer_invoices::show),
        Route::post("/transfer-invoices/:id/withdraw", transfer_invoices::withdraw),
        Route::post("/installs/:id/return-balance", transfers::return_balance),
        Route::get("/plans", plans::list),
        Route::get("/plans/:id", plans::show),
        Route::post("/plans/offer", plans::offer),
        Route::post("/plans/retire", plans::retire),
        Route::post("/plans/:id/price-change", campaigns::check),
        Route::get("/plans/:id/price-change", campaigns::preview),
        Route::post("/plans/:id/campaign", campaigns::start),
        Route::get("/campaigns/:id", campaigns::show),
        Route::post("/campaigns/:id/stop", campaigns::stop),
        Route::get("/approvals", approvals::list),
        Route::post("/approvals/:id/approve", approvals::approve),
        Route::post("/approvals/:id/decline", approvals::decline),
    ]
}

fn system() -> Vec<Route> {
    vec![
        Route::get("/jobs", lists::show::<jobs::Jobs, Support>),
        Route::get("/jobs/:id", jobs::show),
        Route::post("/jobs/:id/replay", jobs::replay),
        Route::post("/jobs/:id/cancel", jobs::cancel),
        Route::post("/jobs/:id/reschedule", jobs::reschedule),
        Route::get("/letters", letters::list),
        Route::get("/letters/:id", letters::show),
        Route::get("/letters/:id/html", letters::show_html),
        Route::get("/events", lists::show::<events::Events, Support>),
        Route::get("/events/:id", events::show),
        Route::post("/events/:id/replay", events::replay),
        Route::get("/api-errors", lists::show::<api_errors::ApiErrors, Support>),
        Route::get("/bulk", lists::show::<bulk_lists::BulkActs, Bulk>),
        Route::get("/bulk/preview", bulk::preview),
        Route::post("/bulk/start", bulk::start),
        Route::get("/bulk/:id", bulk::show),
        Route::post("/bulk/:id/pause", bulk::pause),
        Route::post("/bulk/:id/resume", bulk::resume),
        Route::post("/bulk/:id/stop", bulk::stop),
        Route::post("/bulk/:id/undo", bulk::undo),
        Route::get("/bulk-results", lists::show::<bulk_lists::Results, Bulk>),
        Route::get("/audit", lists::show::<audit::AuditLog, Support>),
        Route::get("/audit/:id", audit::show),
        Route::get("/operators", operators::list),
        Route::post("/operators/create", operators::create),
        Route::get("/operators/:id", operators::show),
        Route::post("/operators/:id/access", operators::change_access),
        Route::post("/operators/:id/reset", operators::reset),
        Route::post("/operators/:id/unlock", operators::unlock),
    ]
}
