//! All routes. Each states who may use it; the gate enforces that for all of them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::Method;
use poem::{Endpoint as _, EndpointExt as _, Response, RouteMethod, get};

use crate::area::{Area, PORTAL};
use crate::deps::Deps;
use crate::http::gate::{Gated, not_found};
use crate::http::respond::{bare_error, redirect};
use crate::http::{Fault, Route};
use crate::sign_in_pages::{by_code, by_passkey};
use crate::{portal, screens, shared_pages};

/// Paths that both applications need: health checks, styles and scripts.
const SHARED: [&str; 3] = ["/healthz", "/readyz", "/assets/:id"];

/// The one application that a process serves, so that the panel can stay in a private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// The panel for operators.
    Panel,
    /// The portal for vendors.
    Portal,
}

impl Only {
    fn area(self) -> Area {
        match self {
            Self::Panel => Area::Panel,
            Self::Portal => Area::Portal,
        }
    }
}

/// The list of all routes.
pub fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::open(Method::GET, "/healthz", shared_pages::alive),
        Route::open(Method::GET, "/readyz", shared_pages::ready),
        Route::open(Method::GET, "/assets/:id", shared_pages::asset),
        Route::open(Method::GET, "/sign-in", by_code::show_form),
        Route::open(Method::POST, "/sign-in", by_code::check_password),
        Route::second_factor(Method::GET, "/sign-in/code", by_code::show_code_form),
        Route::second_factor(Method::POST, "/sign-in/code", by_code::check_code),
        Route::second_factor(Method::POST, "/sign-in/passkey/challenge", by_passkey::challenge),
        Route::second_factor(Method::POST, "/sign-in/passkey", by_passkey::check),
        Route::post("/sign-out", by_code::sign_out),
    ];
    routes.extend(screens::routes());
    routes.extend(portal::routes());
    routes
}

/// The page that the form of a path belongs to: the nearest page above it.
fn page_of(path: &str) -> String {
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

/// The HTTP application with panel and portal.
pub fn app(deps: Deps) -> BoxEndpoint<'static, Response> {
    app_with(deps, None)
}

/// [`app`] with one of them only, if `only` is given.
#[expect(clippy::needless_pass_by_value, reason = "the process gives its dependencies away")]
pub fn app_with(deps: Deps, only: Option<Only>) -> BoxEndpoint<'static, Response> {
    let area = only.map(Only::area);
    let is_served =
        |route: &Route| SHARED.contains(&route.path) || area.is_none_or(|area| Area::of(route.path) == area);
    let mut by_path: BTreeMap<&'static str, RouteMethod> = BTreeMap::new();
    for route in table().into_iter().filter(is_served) {
        let (path, method) = (route.path, route.method.clone());
        let methods = by_path.remove(path).unwrap_or_default();
        by_path.insert(path, methods.method(method, Gated::new(deps.clone(), route, page_of)));
    }
    let mut router = poem::Route::new();
    for (path, methods) in by_path {
        router = router.at(path, methods);
    }
    router = with_ways_to_portal(router, area);
    router
        .around(move |endpoint, request| async move {
            let unknown = area.unwrap_or_else(|| Area::of(request.uri().path()));
            Ok::<_, poem::Error>(answered(unknown, endpoint.call(request)).await)
        })
        .map_to_response()
        .boxed()
}

/// The answer of the router, or an error page if there is no such page or the page panics: a panic would end the connection, with
/// all that the browser sent.
async fn answered(area: Area, answer: impl Future<Output = poem::Result<Response>> + Send) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => not_found(area),
        Err(_) => bare_error(area, &Fault::internal("a page panicked")),
    }
}

/// Other addresses under which people look for the portal lead to its first page: with a slash at the end, and the root of a
/// process that serves nothing else.
fn with_ways_to_portal(router: poem::Route, only: Option<Area>) -> poem::Route {
    let way = || get(make_sync(|_| redirect(PORTAL)));
    match only {
        Some(Area::Panel) => router,
        Some(Area::Portal) => router.at("/", way()).at("/portal/", way()),
        None => router.at("/portal/", way()),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use poem::http::StatusCode;
    use poem::http::header::LOCATION;
    use poem::test::TestClient;

    use super::*;

    #[tokio::test]
    async fn the_portal_is_found_with_a_slash_and_at_the_root_of_its_own_process() {
        for (only, path, wanted) in [
            (None, "/portal/", Some(PORTAL)),
            (None, "/", None),
            (Some(Area::Portal), "/portal/", Some(PORTAL)),
            (Some(Area::Portal), "/", Some(PORTAL)),
            (Some(Area::Panel), "/portal/", None),
        ] {
            let client = TestClient::new(with_ways_to_portal(poem::Route::new(), only));
            let answer = client.get(path).send().await.0;
            let location = answer.headers().get(LOCATION).map(|location| location.to_str().unwrap());
            assert_eq!(location, wanted, "{only:?} {path}");
        }
    }

    #[tokio::test]
    async fn a_page_that_panics_is_answered_with_an_error() {
        let panics = std::future::poll_fn(|_| -> Poll<poem::Result<Response>> { panic!("on purpose") });
        assert_eq!(answered(Area::Panel, panics).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_form_belongs_to_the_nearest_page_above_it() {
        for (form, page) in [
            ("/wallets/wal_1/credit", "/wallets/wal_1"),
            ("/packages/offer", "/packages"),
            ("/approvals/act_1/approve", "/approvals"),
            ("/me/sessions/ses_1/end", "/me"),
            ("/export", "/"),
            ("/portal/widgets/wgt_1/rotate-token", "/portal/widgets/wgt_1"),
            ("/portal/widgets/register", "/portal"),
            ("/portal/plans/offer", "/portal/plans"),
        ] {
            assert_eq!(page_of(form), page);
        }
    }
}
