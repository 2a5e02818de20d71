//! The server of a sandbox: the product's API, and the control API below `/_sandbox`.

use poem::endpoint::BoxEndpoint;
use poem::http::{Method, Uri};
use poem::{Body, Endpoint, Request, Response, Result};
use serde_json::Value;

use super::journal::{Occurrence, Refusal};
use super::problem;
use super::scene::{Current, Scene};

/// Prefix of everything that is not the product's.
const CONTROL_PATH: &str = "/_sandbox";

/// Passes requests on, and notes those that the API refused.
pub(super) struct Front {
    current: Current,
    control: BoxEndpoint<'static, Response>,
}

impl Front {
    pub(super) fn new(current: Current, control: BoxEndpoint<'static, Response>) -> Self {
        Self { current, control }
    }
}

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if is_control(request.uri()) {
            return Ok(match self.control.call(request).await {
                Ok(response) => response,
                Err(error) => problem::answer(error),
            });
        }
        let scene = match self.current.scene() {
            Ok(scene) => scene,
            Err(problem) => return Ok(problem.response()),
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = scene.api.get_response(request).await;
        // Redirects of amoCRM, which are read by GET, enqueue jobs too.
        scene.work.notify_one();
        if !response.status().is_client_error() && !response.status().is_server_error() {
            return Ok(response);
        }
        Ok(note_refusal(&scene, &method, &uri, response).await)
    }
}

fn is_control(uri: &Uri) -> bool {
    uri.path().strip_prefix(CONTROL_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Notes a refusal with its code; the response stays as it is.
async fn note_refusal(scene: &Scene, method: &Method, uri: &Uri, mut response: Response) -> Response {
    let body = response.take_body().into_bytes().await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let refusal = Refusal {
        method: method.to_string(),
        path: uri.path().to_owned(),
        status: response.status().as_u16(),
        code: text("code"),
        detail: text("detail"),
    };
    scene.journal.note(scene.sandbox.now(), Occurrence::Refusal(refusal));
    response.set_body(Body::from_bytes(body));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_prefix_are_the_sandboxs() {
        for (path, wanted) in
            [("/_sandbox", true), ("/_sandbox/clock", true), ("/_sandboxes", false), ("/v1/_sandbox", false)]
        {
            assert_eq!(is_control(&path.parse().unwrap()), wanted, "{path}");
        }
    }
}
