//! What handlers work in.

use std::sync::Arc;

use anyhow::Context as _;
use flysk_clients::amocrm::AmoCrm;
use flysk_clients::http::HttpOptions;
use flysk_clients::outbound::{self, Outbound};
use flysk_domain::Clock;
use flysk_jobs::runtime::limits::Limits;
use flysk_jobs::{JobError, Outbox, Ticks};
use flysk_runtime::Keyring;
use flysk_vault::Vault;

use crate::acquiring::Acquiring;
use crate::config::Config;
use crate::flysense::FlySense;

/// The application: stores, clients and limits that handlers share.
#[derive(Debug)]
pub struct App {
    /// MySQL, and jobs written with state.
    pub outbox: Outbox,
    /// Limits kept together with all other workers.
    pub limits: Limits,
    /// The cheap lane.
    pub ticks: Ticks,
    /// Encryption at rest.
    pub keyring: Arc<Keyring>,
    /// amoCRM.
    pub amocrm: AmoCrm,
    /// Tokens.
    pub vault: Vault,
    /// Addresses we did not choose.
    pub outbound: Outbound,
    /// T-Bank, unless nothing can be bought here.
    acquiring: Option<Acquiring>,
    /// FlySense, unless this deployment is the bare platform.
    flysense: Option<FlySense>,
    config: Config,
}

impl App {
    /// Builds the clients; nothing is sent.
    pub fn new(config: Config, outbox: Outbox, limits: Limits, ticks: Ticks) -> anyhow::Result<Self> {
        let amocrm = AmoCrm::new(flysk_clients::amocrm::Config {
            via: config.amocrm.egress_url.clone(),
            http: HttpOptions::with_timeout(config.amocrm.timeout),
            ..flysk_clients::amocrm::Config::default()
        })?;
        let allow = config.outbound.allow.iter().map(|rule| rule.parse());
        let outbound = Outbound::new(outbound::Config {
            http: HttpOptions { connect_timeout: config.outbound.connect_timeout, ..HttpOptions::default() },
            allow: allow.collect::<Result<_, _>>().context("FLYSK_OUTBOUND_ALLOW")?,
            max_redirects: config.outbound.max_redirects,
        })?;
        let flysense = config
            .flysense
            .as_ref()
            .map(|parts| FlySense::new(parts, &config, amocrm.clone()))
            .transpose()?;
        let public_url = &config.http.public_url;
        let acquiring = config.tbank.as_ref().map(|tbank| Acquiring::new(tbank, public_url)).transpose()?;
        let keyring = Arc::new(config.keys.keyring.clone());
        let suffixes = config.amocrm.host_suffixes.clone();
        let vault = Vault::new(outbox.clone(), Arc::clone(&keyring), amocrm.clone(), suffixes)
            .paced(limits.clone(), config.amocrm.token_requests_per_second);
        Ok(Self { outbox, limits, ticks, keyring, amocrm, vault, outbound, acquiring, flysense, config })
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// What the process was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// T-Bank; a job that needs it waits for a worker that has it.
    pub fn acquiring(&self) -> Result<&Acquiring, JobError> {
        self.acquiring.as_ref().ok_or_else(|| JobError::Wait {
            after: std::time::Duration::from_mins(1),
            reason: "T-Bank is not configured in this worker".to_owned(),
        })
    }

    /// FlySense; a job of it that reaches a bare platform waits for a worker that has it.
    pub fn flysense(&self) -> Result<&FlySense, JobError> {
        self.flysense.as_ref().ok_or_else(|| JobError::Wait {
            after: std::time::Duration::from_mins(1),
            reason: "FlySense is not configured in this worker".to_owned(),
        })
    }
}
