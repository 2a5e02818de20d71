//! Records of commands in the audit log, in the transaction of the change.

use flysk_domain::Clock;
use flysk_domain::id::AuditId;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::admin::audit::{self, NewAuditRow};
use serde_json::Value;

/// Actor of commands in the audit log.
pub(super) const PROGRAM: &str = "flysk-worker";

/// An act of a command, named as that of the admin panel.
#[derive(Debug)]
pub(super) struct Act<'a> {
    /// The act: `invoice.void`.
    pub(super) action: &'a str,
    /// Kind and id of the changed object.
    pub(super) subject: (&'a str, String),
    /// Reason, at most 500 characters; empty if none is given.
    pub(super) reason: &'a str,
    /// Changed fields before; null if there was nothing.
    pub(super) before: Value,
    /// Changed fields after, with the operator whom the command names, if any.
    pub(super) after: Value,
}

/// Inserts the row; the caller commits.
pub(super) async fn record(unit: &mut UnitOfWork, clock: &dyn Clock, act: Act<'_>) -> StoreResult<()> {
    let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
    let (now, correlation_id) = (unit.now(), unit.trace().correlation_id.clone());
    let row = NewAuditRow {
        id: AuditId::generate(clock),
        operator_id: None,
        operator_login: PROGRAM,
        action: act.action,
        subject: (act.subject.0, &act.subject.1),
        reason: act.reason,
        states: (text(&act.before), text(&act.after)),
        address: "",
        correlation_id: &correlation_id,
    };
    audit::insert(unit, &row, now).await
}
