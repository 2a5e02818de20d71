//! Work of jobs in the name of an operator ends when the operator is disabled, or has lost the right to it.

use flysk_domain::Clock;
use flysk_domain::admin::OperatorRight;
use flysk_domain::id::{AuditId, OperatorId};
use flysk_queue::UnitOfWork;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::operators;
use flysk_store::{Conn, StoreResult};
use serde_json::json;

/// Actor of jobs in the audit log.
const PROGRAM: &str = "flysk-worker";

/// Why an operator may not do any more what a job does in the operator's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The operator is disabled, or does not exist.
    Disabled,
    /// The operator has lost this right.
    Right(OperatorRight),
}

impl Withdrawal {
    /// The reason in Russian, for operators.
    pub fn text_ru(self) -> String {
        match self {
            Self::Disabled => "Оператор отключён.".to_owned(),
            Self::Right(right) => format!("У оператора отозвано право «{}».", right.label()),
        }
    }
}

/// Why an operator may not act any more by a right; `None` while the operator may.
///
/// # Errors
///
/// The database fails.
pub async fn find_withdrawal(
    conn: &mut Conn,
    operator: OperatorId,
    right: OperatorRight,
) -> StoreResult<Option<Withdrawal>> {
    let found = operators::find(conn, operator).await?;
    Ok(match found.filter(|operator| operator.disabled_at.is_none()) {
        None => Some(Withdrawal::Disabled),
        Some(operator) => (!operator.rights.has(right)).then_some(Withdrawal::Right(right)),
    })
}

/// Records in `unit` that a job has ended the work `subject` of an operator; the caller commits.
///
/// # Errors
///
/// The database fails.
pub async fn record_withdrawal(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    action: &str,
    subject: (&str, &str),
    withdrawal: Withdrawal,
) -> StoreResult<()> {
    let (now, correlation_id) = (unit.now(), unit.trace().correlation_id.clone());
    let row = NewAuditRow {
        id: AuditId::generate(clock),
        operator_id: None,
        operator_login: PROGRAM,
        action,
        subject,
        reason: &withdrawal.text_ru(),
        states: (None, Some(json!({ "stopped": true }).to_string())),
        address: "",
        correlation_id: &correlation_id,
    };
    audit::insert(unit, &row, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_lost_right() {
        let text = Withdrawal::Right(OperatorRight::Bulk).text_ru();
        assert_eq!(text, "У оператора отозвано право «Массовые действия».");
    }
}
