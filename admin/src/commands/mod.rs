//! Commands on the server: creating operators, and letting one in who lost the second factor.

pub mod operator_create;
pub mod operator_list;
pub mod operator_reset;

use flysk_domain::Clock;
use flysk_domain::id::{AuditId, OperatorId};
use flysk_store::Conn;
use flysk_store::admin::audit::{self, NewAuditRow};

use crate::config::Config;
use crate::deps::Deps;

/// Actor of these commands in the audit log.
const PROGRAM: &str = "flysk-admin";

/// Connects with the logs of commands.
async fn open(config: Config) -> anyhow::Result<Deps> {
    flysk_config::process::telemetry::install(&config.telemetry)?;
    Deps::connect(config).await
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
