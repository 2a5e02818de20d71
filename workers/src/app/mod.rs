//! Shared state of job handlers.

pub mod bots;
pub(crate) mod deliveries;
pub mod flysense;
mod mailer;
mod storage;
pub(crate) mod t_api;
pub mod terminals;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use flysk_clients::amocrm::AmoCrm;
use flysk_clients::http::HttpOptions;
use flysk_clients::mail::Mailer;
use flysk_clients::outbound::{self, Outbound};
use flysk_clients::storage::Storage;
use flysk_crypto::Keyring;
use flysk_domain::Clock;
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EphemeralQueue, JobError, Outbox};
use flysk_tokens::Vault;

use self::deliveries::Deliveries;
use self::flysense::FlySense;
use self::mailer::mailer;
use self::storage::open_storage;
use self::t_api::t_api_http;
use self::terminals::VendorTerminals;
use crate::acquiring::Acquiring;
use crate::config::Config;

/// Stores, clients and limits that handlers share.
#[derive(Debug)]
pub struct App {
    /// MySQL, and enqueueing in transactions.
    pub outbox: Outbox,
    /// Rate and concurrency limits, shared by all worker processes.
    pub limits: RateLimiter,
    /// Schedules ephemeral jobs.
    pub ephemeral: EphemeralQueue,
    /// Encryption at rest.
    pub keyring: Arc<Keyring>,
    /// Client of amoCRM.
    pub amocrm: AmoCrm,
    /// OAuth tokens.
    pub vault: Vault,
    /// Outbound HTTP to untrusted URLs.
    pub outbound: Outbound,
    /// Deliveries of events that share statements.
    pub(crate) deliveries: Deliveries,
    /// Object storage; `None` if it is not configured.
    storage: Option<Storage>,
    /// The mail server; `None` if no e-mail is sent.
    pub mailer: Option<Mailer>,
    /// T-Bank; `None` if purchases are not configured.
    acquiring: Option<Arc<Acquiring>>,
    /// Clients of vendors' own terminals.
    pub(crate) vendor_terminals: VendorTerminals,
    /// HTTP options of the T-API.
    pub(crate) t_api_http: HttpOptions,
    /// FlySense; `None` if it is not enabled in this deployment.
    flysense: Option<FlySense>,
    config: Config,
}

impl App {
    /// Builds the clients. Sends nothing.
    pub fn new(
        config: Config,
        outbox: Outbox,
        limits: RateLimiter,
        ephemeral: EphemeralQueue,
    ) -> anyhow::Result<Self> {
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
        let acquiring = acquiring.map(Arc::new);
        let mailer = mailer(config.smtp.as_ref())?;
        let keyring = Arc::new(config.keys.keyring.clone());
        let suffixes = config.amocrm.host_suffixes.clone();
        let vault = Vault::new(outbox.clone(), Arc::clone(&keyring), amocrm.clone(), suffixes)
            .with_rate_limit(limits.clone(), config.amocrm.token_requests_per_second);
        Ok(Self {
            deliveries: Deliveries::new(&outbox, &limits),
            outbox,
            limits,
            ephemeral,
            keyring,
            amocrm,
            vault,
            outbound,
            storage: config.storage.as_ref().map(open_storage),
            mailer,
            acquiring,
            vendor_terminals: VendorTerminals::default(),
            t_api_http: t_api_http(&config.t_api)?,
            flysense,
            config,
        })
    }

    /// The clock of the outbox: everything in the process reads the same one.
    pub fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// The configuration of the process.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Object storage. Without it, the job waits for a worker that has it configured.
    pub fn storage(&self) -> Result<&Storage, JobError> {
        self.storage.as_ref().ok_or_else(|| JobError::Wait {
            after: Duration::from_mins(1),
            reason: "object storage is not configured in this worker".to_owned(),
        })
    }

    /// T-Bank. Without it, the job waits for a worker that has it configured.
    pub fn acquiring(&self) -> Result<&Acquiring, JobError> {
        self.acquiring.as_deref().ok_or_else(tbank_missing)
    }

    /// [`App::acquiring`] as a shared handle.
    pub(crate) fn acquiring_handle(&self) -> Result<Arc<Acquiring>, JobError> {
        self.acquiring.clone().ok_or_else(tbank_missing)
    }

    /// FlySense. Without it, the job waits for a worker that has it configured.
    pub fn flysense(&self) -> Result<&FlySense, JobError> {
        self.flysense.as_ref().ok_or_else(|| JobError::Wait {
            after: Duration::from_mins(1),
            reason: "FlySense is not configured in this worker".to_owned(),
        })
    }
}

fn tbank_missing() -> JobError {
    JobError::Wait {
        after: Duration::from_mins(1),
        reason: "T-Bank is not configured in this worker".to_owned(),
    }
}
