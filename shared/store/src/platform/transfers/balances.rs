//! Tables `firm_balances` and `firm_balance_entries`: money of firms that no invoice has taken yet.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{BalanceCause, Inn};

use crate::error::expect_one;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// Owner of a balance: a firm, with a vendor and an install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BalanceOwner {
    /// Row of `vendors`: the seller.
    pub vendor: VendorId,
    /// Row of `installs`, which has the widget and the account.
    pub install: InstallId,
    /// The firm.
    pub inn: Inn,
}

/// Reads a balance and locks its row; zero if there is none.
pub async fn find_balance(conn: &mut Conn, owner: BalanceOwner) -> StoreResult<Kopecks> {
    let kopecks: Option<i64> = sqlx::query_scalar(
        "SELECT kopecks FROM firm_balances WHERE vendor_id = ? AND install_id = ? AND inn = ? FOR UPDATE",
    )
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .fetch_optional(conn)
    .await?;
    Ok(Kopecks(kopecks.unwrap_or_default()))
}

/// Lists the balances of an install's firms that are not empty.
pub async fn list_balances(conn: &mut Conn, install: InstallId) -> StoreResult<Vec<(Inn, Kopecks)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT inn, kopecks FROM firm_balances WHERE install_id = ? AND kopecks > 0 ORDER BY inn",
    )
    .bind(install.to_string())
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(inn, kopecks)| Ok((decode_text("INN", &inn)?, Kopecks(kopecks)))).collect()
}

/// Lists the balances of an install's firms that are not empty, with their owners.
pub async fn list_owned_balances(
    conn: &mut Conn,
    install: InstallId,
) -> StoreResult<Vec<(BalanceOwner, Kopecks)>> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT vendor_id, inn, kopecks FROM firm_balances
         WHERE install_id = ? AND kopecks > 0 ORDER BY inn, vendor_id",
    )
    .bind(install.to_string())
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(vendor, inn, kopecks)| {
            let owner = BalanceOwner {
                vendor: decode_text("vendor id", &vendor)?,
                install,
                inn: decode_text("INN", &inn)?,
            };
            Ok((owner, Kopecks(kopecks)))
        })
        .collect()
}

/// Reads a balance without a lock, to be shown; zero if there is none.
pub async fn read_balance(conn: &mut Conn, owner: BalanceOwner) -> StoreResult<Kopecks> {
    let kopecks: Option<i64> = sqlx::query_scalar(
        "SELECT kopecks FROM firm_balances WHERE vendor_id = ? AND install_id = ? AND inn = ?",
    )
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .fetch_optional(conn)
    .await?;
    Ok(Kopecks(kopecks.unwrap_or_default()))
}

/// Changes a balance and records why. [`crate::StoreError::Duplicate`] on `firm_balance_entries_once`: this cause has counted;
/// [`crate::StoreError::WrongState`]: it would become negative.
pub async fn change_balance(
    conn: &mut Conn,
    owner: BalanceOwner,
    kopecks: Kopecks,
    cause: (BalanceCause, &str),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    write_entry(conn, owner, kopecks, (cause, None), now).await
}

/// Takes money from a balance that a person has sent back to the firm. `key` identifies the payment order among those of the
/// vendor, at most 64 ASCII characters; `(by, reason)` are at most 80 and 500 characters. Fails as [`change_balance`] does.
pub async fn take_returned(
    conn: &mut Conn,
    owner: BalanceOwner,
    (kopecks, key): (Kopecks, &str),
    decision: (&str, &str),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let cause = (BalanceCause::Returned, key);
    write_entry(conn, owner, Kopecks(-kopecks.0), (cause, Some(decision)), now).await
}

/// Sums the money of a balance that was sent back since a time.
pub async fn sum_returned_since(
    conn: &mut Conn,
    owner: BalanceOwner,
    since: DateTime<Utc>,
) -> StoreResult<Kopecks> {
    let kopecks: i64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(-kopecks), 0) AS SIGNED) FROM firm_balance_entries
         WHERE vendor_id = ? AND install_id = ? AND inn = ? AND cause = 'returned' AND created_at >= ?",
    )
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .bind(since)
    .fetch_one(conn)
    .await?;
    Ok(Kopecks(kopecks))
}

async fn write_entry(
    conn: &mut Conn,
    owner: BalanceOwner,
    kopecks: Kopecks,
    ((cause, key), decision): ((BalanceCause, &str), Option<(&str, &str)>),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO firm_balance_entries (vendor_id, install_id, inn, kopecks, cause, cause_key, decided_by, reason,
             created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .bind(kopecks.0)
    .bind(cause.as_str())
    .bind(key)
    .bind(decision.map(|(by, _)| by))
    .bind(decision.map(|(_, reason)| reason))
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO firm_balances (vendor_id, install_id, inn, kopecks, updated_at) VALUES (?, ?, ?, 0, ?)
         ON DUPLICATE KEY UPDATE updated_at = VALUES(updated_at)",
    )
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let updated = sqlx::query(
        "UPDATE firm_balances SET kopecks = kopecks + ?
         WHERE vendor_id = ? AND install_id = ? AND inn = ? AND kopecks + ? >= 0",
    )
    .bind(kopecks.0)
    .bind(owner.vendor.to_string())
    .bind(owner.install.to_string())
    .bind(owner.inn.as_str())
    .bind(kopecks.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "balance of the firm")
}
