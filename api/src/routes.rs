//! The one list of what the API answers.

use poem::endpoint::BoxEndpoint;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Response, Route, get, post};
use poem_openapi::{OpenApiService, ServerObject};

use crate::cors::Cors;
use crate::deps::Deps;
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
use crate::platform::settings::SettingsApi;
use crate::platform::switch::SwitchApi;
use crate::problem::{Problem, ProblemCode};
use crate::tracing_layer::Tracing;
use crate::{health, hooks};

/// Every documented operation.
type Apis = (OauthApis, WidgetApis, BackendApis, FlycoinApis, TillApis, FlysenseApis);
type OauthApis = (CallbackApi, ConnectApi, DisconnectApi);
type WidgetApis = (HandshakeApi, SettingsApi);
type BackendApis = (PauthApi, BackendSettingsApi, SwitchApi, EventsApi);
type FlycoinApis = (WalletApi, TransactionsApi, StatisticsApi);
type TillApis = (EstimateApi, ChargesApi, HoldsApi, HoldEndsApi, RefundsApi, BalanceApi);
type FlysenseApis = (TranscriptionsApi, AudioApi, CancelApi, PreferencesApi);

/// One of each.
const fn apis() -> Apis {
    (
        (CallbackApi, ConnectApi, DisconnectApi),
        (HandshakeApi, SettingsApi),
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
    let mut text = service().spec();
    text.push('\n');
    text
}

/// Everything, ready to be served.
pub fn app(deps: Deps) -> impl Endpoint<Output = Response> {
    let service = service();
    let cors = Cors::new(deps.config.amocrm.host_suffixes.clone());
    let limits = RequestLimits::new(&deps.config.http);
    let swagger = service.swagger_ui();
    let spec = service.spec_endpoint();
    Route::new()
        .nest("/", service)
        .nest("/docs", swagger)
        .at("/openapi.json", spec)
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/v1/amocrm/*path", gateway::pass)
        .at("/hooks/amocrm/:install/:signature", post(hooks::amocrm::receive))
        .at("/hooks/flysense/events", post(hooks::events::receive))
        .data(deps)
        .with(
            CatchPanic::new()
                .with_handler(|_| Problem::new(ProblemCode::Internal, "told to our operators").response()),
        )
        .with(limits)
        .with(cors)
        .with(Tracing)
}

/// The same behind a pointer, for tests that call it without a socket.
pub fn boxed(deps: Deps) -> BoxEndpoint<'static, Response> {
    app(deps).boxed()
}
