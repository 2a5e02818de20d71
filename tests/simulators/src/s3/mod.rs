//! Object Storage: the S3 protocol over a temporary directory, with checks of signature, role and region (Yandex
//! Object Storage, "AWS CLI": region `ru-central1`, path style).
//!
//! Control in addition to the common one: `GET /_sim/objects` lists the objects of the bucket, `DELETE
//! /_sim/objects` deletes them.

mod access;
mod bucket;
mod front;
mod presign;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use poem::{EndpointExt as _, Route, get};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::index::index;
use crate::server::{self, Running};
pub use access::{Key, Role};
pub use bucket::{Bucket, Object};
pub(crate) use presign::presigned_get;

/// The only region. Signatures for other regions are rejected.
pub const REGION: &str = "ru-central1";

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Name of the bucket, created at the start.
    pub bucket: String,
    /// Static keys with their roles.
    pub keys: Vec<Key>,
}

/// Starts the storage with one empty bucket.
///
/// # Errors
/// When the directory cannot be created or the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<Bucket>> {
    let root = tempfile::tempdir().context("no temporary directory for the bucket")?;
    std::fs::create_dir(root.path().join(&options.bucket)).context("the bucket cannot be created")?;
    let storage = s3s_fs::FileSystem::new(root.path())
        .map_err(|error| anyhow::anyhow!("the storage directory cannot be used: {error:?}"))?;

    let mut auth = SimpleAuth::new();
    for key in &options.keys {
        auth.register(key.id.clone(), key.secret.as_str().into());
    }
    let mut builder = S3ServiceBuilder::new(storage);
    builder.set_auth(auth);
    builder.set_access(access::Roles::new(&options.keys));

    let bucket = Bucket::new(options.bucket, root);
    let objects = get(bucket::list_objects).delete(bucket::remove_objects).data(bucket.clone());
    let front = Arc::new(front::Front {
        storage: builder.build(),
        sim: server::control_endpoint(
            &control,
            Route::new().at("/", index(include_str!("index.md"))).at("/objects", objects),
        ),
        control: control.clone(),
    });

    let listener = server::bind(options.bind).await.context("the storage cannot listen")?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(front::accept(listener, front, stop.clone()));
    Ok(Running::new(addr, bucket, control, stop, task))
}
