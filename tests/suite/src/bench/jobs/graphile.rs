//! The peer of durable jobs: graphile-worker on `PostgreSQL`, with empty jobs like ours.

use super::DURABLE_BACKLOG;
use super::node_peer::{NodePeer, Package};
use super::postgres::Postgres;

const GRAPHILE_WORKER: Package = Package { name: "graphile-worker", version: "0.18.0" };
/// Node.js script of the peer.
const SCRIPT: &str = include_str!("../../../bench/graphile.mjs");
/// Jobs of its `localQueue`.
pub(super) const LOCAL_QUEUE_JOBS: u32 = 500;

/// Results of the peer.
pub(super) struct Peer {
    /// Name and version, also of the server.
    pub(super) version: String,
    /// Starts per second with 1 and 4 processes.
    pub(super) default: [f64; 2],
    /// The same with [`LOCAL_QUEUE_JOBS`].
    pub(super) local_queue: [f64; 2],
}

/// Installs graphile-worker if necessary, and measures it on a `PostgreSQL` of its own.
pub(super) async fn run() -> anyhow::Result<Peer> {
    let postgres = Postgres::start().await?;
    let peer = NodePeer::install("graphile", SCRIPT, &[GRAPHILE_WORKER], &postgres.url())?;
    let measure = async |schema: &str, processes: usize, local_queue: u32| {
        peer.throughput(schema, DURABLE_BACKLOG, processes, &[local_queue]).await
    };
    Ok(Peer {
        version: format!("graphile-worker {} on {}", GRAPHILE_WORKER.version, postgres.version()),
        default: [measure("default_1", 1, 0).await?, measure("default_4", 4, 0).await?],
        local_queue: [
            measure("local_queue_1", 1, LOCAL_QUEUE_JOBS).await?,
            measure("local_queue_4", 4, LOCAL_QUEUE_JOBS).await?,
        ],
    })
}
