//! The server of a sandbox: the product's API, and the control API below `/_sandbox`.

use std::sync::Arc;

use flysk_simulators::Act;
use flysk_simulators::cut::Connections;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode, Uri};
use poem::web::RemoteAddr;
use poem::{Body, Endpoint, IntoResponse as _, Request, Response, Result};
use serde_json::Value;

use super::api_failures;
use super::occurrence::{Occurrence, Refusal};
use super::requests::Requests;
use super::scene::{Current, Scene};
use super::visitors::Visitors;

/// Prefix of everything that is not the product's.
const CONTROL_PATH: &str = "/_sandbox";
/// Request header with the account of a request to amoCRM's API.
const ACCOUNT_HEADER: &str = "x-account-id";

/// Passes requests on, lets those fail that are to fail, and notes those that were refused.
pub(super) struct Front {
    current: Current,
    control: Arc<BoxEndpoint<'static, Response>>,
    visitors: Visitors,
    requests: Requests,
    connections: Connections,
}

impl Front {
    pub(super) fn new(
        current: Current,
        control: BoxEndpoint<'static, Response>,
        visitors: Visitors,
        requests: Requests,
        connections: Connections,
    ) -> Self {
        Self { current, control: Arc::new(control), visitors, requests, connections }
    }

    /// The answer of the API, or the failure that was planned for the request; `None`: the connection breaks.
    async fn answer(&self, scene: &Scene, request: Request) -> Option<Response> {
        let planned = scene.api_failures.next_act(request.method().as_str(), request.uri().path());
        match planned.map(|planned| planned.act) {
            Some(Act::Answer { status, headers, body }) => Some(api_failures::answer(status, &headers, body)),
            Some(Act::Cut) => None,
            Some(Act::ServeThenCut) => {
                scene.api.get_response(request).await;
                None
            }
            // Nothing else is planned.
            Some(_) | None => Some(scene.api.get_response(request).await),
        }
    }

    /// Breaks the connection. The response only wakes it; it cannot be written.
    fn cut(&self, peer: &RemoteAddr) -> Response {
        self.connections.cut(peer);
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if is_control(request.uri()) {
            return Ok(match self.visitors.check(&request) {
                Ok(()) => self.requests.answer(&self.control, request).await,
                Err(problem) => problem.response(),
            });
        }
        let scene = match self.current.scene() {
            Ok(scene) => scene,
            Err(problem) => return Ok(problem.response()),
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let peer = request.remote_addr().clone();
        let account_id = request.header(ACCOUNT_HEADER).and_then(|id| id.parse().ok());
        let answered = self.answer(&scene, request).await;
        // Redirects of amoCRM, which are read by GET, enqueue jobs too.
        scene.work.notify_one();
        let Some(response) = answered else { return Ok(self.cut(&peer)) };
        if !response.status().is_client_error() && !response.status().is_server_error() {
            return Ok(response);
        }
        Ok(note_refusal(&scene, &method, &uri, account_id, response).await)
    }
}

fn is_control(uri: &Uri) -> bool {
    uri.path().strip_prefix(CONTROL_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Notes a refusal with its code; the response stays as it is.
async fn note_refusal(
    scene: &Scene,
    method: &Method,
    uri: &Uri,
    account_id: Option<u64>,
    mut response: Response,
) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let refusal = Refusal {
        account_id,
        method: method.to_string(),
        path: uri.path().to_owned(),
        status: response.status().as_u16(),
        code: code_of(&told),
        detail: told.get("detail").and_then(Value::as_str).unwrap_or_default().to_owned(),
        validation_errors: told.get("validation-errors").cloned().unwrap_or_default(),
    };
    scene.journal.note(scene.sandbox.now(), Occurrence::Refusal(refusal));
    response.set_body(Body::from_bytes(body));
    response
}

/// The code of an error: Flysk's `code`, amoCRM's `error_code`, or the code of its first complaint.
fn code_of(told: &Value) -> String {
    let own = told.get("code").or_else(|| told.get("error_code"));
    match own.or_else(|| told.pointer("/validation-errors/0/errors/0/code")) {
        Some(Value::String(code)) => code.clone(),
        Some(Value::Number(code)) => code.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_has_flysks_code_or_amocrms() {
        let complaints =
            json!([{ "request_id": "0", "errors": [{ "code": "InvalidType", "path": "name" }] }]);
        for (told, wanted) in [
            (json!({ "code": "unauthorized", "detail": "…" }), "unauthorized"),
            (json!({ "status": 403, "error_code": 113 }), "113"),
            (json!({ "status": 400, "validation-errors": complaints }), "InvalidType"),
            (json!({ "status": 404, "title": "Not Found" }), ""),
            (Value::Null, ""),
        ] {
            assert_eq!(code_of(&told), wanted, "{told}");
        }
    }

    #[test]
    fn only_paths_below_the_prefix_are_the_sandboxs() {
        for (path, wanted) in
            [("/_sandbox", true), ("/_sandbox/clock", true), ("/_sandboxes", false), ("/v1/_sandbox", false)]
        {
            assert_eq!(is_control(&path.parse().unwrap()), wanted, "{path}");
        }
    }
}
