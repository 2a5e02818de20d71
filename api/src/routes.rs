//! The one list of what the API answers.

use poem::endpoint::{BoxEndpoint, make_sync};
use poem::middleware::CatchPanic;
use poem::web::Html;
use poem::{Endpoint, EndpointExt, IntoEndpoint as _, IntoResponse, Response, Route, get, post};
use poem_openapi::{OpenApiService, ServerObject};

use crate::caching::no_store;
use crate::cors::Cors;
use crate::deps::Deps;
use crate::document::completed;
use crate::flysense::{AudioApi, CancelApi, PreferencesApi, TranscriptionsApi};
use crate::limits::RequestLimits;
use crate::platform::backend_settings::BackendSettingsApi;
use crate::platform::events::EventsApi;
use crate::platform::flycoins::{
    BalanceApi, ChargesApi, EstimateApi, HoldEndsApi, HoldsApi, RefundsApi, StatisticsApi, TransactionsApi,
    WalletApi,
};
use crate::platform::gateway;
use crate::platform::handshake::HandshakeApi;
use crate::platform::oauth::{CallbackApi, ConnectApi, DisconnectApi};
use crate::platform::pauth::PauthApi;
use crate::platform::purchases::{PackagesApi, PurchasesApi};
use crate::platform::settings::SettingsApi;
use crate::platform::switch::SwitchApi;
use crate::problem::{Problem, ProblemCode};
use crate::query::drop_empty_parameters;
use crate::tracing_layer::Tracing;
use crate::{billing_page, health, hooks};

/// Every documented operation.
type Apis = (OauthApis, WidgetApis, BackendApis, FlycoinApis, TillApis, FlysenseApis);
type OauthApis = (CallbackApi, ConnectApi, DisconnectApi);
type WidgetApis = (HandshakeApi, SettingsApi, PackagesApi, PurchasesApi);
type BackendApis = (PauthApi, BackendSettingsApi, SwitchApi, EventsApi);
type FlycoinApis = (WalletApi, TransactionsApi, StatisticsApi);
type TillApis = (EstimateApi, ChargesApi, HoldsApi, HoldEndsApi, RefundsApi, BalanceApi);
type FlysenseApis = (TranscriptionsApi, AudioApi, CancelApi, PreferencesApi);

/// One of each.
const fn apis() -> Apis {
    (
        (CallbackApi, ConnectApi, DisconnectApi),
        (HandshakeApi, SettingsApi, PackagesApi, PurchasesApi),
        (PauthApi, BackendSettingsApi, SwitchApi, EventsApi),
        (WalletApi, TransactionsApi, StatisticsApi),
        (EstimateApi, ChargesApi, HoldsApi, HoldEndsApi, RefundsApi, BalanceApi),
        (TranscriptionsApi, AudioApi, CancelApi, PreferencesApi),
    )
}

/// The OpenAPI service.
fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(), "Flysk", env!("CARGO_PKG_VERSION"))
        .description(
            "Platform for vendors of amoCRM widgets, and FlySense, the first widget on it. \
             Errors are application/problem+json with a stable `code`; see docs/errors.md.",
        )
        .server(ServerObject::new("/").description("This server"))
}

/// `api/openapi.json`.
pub fn specification() -> String {
    let mut text = document(&service().spec());
    text.push('\n');
    text
}

/// poem-openapi's own words, should they ever be no JSON.
fn document(spec: &str) -> String {
    completed(spec, &gateway::operations()).unwrap_or_else(|_| spec.to_owned())
}

/// Swagger UI with the document inside.
pub(crate) fn swagger_page() -> String {
    let service = service();
    let spec = service.spec();
    service.swagger_ui_html().replace(&spec, &document(&spec))
}

/// Everything, ready to be served.
pub fn app(deps: Deps) -> impl Endpoint<Output = Response> {
    let service = service();
    let cors = Cors::new(deps.config.amocrm.host_suffixes.clone());
    let limits = RequestLimits::new(&deps.config.http);
    let (page, spec) = (swagger_page(), specification());
    let page = make_sync(move |_| Html(page.clone()));
    let spec = make_sync(move |_| spec.clone().with_content_type("application/json"));
    let route = Route::new()
        .nest("/", service.into_endpoint().before(drop_empty_parameters))
        .at("/docs", get(page))
        .at("/openapi.json", get(spec))
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/v1/amocrm/*path", gateway::routes())
        .at("/hooks/amocrm/:install/:signature", post(hooks::amocrm::receive))
        .at("/hooks/flysense/events", post(hooks::events::receive))
        .at("/hooks/tbank", post(hooks::tbank::receive))
        .nest("/billing/flycoins", billing_page::routes())
        .data(deps);
    layered(route, limits, cors)
}

/// What every request passes on its way in, the last first, and every answer on its way out.
fn layered(
    inner: impl Endpoint + 'static,
    limits: RequestLimits,
    cors: Cors,
) -> impl Endpoint<Output = Response> {
    inner
        .with(
            CatchPanic::new()
                .with_handler(|_| Problem::new(ProblemCode::Internal, "told to our operators").response()),
        )
        .with(limits)
        .after(no_store)
        .with(cors)
        .with(Tracing)
}

/// The same behind a pointer, for tests that call it without a socket.
pub fn boxed(deps: Deps) -> BoxEndpoint<'static, Response> {
    app(deps).boxed()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use poem::http::StatusCode;
    use poem::{Request, handler};

    use super::*;

    #[handler]
    async fn hangs() -> &'static str {
        std::future::pending().await
    }

    #[handler]
    fn panics() -> &'static str {
        panic!("on purpose")
    }

    /// A page may read what went wrong, however deep it was.
    #[tokio::test]
    async fn answers_of_panics_and_of_time_outs_are_for_amocrms_pages_too() {
        let route = Route::new().at("/hangs", get(hangs)).at("/panics", get(panics));
        let limits = RequestLimits::of(Duration::from_millis(20), 10);
        let app = layered(route, limits, Cors::new(vec!["amocrm.ru".to_owned()]));
        for (path, status) in
            [("/hangs", StatusCode::SERVICE_UNAVAILABLE), ("/panics", StatusCode::INTERNAL_SERVER_ERROR)]
        {
            let request =
                Request::builder().uri_str(path).header("Origin", "https://demo.amocrm.ru").finish();
            let answer = app.call(request).await.expect("an answer");
            assert_eq!(answer.status(), status);
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some("https://demo.amocrm.ru"),
                "{path}"
            );
            assert_eq!(answer.content_type(), Some("application/problem+json"), "{path}");
        }
    }
}
