//! Table `platform_changes`: what processes that keep widgets and installs in memory have to forget.
//!
//! A change is noted on the connection that makes it, in its transaction if there is one, so that it is seen exactly when
//! the change is.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A widget: its secrets, its settings.
    Widget(WidgetId),
    /// An install: its status, its settings, its tokens.
    Install(InstallId),
    /// An account: its host.
    Account(AccountId),
}

impl Subject {
    const fn what(self) -> &'static str {
        match self {
            Self::Widget(_) => "widget",
            Self::Install(_) => "install",
            Self::Account(_) => "account",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Widget(id) => id.to_string(),
            Self::Install(id) => id.to_string(),
            Self::Account(id) => id.to_string(),
        }
    }

    fn read(what: &str, text: &str) -> StoreResult<Self> {
        let corrupt = |reason: String| StoreError::Corrupt { what: "platform change", reason };
        match what {
            "widget" => text.parse().map(Self::Widget).map_err(|error| corrupt(format!("{error}"))),
            "install" => text.parse().map(Self::Install).map_err(|error| corrupt(format!("{error}"))),
            "account" => text
                .parse()
                .map(|id| Self::Account(AccountId(id)))
                .map_err(|error| corrupt(format!("{error}"))),
            other => Err(corrupt(format!("`{other}` is unknown"))),
        }
    }
}

/// Notes a change.
pub async fn note(conn: &mut Conn, subject: Subject) -> StoreResult<()> {
    sqlx::query("INSERT INTO platform_changes (what, subject, changed_at) VALUES (?, ?, UTC_TIMESTAMP(6))")
        .bind(subject.what())
        .bind(subject.text())
        .execute(conn)
        .await?;
    Ok(())
}

/// The number of the newest change; 0 if there is none.
pub async fn newest(conn: &mut Conn) -> StoreResult<u64> {
    let newest: Option<u64> =
        sqlx::query_scalar("SELECT MAX(id) FROM platform_changes").fetch_one(conn).await?;
    Ok(newest.unwrap_or_default())
}

/// Changes with numbers above `after`, in their order. Numbers are given when a change is made and seen when its
/// transaction commits, so a lower one may appear after a higher one.
pub async fn list_after(conn: &mut Conn, after: u64) -> StoreResult<Vec<(u64, Subject)>> {
    let rows: Vec<(u64, String, String)> =
        sqlx::query_as("SELECT id, what, subject FROM platform_changes WHERE id > ? ORDER BY id")
            .bind(after)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(|(id, what, subject)| Ok((id, Subject::read(&what, &subject)?))).collect()
}

/// Forgets at most `limit` changes from before `before`.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    Ok(sqlx::query("DELETE FROM platform_changes WHERE changed_at < ? LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}
