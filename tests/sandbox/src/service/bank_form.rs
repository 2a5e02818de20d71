//! The bank's payment form at the address of the sandbox, so that one published port is enough.

use poem::handler;
use poem::http::header;
use poem::web::{Data, Path};
use poem::{Body, Response};

use super::control::ControlData;
use super::problem::Problem;

/// Headers of the bank's answers that are passed on.
const PASSED_HEADERS: [header::HeaderName; 2] = [header::CONTENT_TYPE, header::LOCATION];

/// Shows the form.
#[handler]
pub(super) async fn show(
    Data(control): ControlData<'_>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    let url = format!("{}/pay/{slug}", control.scene()?.sandbox.bank.url);
    pass(control.http.get(url)).await
}

/// Pays on the form.
#[handler]
pub(super) async fn pay(
    Data(control): ControlData<'_>,
    Path(slug): Path<String>,
    body: Vec<u8>,
) -> Result<Response, Problem> {
    let scene = control.scene()?;
    let url = format!("{}/pay/{slug}", scene.sandbox.bank.url);
    let request = control.http.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = pass(request.body(body)).await;
    scene.work.notify_one();
    answer
}

async fn pass(request: reqwest::RequestBuilder) -> Result<Response, Problem> {
    let answer = request.send().await.map_err(anyhow::Error::from)?;
    let mut response = Response::builder().status(answer.status()).finish();
    for name in PASSED_HEADERS {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.set_body(Body::from_bytes(answer.bytes().await.map_err(anyhow::Error::from)?));
    Ok(response)
}
