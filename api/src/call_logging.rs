//! The middleware that adds answered calls to the log.

use std::sync::Arc;

use flysk_domain::trace::Trace;
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use poem_openapi::OperationId;

use crate::call_log::{Call, Caller};
use crate::deps::Deps;
use crate::problem::{self, Problem};

/// Calls of the API itself are below this path; pages and hooks are not logged.
const LOGGED_PREFIX: &str = "/v1/";
/// The gateway to amoCRM, which has no operation of poem-openapi.
const GATEWAY_PREFIX: &str = "/v1/amocrm/";
const GATEWAY: &str = "amocrmGateway";
/// A call that was refused before its operation was found.
const NO_OPERATION: &str = "other";

/// Middleware that logs the calls of authenticated widgets and backends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLogging;

impl<E: Endpoint> Middleware<E> for CallLogging {
    type Output = Logged<E>;

    fn transform(&self, inner: E) -> Logged<E> {
        Logged(inner)
    }
}

/// Endpoint with [`CallLogging`].
pub(crate) struct Logged<E>(E);

impl<E: Endpoint> Endpoint for Logged<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let path = request.uri().path();
        if !path.starts_with(LOGGED_PREFIX) {
            return self.0.call(request).await.map(IntoResponse::into_response);
        }
        let unnamed = if path.starts_with(GATEWAY_PREFIX) { GATEWAY } else { NO_OPERATION };
        let deps = Deps::from_request(&request)?;
        let (log, clock) = (deps.call_log.clone(), Arc::clone(deps.outbox.clock()));
        let request_id = request.data::<Trace>().map(|trace| trace.correlation_id.clone());
        let caller = Caller::default();
        request.set_data(caller.clone());
        let (operation, response) = match self.0.call(request).await {
            Ok(response) => {
                let response = response.into_response();
                (response.data::<OperationId>().copied(), response)
            }
            Err(error) => (error.data::<OperationId>().copied(), problem::from_poem_error(error)),
        };
        if let Some(widget) = caller.widget() {
            let status = response.status().as_u16();
            let told = response.data::<Problem>().filter(|_| status >= 400);
            let problem = told.map(|problem| {
                (problem.code.clone(), problem.detail.clone(), request_id.unwrap_or_default())
            });
            let operation = operation.map_or(unnamed, |operation| operation.0);
            log.record(Call { widget, at: clock.now(), operation, status, problem });
        }
        Ok(response)
    }
}
