//! Rows of the audit log about an operator's own access.

use flysk_domain::id::AuditId;
use flysk_store::Conn;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::operators::Operator;
use serde_json::Value;

use crate::fault::Fault;
use crate::request::Incoming;

/// Inserts a row of the audit log about the operator's own access; `after` says what happened besides the action.
pub(super) async fn record(
    conn: &mut Conn,
    deps: &crate::deps::Deps,
    request: &Incoming,
    operator: &Operator,
    action: &str,
    after: Option<&Value>,
) -> Result<(), Fault> {
    let row = NewAuditRow {
        id: AuditId::generate(deps.clock()),
        operator_id: Some(operator.id),
        operator_login: &operator.login,
        action,
        subject: ("operator", &operator.id.to_string()),
        reason: "",
        states: (None, after.map(Value::to_string)),
        address: &request.address,
        correlation_id: &request.trace.correlation_id,
    };
    Ok(audit::insert(conn, &row, deps.clock().now()).await?)
}
