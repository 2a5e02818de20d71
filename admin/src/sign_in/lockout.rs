//! Counting of attempts, per account and per address, and lifting of an operator's lock-out.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{ACCOUNT_ATTEMPTS, ADDRESS_ATTEMPTS, LoginAttempts};
use flysk_domain::platform::purchases::Email;
use flysk_store::admin::login_attempts;
use flysk_store::{Conn, StoreResult, repeat_contended};
use serde_json::{Value, json};

use crate::deps::Deps;
use crate::fault::Fault;

/// Maximum length of a login in a counter's name, in characters. Logins are at most 64.
const MAX_LOGIN_LEN: usize = 64;

/// The counters of an attempt.
#[derive(Debug)]
pub(crate) struct Counters {
    account: String,
    address: String,
}

impl Counters {
    /// Counters for a sign-in to the panel with this text as login.
    pub(crate) fn of(login: &str, address: &str) -> Self {
        // A login that is no login is counted under one name, so that the table does not grow by guesses.
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '@');
        let is_login = login.chars().count() <= MAX_LOGIN_LEN && login.chars().all(plain);
        let login = if is_login { login } else { "?" };
        Self { account: format!("account:{login}"), address: format!("address:{address}") }
    }

    /// Counters for a sign-in to the vendors' portal with this text as address. They are apart from those of operators.
    pub(crate) fn of_vendor_user(typed: &str, address: &str) -> Self {
        // As in `of`: what is no address is counted under one name.
        let email = if typed.parse::<Email>().is_ok() { typed } else { "?" };
        Self { account: format!("portal:{email}"), address: format!("address:{address}") }
    }

    /// Counters for a code that a vendor's user gives in a session.
    pub(crate) fn of_vendor_proof(email: &str, address: &str) -> Self {
        Self { account: format!("portal-proof:{email}"), address: format!("address:{address}") }
    }

    /// Counters for a code that an operator gives in a session. They are apart from those of signing in, so that a right code
    /// does not excuse wrong passwords.
    pub(crate) fn of_proof(login: &str, address: &str) -> Self {
        Self { account: format!("proof:{login}"), address: format!("address:{address}") }
    }

    /// Counts an attempt before it is checked.
    ///
    /// # Errors
    ///
    /// [`Fault::Locked`] if the account or the address is locked.
    pub(crate) async fn admit(&self, deps: &Deps) -> Result<(), Fault> {
        let subjects = [(&self.account, ACCOUNT_ATTEMPTS), (&self.address, ADDRESS_ATTEMPTS)];
        let count = || async {
            let now = deps.clock().now();
            let mut tx = deps.outbox.pool().begin().await?;
            let mut is_locked = false;
            for (subject, limit) in subjects {
                let before = login_attempts::lock(&mut tx, subject, now).await?;
                match before.admit(now, limit) {
                    Ok(after) => login_attempts::write(&mut tx, subject, &after).await?,
                    Err(until) => {
                        let subject = told(subject);
                        tracing::warn!(alert = "admin_lockout", subject, %until, "attempt to sign in while locked out");
                        is_locked = true;
                    }
                }
            }
            tx.commit().await?;
            if is_locked { Err(Fault::Locked) } else { Ok(()) }
        };
        repeat_contended(count).await
    }

    /// Takes back the address's count of an attempt that was right; the account's stays until [`Counters::complete`].
    pub(crate) async fn was_right(&self, deps: &Deps) -> Result<(), Fault> {
        let refund = || async {
            let mut tx = deps.outbox.pool().begin().await?;
            let before = login_attempts::lock(&mut tx, &self.address, deps.clock().now()).await?;
            login_attempts::write(&mut tx, &self.address, &before.refund()).await?;
            Ok::<_, Fault>(tx.commit().await?)
        };
        repeat_contended(refund).await
    }

    /// Removes the account's count after a complete sign-in, or after a right code in a session.
    pub(crate) async fn complete(&self, deps: &Deps) -> Result<(), Fault> {
        let clear = || async {
            let mut conn = deps.write().await?;
            Ok::<_, Fault>(login_attempts::clear(&mut conn, &self.account).await?)
        };
        repeat_contended(clear).await
    }
}

/// The part of a counter's name that logs may have: the address of a vendor's user is personal data.
fn told(subject: &str) -> &str {
    match subject.split_once(':') {
        Some((kind @ ("portal" | "portal-proof"), _)) => kind,
        _ => subject,
    }
}

/// Ends of the lock-outs of an operator that are in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locks {
    pub(crate) sign_in: Option<DateTime<Utc>>,
    /// From giving codes in a session.
    pub(crate) proof: Option<DateTime<Utc>>,
}

impl Locks {
    /// The lock-outs of an operator now, for a page.
    pub(crate) async fn find(conn: &mut Conn, login: &str, now: DateTime<Utc>) -> StoreResult<Self> {
        let [sign_in, proof] = subjects_of_operator(login);
        let counted = login_attempts::find(conn, &sign_in).await?;
        let sign_in = counted.and_then(|attempts| attempts.locked_at(now));
        let counted = login_attempts::find(conn, &proof).await?;
        Ok(Self { sign_in, proof: counted.and_then(|attempts| attempts.locked_at(now)) })
    }

    /// Whether one is in force.
    pub(crate) const fn any(&self) -> bool {
        self.sign_in.is_some() || self.proof.is_some()
    }
}

/// The counters of an operator, whatever the address: of signing in, and of codes in a session.
fn subjects_of_operator(login: &str) -> [String; 2] {
    [Counters::of(login, "").account, Counters::of_proof(login, "").account]
}

/// Lifts the lock-out of an operator in the caller's transaction: its attempts are counted anew. Those of addresses, which others
/// may share, stay. Returns what was counted, for the audit log; `None` if nothing was, so that there is nothing to lift.
///
/// The panel's act and the command `operator:unlock` call it, each with its record.
pub(crate) async fn lift(conn: &mut Conn, login: &str, now: DateTime<Utc>) -> StoreResult<Option<Value>> {
    let [sign_in, proof] = subjects_of_operator(login);
    let (sign_in, proof) = (forget(conn, &sign_in, now).await?, forget(conn, &proof, now).await?);
    if sign_in.attempts == 0 && proof.attempts == 0 {
        return Ok(None);
    }
    Ok(Some(json!({
        "attempts": sign_in.attempts,
        "locked_until": sign_in.locked_until,
        "code_attempts": proof.attempts,
        "codes_locked_until": proof.locked_until,
    })))
}

/// Removes a counter; returns what it had counted.
async fn forget(conn: &mut Conn, subject: &str, now: DateTime<Utc>) -> StoreResult<LoginAttempts> {
    let counted = login_attempts::lock(conn, subject, now).await?;
    login_attempts::clear(conn, subject).await?;
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_names_of_limited_length() {
        let counters = Counters::of(&"ю".repeat(5_000), "203.0.113.9");
        assert_eq!(
            (counters.account.as_str(), counters.address.as_str()),
            ("account:?", "address:203.0.113.9")
        );
        assert_eq!(Counters::of("anna", "x").account, "account:anna");
    }

    #[test]
    fn a_vendors_user_and_an_operator_of_the_same_name_are_counted_apart() {
        let (operator, user) = (
            Counters::of("anna@romashka.example", "x"),
            Counters::of_vendor_user("anna@romashka.example", "x"),
        );
        assert_ne!(operator.account, user.account);
        assert_eq!(Counters::of_vendor_user("нет такого", "x").account, "portal:?");
    }

    #[test]
    fn logs_name_operators_and_no_addresses_of_vendors_users() {
        let of_user = |counters: Counters| told(&counters.account).to_owned();
        assert_eq!(of_user(Counters::of_vendor_user("anna@romashka.example", "x")), "portal");
        assert_eq!(of_user(Counters::of_vendor_proof("anna@romashka.example", "x")), "portal-proof");
        assert_eq!(of_user(Counters::of("anna", "x")), "account:anna");
        assert_eq!(told(&Counters::of("anna", "203.0.113.9").address), "address:203.0.113.9");
    }

    #[test]
    fn a_code_in_a_session_is_counted_apart_from_signing_in() {
        let (sign_in, proof) = (Counters::of("anna", "x"), Counters::of_proof("anna", "x"));
        assert_eq!(subjects_of_operator("anna"), [sign_in.account.clone(), proof.account.clone()]);
        assert_ne!(proof.account, sign_in.account);
        assert_eq!(proof.address, sign_in.address);
    }
}
