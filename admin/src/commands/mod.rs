//! Commands on the server: creating operators, and letting one in who lost the second factor or is locked out.

pub mod operator_create;
pub mod operator_list;
pub mod operator_reset;
pub mod operator_unlock;

use flysk_domain::Clock;
use flysk_domain::id::{AuditId, OperatorId};
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::{Conn, StoreError};

use crate::config::Config;
use crate::deps::Deps;

/// Actor of these commands in the audit log.
const PROGRAM: &str = "flysk-admin";

/// Connects with the logs of commands.
async fn open(config: Config) -> anyhow::Result<Deps> {
    flysk_config::process::telemetry::install(&config.telemetry)?;
    Deps::connect(config).await
}

/// Whether a transaction with this error is repeated.
fn is_contended(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>()).any(StoreError::may_run_again)
}

/// Inserts a row of the audit log for a command on an operator.
async fn record(
    conn: &mut Conn,
    clock: &dyn Clock,
    action: &str,
    operator: OperatorId,
    states: (Option<String>, Option<String>),
) -> anyhow::Result<()> {
    let row = NewAuditRow {
        id: AuditId::generate(clock),
        operator_id: None,
        operator_login: PROGRAM,
        action,
        subject: ("operator", &operator.to_string()),
        reason: "",
        states,
        address: "",
        correlation_id: &format!("command-{:032x}", clock.random_u128()),
    };
    Ok(audit::insert(conn, &row, clock.now()).await?)
}
