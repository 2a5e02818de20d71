//! The portal for vendors: pages of one vendor's widgets, for the vendor's own people.
//!
//! A page takes a [`VendorVisit`](crate::http::VendorVisit), whose vendor is a part of every statement: reads and writes of the portal
//! are those of [`flysk_store::portal`], and use cases get widgets that were found there. Money of customers, jobs and other
//! operators' acts have no page here.

mod api_calls;
mod chosen;
mod deliveries;
mod events;
mod filtered;
mod invitation;
mod me;
mod packages;
mod plans;
mod prices;
mod sign_in;
mod usage;
mod widgets;

use poem::http::Method;

use crate::http::Route;

/// Routes of the portal.
pub(crate) fn routes() -> Vec<Route> {
    [access(), integration(), sales()].into_iter().flatten().collect()
}

fn access() -> Vec<Route> {
    vec![
        Route::open(Method::GET, "/portal/invitation", invitation::show),
        Route::open(Method::POST, "/portal/invitation", invitation::accept),
        Route::open(Method::GET, "/portal/sign-in", sign_in::show_form),
        Route::open(Method::POST, "/portal/sign-in", sign_in::check_password),
        Route::vendor_second_factor(Method::GET, "/portal/sign-in/code", sign_in::show_code_form),
        Route::vendor_second_factor(Method::POST, "/portal/sign-in/code", sign_in::check_code),
        Route::vendor_post("/portal/sign-out", sign_in::sign_out),
        Route::vendor_get("/portal/me", me::show),
        Route::vendor_post("/portal/me/proof", me::renew_proof),
        Route::vendor_post("/portal/me/password", me::change_password),
        Route::vendor_post("/portal/me/recovery-codes", me::renew_recovery_codes),
        Route::vendor_post("/portal/me/sessions/:id/end", me::end_session),
    ]
}

fn integration() -> Vec<Route> {
    vec![
        Route::vendor_get("/portal", widgets::list),
        Route::vendor_post("/portal/widgets/register", widgets::register),
        Route::vendor_get("/portal/widgets/:id", widgets::show),
        Route::vendor_post("/portal/widgets/:id/update", widgets::update),
        Route::vendor_post("/portal/widgets/:id/events", widgets::update_events),
        Route::vendor_post("/portal/widgets/:id/test-event", widgets::send_test),
        Route::vendor_post("/portal/widgets/:id/client-secret", widgets::change_client_secret),
        Route::vendor_post("/portal/widgets/:id/rotate-token", widgets::rotate_token),
        Route::vendor_post("/portal/widgets/:id/rotate-event-secret", widgets::rotate_event_secret),
        Route::vendor_post("/portal/widgets/:id/revoke-former", widgets::revoke_former),
        Route::vendor_get("/portal/deliveries", deliveries::show),
        Route::vendor_get("/portal/events/:id", events::show),
        Route::vendor_post("/portal/events/:id/replay", events::replay),
        Route::vendor_get("/portal/api-calls", api_calls::show),
    ]
}

fn sales() -> Vec<Route> {
    vec![
        Route::vendor_get("/portal/usage", usage::show),
        Route::vendor_get("/portal/plans", plans::list),
        Route::vendor_get("/portal/plans/:id", plans::show),
        Route::vendor_post("/portal/plans/offer", plans::offer),
        Route::vendor_post("/portal/plans/retire", plans::retire),
        Route::vendor_get("/portal/packages", packages::show),
        Route::vendor_post("/portal/packages/offer", packages::offer),
        Route::vendor_post("/portal/packages/retire", packages::retire),
        Route::vendor_get("/portal/prices", prices::show),
        Route::vendor_post("/portal/prices/set", prices::set),
    ]
}
