//! Table `cache_invalidations`: changes of widgets, installs and accounts that invalidate caches.
//!
//! A change is recorded on the connection that makes it, inside its transaction if there is one, so that the change and
//! its invalidation become visible together.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, InvoiceId, PriceCampaignId, SubscriptionId, WidgetId};

use crate::{Conn, StoreError, StoreResult};

/// Subject of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A widget, including its secrets, settings, plans and price campaigns.
    Widget(WidgetId),
    /// An install, including its status, settings, tokens and subscription.
    Install(InstallId),
    /// An account, including its host.
    Account(AccountId),
}

impl Subject {
    const fn kind(self) -> &'static str {
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
        let corrupt = |reason: String| StoreError::InvalidRow { what: "platform change", reason };
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

/// Records that cached data of the subject is outdated.
pub async fn record(conn: &mut Conn, subject: Subject) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO cache_invalidations (what, subject, changed_at) VALUES (?, ?, UTC_TIMESTAMP(6))",
    )
    .bind(subject.kind())
    .bind(subject.text())
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that cached data of all widgets is outdated: a terminal was given to a vendor or taken from one, and with it the cards
/// that each seller can charge.
pub(crate) async fn record_all_widgets(conn: &mut Conn) -> StoreResult<()> {
    let widgets: Vec<String> = sqlx::query_scalar("SELECT w.id FROM widgets w").fetch_all(&mut *conn).await?;
    // Not `INSERT … SELECT`: MariaDB resolves its target columns only when it executes it, so no test could check their names.
    for widget in widgets {
        record(conn, Subject::read("widget", &widget)?).await?;
    }
    Ok(())
}

/// Records that cached data of a subscription's install is outdated.
pub(crate) async fn record_subscription(conn: &mut Conn, id: SubscriptionId) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO cache_invalidations (what, subject, changed_at)
         VALUES ('install', (SELECT s.install_id FROM subscriptions s WHERE s.id = ?), UTC_TIMESTAMP(6))",
    )
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that cached data of an invoice's install is outdated.
pub(crate) async fn record_invoice(conn: &mut Conn, id: InvoiceId) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO cache_invalidations (what, subject, changed_at)
         VALUES ('install', (SELECT i.install_id FROM subscription_invoices i WHERE i.id = ?), UTC_TIMESTAMP(6))",
    )
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that cached data of a price campaign's widget is outdated.
pub(crate) async fn record_campaign(conn: &mut Conn, id: PriceCampaignId) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO cache_invalidations (what, subject, changed_at)
         VALUES ('widget', (SELECT c.widget_id FROM price_campaigns c WHERE c.id = ?), UTC_TIMESTAMP(6))",
    )
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Number of the newest invalidation; 0 if there is none.
pub async fn newest(conn: &mut Conn) -> StoreResult<u64> {
    let newest: Option<u64> =
        sqlx::query_scalar("SELECT MAX(id) FROM cache_invalidations").fetch_one(conn).await?;
    Ok(newest.unwrap_or_default())
}

/// Lists invalidations with numbers above `after`, in order. A number is assigned when the change is made and becomes
/// visible at commit, so a lower number may appear after a higher one.
pub async fn list_after(conn: &mut Conn, after: u64) -> StoreResult<Vec<(u64, Subject)>> {
    let rows: Vec<(u64, String, String)> =
        sqlx::query_as("SELECT id, what, subject FROM cache_invalidations WHERE id > ? ORDER BY id")
            .bind(after)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(|(id, what, subject)| Ok((id, Subject::read(&what, &subject)?))).collect()
}

/// Deletes at most `limit` invalidations recorded before `before`.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    Ok(sqlx::query("DELETE FROM cache_invalidations WHERE changed_at < ? ORDER BY changed_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}
