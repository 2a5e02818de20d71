//! The services around the product that the sandbox runs beside those of every test.

use flysk_simulators::Running;
use flysk_simulators::smtp::Smtp;

use super::event_proxy::RunningEventProxy;

/// Services beside amoCRM and the bank.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) mail: Running<Smtp>,
    pub(super) events: RunningEventProxy,
}
