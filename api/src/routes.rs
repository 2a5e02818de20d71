//! The one list of what the API answers.

use poem::endpoint::BoxEndpoint;
use poem::middleware::CatchPanic;
use poem::{Endpoint, EndpointExt, Response, Route, get, post};
use poem_openapi::{OpenApiService, ServerObject};

use crate::cors::Cors;
use crate::deps::Deps;
use crate::flysense::{PreferencesApi, TranscriptionsApi};
use crate::platform::oauth;
use crate::platform::pauth::PauthApi;
use crate::problem::{Problem, ProblemCode};
use crate::tracing_layer::Tracing;
use crate::{health, hooks};

/// Every documented operation.
type Apis = (PauthApi, TranscriptionsApi, PreferencesApi);

/// The OpenAPI service.
fn service() -> OpenApiService<Apis, ()> {
    OpenApiService::new((PauthApi, TranscriptionsApi, PreferencesApi), "Flysk", env!("CARGO_PKG_VERSION"))
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
    let swagger = service.swagger_ui();
    let spec = service.spec_endpoint();
    Route::new()
        .nest("/", service)
        .nest("/docs", swagger)
        .at("/openapi.json", spec)
        .at("/healthz", get(health::healthz))
        .at("/readyz", get(health::readyz))
        .at("/oauth/amocrm/callback", get(oauth::callback))
        .at("/hooks/amocrm/:install/:signature", post(hooks::amocrm::receive))
        .at("/hooks/flysense/events", post(hooks::events::receive))
        .data(deps)
        .with(
            CatchPanic::new()
                .with_handler(|_| Problem::new(ProblemCode::Internal, "told to our operators").response()),
        )
        .with(cors)
        .with(Tracing)
}

/// The same behind a pointer, for tests that call it without a socket.
pub fn boxed(deps: Deps) -> BoxEndpoint<'static, Response> {
    app(deps).boxed()
}
