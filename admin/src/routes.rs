//! All routes. Each states who may use it; the gate enforces that for all of them.

use std::collections::BTreeMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{EndpointExt as _, Response, RouteMethod};

use crate::deps::Deps;
use crate::http::Route;
use crate::http::gate::{Gated, not_found};
use crate::sign_in::{pages, passkey_pages};
use crate::{assets, health, screens};

/// The list of all routes.
pub fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::open(Method::GET, "/healthz", health::alive),
        Route::open(Method::GET, "/readyz", health::ready),
        Route::open(Method::GET, "/assets/:id", assets::serve),
        Route::open(Method::GET, "/sign-in", pages::show_form),
        Route::open(Method::POST, "/sign-in", pages::check_password),
        Route::second_factor(Method::GET, "/sign-in/code", pages::show_code_form),
        Route::second_factor(Method::POST, "/sign-in/code", pages::check_code),
        Route::second_factor(Method::POST, "/sign-in/passkey/challenge", passkey_pages::challenge),
        Route::second_factor(Method::POST, "/sign-in/passkey", passkey_pages::check),
        Route::post("/sign-out", pages::sign_out),
    ];
    routes.extend(screens::routes());
    routes
}

/// The page that the form of a path belongs to: the nearest page above it.
pub(crate) fn page_of(path: &str) -> String {
    let pages: Vec<Route> = table().into_iter().filter(|route| route.method == Method::GET).collect();
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        above = parent;
        if pages.iter().any(|page| page.leads_to(above)) {
            return above.to_owned();
        }
    }
    "/".to_owned()
}

/// The panel's HTTP application.
#[expect(clippy::needless_pass_by_value, reason = "the process gives its dependencies away")]
pub fn app(deps: Deps) -> BoxEndpoint<'static, Response> {
    let mut by_path: BTreeMap<&'static str, RouteMethod> = BTreeMap::new();
    for route in table() {
        let (path, method) = (route.path, route.method.clone());
        let methods = by_path.remove(path).unwrap_or_default();
        by_path.insert(path, methods.method(method, Gated::new(deps.clone(), route)));
    }
    let mut router = poem::Route::new();
    for (path, methods) in by_path {
        router = router.at(path, methods);
    }
    router.catch_all_error(|_| async { not_found() }).map_to_response().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_belongs_to_the_nearest_page_above_it() {
        for (form, page) in [
            ("/wallets/wal_1/credit", "/wallets/wal_1"),
            ("/packages/offer", "/packages"),
            ("/approvals/act_1/approve", "/approvals"),
            ("/me/sessions/ses_1/end", "/me"),
            ("/export", "/"),
        ] {
            assert_eq!(page_of(form), page);
        }
    }
}
