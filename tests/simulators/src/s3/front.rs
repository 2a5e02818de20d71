//! Middleware of the S3 service: call log, scripted failures and control API.
//!
//! Unlike the middleware of other simulators, it never buffers bodies, so that large uploads stay streams.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use poem::endpoint::BoxEndpoint;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint as _, Response};
use s3s::service::S3Service;
use s3s::{Body, HttpResponse};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::control::{Act, Control};

/// Grace time for requests in progress when the storage stops.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// Error that closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut")]
pub(super) struct CutOff;

pub(super) struct Front {
    pub(super) storage: S3Service,
    pub(super) sim: BoxEndpoint<'static, Response>,
    pub(super) control: Control,
}

/// Serves connections until `stop` is cancelled.
pub(super) async fn accept(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the storage could not accept a connection");
                    continue;
                }
            },
        };
        let front = Arc::clone(&front);
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { front.answer(request, peer).await }
        });
        let connection =
            Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the storage ended early");
            }
        });
    }
    if tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await.is_err() {
        tracing::debug!("requests to the storage were still in progress when it stopped");
    }
}

impl Front {
    async fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<HttpResponse, CutOff> {
        if request.uri().path().starts_with("/_sim/") {
            return self.answer_control(request, peer).await;
        }
        let seq = self.control.record(request.method(), request.uri(), request.headers(), &Bytes::new());
        let response = self.play(request).await?;
        self.control.record_status(seq, response.status().as_u16());
        Ok(response)
    }

    async fn play(&self, request: http::Request<Incoming>) -> Result<HttpResponse, CutOff> {
        let Some(planned) = self.control.next_act(request.method().as_str(), request.uri().path()) else {
            return self.store(request).await;
        };
        self.control.pause_before(&planned).await;
        match planned.act {
            // The storage streams bodies of any length anyway.
            Act::Serve | Act::Drain | Act::Flood { .. } => self.store(request).await,
            Act::Answer { status, headers, body } => Ok(scripted(status, &headers, body)),
            Act::Hang | Act::Ignore => std::future::pending().await,
            Act::Cut => Err(CutOff),
            Act::ServeThenCut => {
                self.store(request).await?;
                Err(CutOff)
            }
            Act::ServeThenHang => {
                self.store(request).await?;
                std::future::pending().await
            }
        }
    }

    async fn store(&self, request: http::Request<Incoming>) -> Result<HttpResponse, CutOff> {
        self.storage.call(request.map(Body::from)).await.map_err(|error| {
            tracing::warn!(?error, "the storage failed");
            CutOff
        })
    }

    async fn answer_control(
        &self,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<HttpResponse, CutOff> {
        let peer: poem::Addr = peer.into();
        let request = (request, LocalAddr(peer.clone()), RemoteAddr(peer), http::uri::Scheme::HTTP);
        let response = self.sim.get_response(request.into()).await;
        let (parts, body) = response.into_parts();
        let mut answer = HttpResponse::new(Body::from(body.into_bytes().await.map_err(|_| CutOff)?));
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = parts.headers;
        Ok(answer)
    }
}

fn scripted(status: u16, headers: &[(String, String)], body: String) -> HttpResponse {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name.as_str(), value.as_str());
    }
    response.body(Body::from(body)).unwrap_or_else(|error| {
        let mut response = HttpResponse::new(Body::from(format!("invalid script: {error}")));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
