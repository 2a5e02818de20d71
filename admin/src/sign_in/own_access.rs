//! Rows of the audit log about the own access of operators and of vendors' users.

use flysk_domain::id::AuditId;
use flysk_store::Conn;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::operators::Operator;
use flysk_store::portal::users::VendorUser;
use serde_json::Value;

use crate::deps::Deps;
use crate::fault::Fault;
use crate::request::Incoming;

/// Inserts a row of the audit log about the operator's own access; `after` says what happened besides the action.
pub(crate) async fn record(
    conn: &mut Conn,
    deps: &Deps,
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

/// Inserts a row of the audit log about the own access of a vendor's user.
pub(crate) async fn record_of_vendor_user(
    conn: &mut Conn,
    deps: &Deps,
    request: &Incoming,
    user: &VendorUser,
    action: &str,
) -> Result<(), Fault> {
    let row = NewAuditRow {
        id: AuditId::generate(deps.clock()),
        operator_id: None,
        operator_login: &user.email,
        action,
        subject: ("vendor_user", &user.id.to_string()),
        reason: "",
        states: (None, None),
        address: &request.address,
        correlation_id: &request.trace.correlation_id,
    };
    Ok(audit::insert_by_vendor_user(conn, &row, user.id, deps.clock().now()).await?)
}
