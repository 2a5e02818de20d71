//! The peer: BullMQ on the same Redis, with empty jobs like ours.

use super::node_peer::{NodePeer, Package};
use super::{BUSY_PACE, IDLE_PACE, REDIS_BACKLOG};
use crate::bench::servers::Servers;
use crate::bench::times::Times;

const BULLMQ: Package = Package { name: "bullmq", version: "6.7.0" };
/// Redis client, the one most used with BullMQ.
const CLIENT: Package = Package { name: "ioredis", version: "5" };
/// Node.js script of the peer.
const SCRIPT: &str = include_str!("../../../bench/bullmq.mjs");

/// Results of the peer.
pub(super) struct Peer {
    /// Name and version.
    pub(super) version: String,
    /// Latency from enqueue to start, idle.
    pub(super) idle: Times,
    /// Latency from enqueue to start, under load.
    pub(super) busy: Times,
    /// Starts per second with 1 and 4 processes.
    pub(super) throughput: [f64; 2],
}

/// Installs BullMQ if necessary and measures it.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<Peer> {
    let peer = NodePeer::install("bullmq", SCRIPT, &[BULLMQ, CLIENT], &servers.redis_url)?;
    Ok(Peer {
        version: format!("BullMQ {}", BULLMQ.version),
        idle: peer.latency("bench-idle", IDLE_PACE).await?,
        busy: peer.latency("bench-busy", BUSY_PACE).await?,
        throughput: [
            peer.throughput("bench-1", REDIS_BACKLOG, 1, &[]).await?,
            peer.throughput("bench-4", REDIS_BACKLOG, 4, &[]).await?,
        ],
    })
}
