//! Traces of commands.

use flysk_domain::trace::Trace;
use flysk_queue::Outbox;

/// Correlation id of an operator's act.
pub(super) fn trace(outbox: &Outbox) -> Trace {
    let id = flysk_domain::id::EventId::generate(outbox.clock().as_ref());
    Trace { correlation_id: format!("operator.{id}"), traceparent: None }
}
