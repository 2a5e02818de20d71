//! All routes of the API and its middleware.

use std::sync::LazyLock;

use bytes::Bytes;
use poem::endpoint::{BoxEndpoint, make_sync};
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, IntoEndpoint as _, IntoResponse, Response, Route, get, post};
use poem_openapi::{OpenApiService, ServerObject};

use crate::cache_control::no_store;
use crate::call_logging::CallLogging;
use crate::cors::Cors;
use crate::deps::Deps;
use crate::flysense::{
    ActivationApi, AudioApi, AudioLinkApi, AudioStreamApi, CallStatisticsApi, CancelApi, ExportApi,
    PreferencesApi, RecordsApi, TagsApi, TranscriptionsApi, WaveformApi,
};
use crate::html_page::add_security_headers;
use crate::limits::RequestLimits;
use crate::openapi::patch_document;
use crate::platform::backend_settings::BackendSettingsApi;
use crate::platform::deliveries::DeliveriesApi;
use crate::platform::event_replays::EventReplaysApi;
use crate::platform::events::EventsApi;
use crate::platform::flycoins::{
    BalanceApi, CaptureReleaseApi, ChargesApi, EstimateApi, HoldsApi, RefundsApi, RevenueApi, StatisticsApi,
    TransactionsApi, WalletApi, WidgetTransactionsApi,
};
use crate::platform::gateway;
use crate::platform::handshake::HandshakeApi;
use crate::platform::installs::InstallsApi;
use crate::platform::oauth::{CallbackApi, ConnectApi, DisconnectApi};
use crate::platform::pauth::PauthApi;
use crate::platform::purchases::{PackagesApi, PurchasesApi, TopUpApi};
use crate::platform::settings::SettingsApi;
use crate::platform::subscriptions::{
    BackendSeatsApi, BackendSubscriptionApi, InvoicesApi, QuotesApi, RenewalCardApi, SeatsApi,
    SubscriptionApi, SubscriptionChangesApi, SubscriptionPaymentsApi,
};
use crate::platform::switch::SwitchApi;
use crate::platform::transfers::TransferInvoicesApi;
use crate::problem::{Problem, ProblemCode, ProblemOrigin};
use crate::query::drop_empty_parameters;
use crate::rate_limit::BackendRateLimit;
use crate::tracing_layer::Tracing;
use crate::{billing_page, docs, health, hooks, letter_pages};

/// Version of the API, as in docs/api-changelog.md.
const API_VERSION: &str = "1.0.0";

/// Every documented operation.
type Apis = (
    OauthApis,
    WidgetApis,
    BackendApis,
    FlycoinApis,
    BackendBillingApis,
    FlysenseApis,
    SubscriptionApis,
    FlysenseCardApis,
);
type OauthApis = (CallbackApi, ConnectApi, DisconnectApi);
type WidgetApis = (HandshakeApi, SettingsApi, PackagesApi, PurchasesApi, TopUpApi, TransferInvoicesApi);
type BackendApis = (PauthApi, BackendSettingsApi, SwitchApi, InstallsApi, BackendEventApis);
type BackendEventApis = (EventsApi, EventReplaysApi, DeliveriesApi);
type SubscriptionApis = (
    SubscriptionApi,
    QuotesApi,
    InvoicesApi,
    SubscriptionPaymentsApi,
    RenewalCardApi,
    SubscriptionChangesApi,
    BackendSubscriptionApi,
    (SeatsApi, BackendSeatsApi),
);
type FlycoinApis = (WalletApi, TransactionsApi, StatisticsApi);
type BackendBillingApis = (FlycoinWriteApis, BalanceApi, WidgetTransactionsApi, RevenueApi);
type FlycoinWriteApis = (EstimateApi, ChargesApi, HoldsApi, CaptureReleaseApi, RefundsApi);
type FlysenseApis = (TranscriptionsApi, AudioApi, CancelApi, PreferencesApi, ActivationApi);
type FlysenseCardApis =
    (RecordsApi, WaveformApi, ExportApi, TagsApi, AudioLinkApi, AudioStreamApi, CallStatisticsApi);

/// Instances of all documented APIs.
const fn apis() -> Apis {
    (
        (CallbackApi, ConnectApi, DisconnectApi),
        (HandshakeApi, SettingsApi, PackagesApi, PurchasesApi, TopUpApi, TransferInvoicesApi),
        (PauthApi, BackendSettingsApi, SwitchApi, InstallsApi, (EventsApi, EventReplaysApi, DeliveriesApi)),
        (WalletApi, TransactionsApi, StatisticsApi),
        (
            (EstimateApi, ChargesApi, HoldsApi, CaptureReleaseApi, RefundsApi),
            BalanceApi,
            WidgetTransactionsApi,
            RevenueApi,
        ),
        (TranscriptionsApi, AudioApi, CancelApi, PreferencesApi, ActivationApi),
        (
            SubscriptionApi,
            QuotesApi,
            InvoicesApi,
            SubscriptionPaymentsApi,
            RenewalCardApi,
            SubscriptionChangesApi,
            BackendSubscriptionApi,
            (SeatsApi, BackendSeatsApi),
        ),
        (RecordsApi, WaveformApi, ExportApi, TagsApi, AudioLinkApi, AudioStreamApi, CallStatisticsApi),
    )
}

/// The OpenAPI service.
fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new(apis(), "Flysk", API_VERSION)
        .description(
            "Flysk is a platform for vendors of amoCRM widgets. FlySense is the first widget on it. \
             Start with the [integration guide](/docs/guide). Errors are application/problem+json with a stable `code`; \
             see [/docs/errors](/docs/errors). Lists are pages: pass `next` of a page as `cursor` until it is null. \
             Times are RFC 3339 in UTC.",
        )
        .server(ServerObject::new("/").description("This server"))
}

/// The OpenAPI document as it is served, composed when it is asked for first (see [`docs::routes`]).
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(specification()));

/// The OpenAPI document, as in `api/openapi.json`.
pub fn specification() -> String {
    let mut text = document(&service().spec());
    text.push('\n');
    text
}

/// The post-processed document; the original one if it is not valid JSON.
fn document(spec: &str) -> String {
    patch_document(spec, &gateway::operations(), &gateway::SCHEMAS).unwrap_or_else(|_| spec.to_owned())
}

/// HTML of Swagger UI with the embedded document.
pub(crate) fn swagger_page() -> String {
    let service = service();
    let spec = service.spec();
    service.swagger_ui_html().replace(&spec, &document(&spec))
}

/// The application with all routes and middleware.
pub fn app(deps: Deps) -> impl Endpoint<Output = Response> {
    let service = service();
    let cors = Cors::new(deps.config.amocrm.host_suffixes.clone());
    let limits = RequestLimits::new(&deps.config.http);
    let origin = ProblemOrigin::new(&deps.config.http);
    let spec = make_sync(|_| DOCUMENT.clone().with_content_type("application/json"));
    let route = Route::new()
        .nest("/", service.into_endpoint().before(drop_empty_parameters))
        .nest("/docs", docs::routes(swagger_page))
        .at("/openapi.json", get(spec))
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/v1/amocrm/*path", gateway::routes())
        .at("/hooks/amocrm/:install/:signature", post(hooks::amocrm::receive))
        .at("/hooks/flysense/events", post(hooks::events::receive))
        .at("/hooks/tbank", post(hooks::tbank::receive))
        .at("/hooks/telegram", post(hooks::bots::receive_telegram))
        .at("/hooks/max", post(hooks::bots::receive_max))
        .at("/billing/act-as", billing_page::act_as_route())
        .at("/billing/documents", billing_page::document_route())
        .nest("/billing/flycoins", billing_page::flycoins_routes())
        .nest("/billing/subscription", billing_page::subscription_routes())
        .nest("/mail", letter_pages::switch_routes())
        .nest("/pay", letter_pages::pay_routes())
        .nest("/unlink", letter_pages::unlink_routes())
        .with(BackendRateLimit)
        .with(CallLogging)
        .data(deps);
    with_middleware(route, limits, origin, cors)
}

/// Adds the middleware. The last one is the outermost: it handles a request first and its response last.
fn with_middleware(
    inner: impl Endpoint + 'static,
    limits: RequestLimits,
    origin: ProblemOrigin,
    cors: Cors,
) -> impl Endpoint<Output = Response> {
    inner
        .with(CatchPanic::new().with_handler(|_| {
            Problem::new(ProblemCode::Internal, "quote X-Request-Id to support").response()
        }))
        .with(limits)
        .with(origin)
        .after(no_store)
        .after(add_security_headers)
        .with(cors)
        .with(Tracing)
}

/// The boxed application, for tests that call it without a socket.
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

    /// Vendors read what changed.
    #[test]
    fn the_changelog_of_the_api_begins_with_the_current_version() {
        let page = include_str!("../../docs/api-changelog.md");
        let newest = page.lines().find_map(|line| line.strip_prefix("## 1")).expect("a version");
        assert!(format!("1{newest}").starts_with(&format!("{API_VERSION} ")), "1{newest}");
    }

    /// Errors of all layers have CORS headers.
    #[tokio::test]
    async fn answers_of_panics_and_of_time_outs_are_for_amocrms_pages_too() {
        let soon = Duration::from_millis(20);
        for (path, time_limit, status) in [
            ("/hangs", soon, StatusCode::SERVICE_UNAVAILABLE),
            ("/panics", Duration::from_mins(10), StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let route = Route::new().at("/hangs", get(hangs)).at("/panics", get(panics));
            let app = with_middleware(
                route,
                RequestLimits::with(time_limit, 10),
                ProblemOrigin::of("https://flysk.example"),
                Cors::new(vec!["amocrm.ru".to_owned()]),
            );
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
            assert_eq!(answer.header("retry-after").is_some(), status == StatusCode::SERVICE_UNAVAILABLE);
            let body = answer.into_body().into_string().await.expect("a body");
            assert!(body.contains("\"type\":\"https://flysk.example/docs/errors#"), "{body}");
        }
    }
}
