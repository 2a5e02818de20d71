//! Object Storage: the S3 protocol over a temporary directory, with signatures, roles and region checked
//! (Yandex Object Storage, "AWS CLI": region `ru-central1`, path style).
//!
//! Control, beside what every simulator has: `GET /_sim/objects` lists what lies in the bucket,
//! `DELETE /_sim/objects` empties it.

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
use crate::server::{self, Running};
pub use access::{Key, Role};
pub use bucket::{Bucket, Object};
pub(crate) use presign::presigned_get;

/// The only region: a signature for another one is refused.
pub const REGION: &str = "ru-central1";

/// How the storage is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// The bucket, created at the start.
    pub bucket: String,
    /// Static keys and what each may do.
    pub keys: Vec<Key>,
}

/// Starts the storage with one empty bucket.
///
/// # Errors
/// When the directory cannot be made or the address cannot be bound.
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
        sim: server::control_endpoint(&control, Route::new().at("/objects", objects)),
        control: control.clone(),
    });

    let listener = server::bind(options.bind).await.context("the storage cannot listen")?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let task = tokio::spawn(front::accept(listener, front, stop.clone()));
    Ok(Running::new(addr, bucket, control, stop, task))
}
