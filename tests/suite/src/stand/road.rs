//! The road from FlySense to the platform: passes requests on, logs them, and breaks as a
//! [`Script`](flysk_simulators::Script) says.

use std::sync::{Arc, Mutex, PoisonError};

use flysk_simulators::{Control, Running, server};
use poem::http::{HeaderMap, StatusCode, header};
use poem::web::Data;
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, handler};

/// Where the road leads. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Road {
    end: Arc<Mutex<Option<String>>>,
    http: reqwest::Client,
}

impl Road {
    /// Opens a road that leads nowhere yet.
    pub async fn open() -> std::io::Result<Running<Self>> {
        let road = Self::default();
        let routes = Route::new().at("/*path", pass.data(road.clone()));
        server::serve(server::bind(None).await?, Control::default(), road, routes, Route::new())
    }

    /// From now on it leads to `url`.
    pub fn lead_to(&self, url: &str) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    async fn carry(&self, request: &Request, body: Body) -> anyhow::Result<Response> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(end) = end else { return Ok(StatusCode::BAD_GATEWAY.into_response()) };
        let mut headers = request.headers().clone();
        without_hops(&mut headers);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let answer = self
            .http
            .request(request.method().clone(), format!("{end}{path}"))
            .headers(headers)
            .body(body.into_bytes().await?)
            .send()
            .await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        without_hops(&mut headers);
        let mut response = Response::builder().status(status).body(Body::from_bytes(answer.bytes().await?));
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Takes out what is said between neighbours.
fn without_hops(headers: &mut HeaderMap) {
    for name in [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
}

#[handler]
async fn pass(request: &Request, body: Body, Data(road): Data<&Road>) -> Response {
    match road.carry(request, body).await {
        Ok(response) => response,
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
