//! What a measured process is told to do, on its command line.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Role of a measured process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub(super) enum Role {
    /// Record starts of durable and ephemeral jobs; print them on SIGTERM.
    Count {
        /// Address of MySQL.
        database_url: String,
        /// Address of Redis.
        redis_url: String,
        /// Prefix of Redis keys.
        prefix: String,
        /// Time of the first poll of recognitions in flight. `None` runs without recognitions.
        polls_from: Option<DateTime<Utc>>,
    },
    /// Serve the bare handler, the peer of the HTTP API.
    Bare {
        /// Address of MySQL.
        database_url: String,
        /// Port on 127.0.0.1.
        port: u16,
        /// Size of the connection pool.
        connections: u32,
    },
    /// Renew subscriptions one after the other.
    NaiveRenewals(NaiveRenewals),
    /// Run jobs that fail, to test the retry schedule.
    Fail {
        /// Address of MySQL.
        database_url: String,
        /// Address of Redis.
        redis_url: String,
    },
}

impl Role {
    /// Parses a role from the command line.
    pub(super) fn parse(json: &str) -> anyhow::Result<Self> {
        serde_json::from_str(json).context("invalid role")
    }
}

/// What the naive loop renews, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NaiveRenewals {
    pub(super) database_url: String,
    pub(super) bank_url: String,
    pub(super) terminal: String,
    pub(super) password: String,
    pub(super) rebill: String,
    /// Invoices to charge.
    pub(super) invoices: Vec<String>,
}
