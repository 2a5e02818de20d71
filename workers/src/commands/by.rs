//! Operators and reasons of commands, for the audit log.

use anyhow::ensure;
use clap::Args;
use flysk_services::subscriptions::OperatorAct;
use serde_json::{Value, json};

/// Operator and reason of an act; both are logged.
#[derive(Debug, Args)]
pub(super) struct By {
    /// Name of the operator, at most 64 visible ASCII characters.
    #[arg(long)]
    operator: String,
    /// Reason, at most 500 characters.
    #[arg(long)]
    reason: String,
}

impl By {
    /// Checks name and reason.
    pub(super) fn act(&self) -> anyhow::Result<OperatorAct<'_>> {
        Ok(OperatorAct { operator: checked_name(&self.operator)?, reason: checked_reason(&self.reason)? })
    }
}

/// Operator and reason of an act that scripts do without them; the audit log keeps what is given.
#[derive(Debug, Args)]
pub(super) struct OptionalBy {
    /// Name of the operator for the audit log, at most 64 visible ASCII characters.
    #[arg(long)]
    operator: Option<String>,
    /// Reason for the audit log, at most 500 characters.
    #[arg(long)]
    reason: Option<String>,
}

/// What the audit log tells of who did an act, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author<'a> {
    operator: Option<&'a str>,
    /// Reason; empty if none is given.
    pub(super) reason: &'a str,
}

impl OptionalBy {
    /// Checks what is given.
    pub(super) fn author(&self) -> anyhow::Result<Author<'_>> {
        let operator = self.operator.as_deref().map(checked_name).transpose()?;
        let reason = self.reason.as_deref().map(checked_reason).transpose()?;
        Ok(Author { operator, reason: reason.unwrap_or_default() })
    }
}

impl Author<'_> {
    /// The state after the act with the operator, if one is named.
    pub(super) fn named(self, after: Value) -> Value {
        let Some(operator) = self.operator else { return after };
        match after {
            Value::Object(mut fields) => {
                fields.insert("operator".to_owned(), operator.into());
                Value::Object(fields)
            }
            _ => json!({ "operator": operator }),
        }
    }
}

fn checked_name(name: &str) -> anyhow::Result<&str> {
    let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_name, "an operator's name has 1 to 64 visible ASCII characters");
    Ok(name)
}

fn checked_reason(reason: &str) -> anyhow::Result<&str> {
    let length = reason.trim().chars().count();
    ensure!((1..=500).contains(&length), "a reason has 1 to 500 characters");
    Ok(reason.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(operator: Option<&str>, reason: Option<&str>) -> OptionalBy {
        OptionalBy { operator: operator.map(str::to_owned), reason: reason.map(str::to_owned) }
    }

    #[test]
    fn what_is_given_is_recorded_and_nothing_else() {
        let nobody = by(None, None);
        let nobody = nobody.author().unwrap();
        assert_eq!((nobody.reason, nobody.named(Value::Null)), ("", Value::Null));
        let oleg = by(Some("oleg"), Some(" Заявка 7 "));
        let oleg = oleg.author().unwrap();
        assert_eq!(oleg.reason, "Заявка 7");
        assert_eq!(oleg.named(Value::Null), json!({ "operator": "oleg" }));
        assert_eq!(oleg.named(json!({ "code": "pro" })), json!({ "code": "pro", "operator": "oleg" }));
    }

    #[test]
    fn what_is_given_has_the_limits_of_the_log() {
        let (name, reason) = ("n".repeat(65), "п".repeat(501));
        for wrong in [by(Some(""), None), by(Some("анна"), None), by(Some(&name), None)] {
            wrong.author().unwrap_err();
        }
        for wrong in [by(None, Some(" ")), by(None, Some(&reason))] {
            wrong.author().unwrap_err();
        }
    }
}
