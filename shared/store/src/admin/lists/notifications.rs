//! List of T-Bank's notifications. Their bodies stay sealed.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::NotificationId;
use flysk_domain::money::Kopecks;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::platform::purchases::NotificationState;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of notifications; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// Keeps rows in this state.
    pub state: Option<NotificationState>,
    /// The order: the purchase.
    pub order_id: Option<String>,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
}

/// A notification in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct NotificationRow {
    /// `ntf_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: NotificationId,
    /// The order: the purchase.
    pub order_id: String,
    /// The bank's number of the payment.
    pub payment_id: String,
    /// Status of the payment.
    pub status: String,
    amount_kopecks: i64,
    /// The bank's error code; 0 for none.
    pub error_code: String,
    /// `New` until a job has processed it.
    #[sqlx(try_from = "TextColumn")]
    pub state: NotificationState,
    /// Why it was not applied.
    pub note: Option<String>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// When it was applied.
    pub applied_at: Option<DateTime<Utc>>,
}

impl NotificationRow {
    /// As the notification states it; after a refund, the rest.
    pub fn amount(&self) -> Kopecks {
        Kopecks(self.amount_kopecks)
    }
}

/// Ids of the notifications that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &NotificationFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Without the name, the servers may read all rows of the value, from the first one on, although the page is in the middle of them.
    match filter {
        NotificationFilter { order_id: None, payment_id: None, state: Some(_) } => {
            query.push(" FROM tbank_notifications FORCE INDEX (tbank_notifications_state_id)")
        }
        _ => query.push(" FROM tbank_notifications"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = &filter.order_id {
        query.push(" AND order_id = ").push_bind(id.clone());
    }
    if let Some(id) = &filter.payment_id {
        query.push(" AND payment_id = ").push_bind(id.clone());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The notifications with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<NotificationRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, order_id, payment_id, status, amount_kopecks, error_code, state, note, received_at, applied_at
         FROM tbank_notifications WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<NotificationRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
