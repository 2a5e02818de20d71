//! A proxy between FlySense and the platform: forwards and logs requests, and fails as a
//! [`Script`](flysk_simulators::Script) specifies.

use std::sync::{Arc, Mutex, PoisonError};

use flysk_simulators::{Control, Running, server};
use poem::http::{HeaderMap, StatusCode, header};
use poem::web::Data;
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, handler};

/// A proxy with a changeable target. Clones share the target.
#[derive(Debug, Clone, Default)]
pub struct ChaosProxy {
    target: Arc<Mutex<Option<String>>>,
    http: reqwest::Client,
}

impl ChaosProxy {
    /// Starts a proxy without a target.
    pub async fn start() -> std::io::Result<Running<Self>> {
        let proxy = Self::default();
        let routes = Route::new().at("/*path", handle.data(proxy.clone()));
        server::serve(server::bind(None).await?, Control::default(), proxy, routes, Route::new())
    }

    /// Address that requests are forwarded to from now on.
    pub fn set_target(&self, url: &str) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    async fn forward(&self, request: &Request, body: Body) -> anyhow::Result<Response> {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(target) = target else { return Ok(StatusCode::BAD_GATEWAY.into_response()) };
        let mut headers = request.headers().clone();
        remove_hop_headers(&mut headers);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let answer = self
            .http
            .request(request.method().clone(), format!("{target}{path}"))
            .headers(headers)
            .body(body.into_bytes().await?)
            .send()
            .await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        remove_hop_headers(&mut headers);
        let mut response = Response::builder().status(status).body(Body::from_bytes(answer.bytes().await?));
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
}

#[handler]
async fn handle(request: &Request, body: Body, Data(proxy): Data<&ChaosProxy>) -> Response {
    match proxy.forward(request, body).await {
        Ok(response) => response,
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
