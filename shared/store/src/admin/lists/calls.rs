//! List of calls: FlySense's transcriptions.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, NoteId, TranscriptionId};
use flysk_domain::money::MicroCoins;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of calls; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Keeps rows in this state.
    pub state: Option<TranscriptionState>,
    /// Keeps rows of this account.
    pub account_id: Option<AccountId>,
    /// Call note in amoCRM.
    pub note_id: Option<NoteId>,
}

/// A call in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CallRow {
    /// `tr_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: TranscriptionId,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Host of the account, as FlySense knows it.
    pub host: Option<String>,
    /// Call note in amoCRM.
    #[sqlx(try_from = "u64")]
    pub note_id: NoteId,
    /// Stage that the run has reached, or its end.
    #[sqlx(try_from = "TextColumn")]
    pub state: TranscriptionState,
    /// Reason of the failure.
    pub failure_code: Option<String>,
    /// Number of the run.
    pub run: u32,
    /// Duration of the audio, milliseconds.
    pub duration_ms: Option<u64>,
    charged_micro: Option<i64>,
    /// Correlation id of the request that asked for the call.
    pub correlation_id: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl CallRow {
    /// Charged coins of the current run.
    pub fn charged(&self) -> Option<MicroCoins> {
        self.charged_micro.map(MicroCoins)
    }
}

/// Ids of the calls that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &CallFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        CallFilter { note_id: None, account_id: Some(_), state: Some(_) } => {
            query.push(" FROM transcriptions FORCE INDEX (transcriptions_account_state)")
        }
        CallFilter { note_id: None, account_id: Some(_), .. } => {
            query.push(" FROM transcriptions FORCE INDEX (transcriptions_account)")
        }
        CallFilter { note_id: None, state: Some(_), .. } => {
            query.push(" FROM transcriptions FORCE INDEX (transcriptions_state_id)")
        }
        _ => query.push(" FROM transcriptions"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.account_id {
        query.push(" AND account_id = ").push_bind(id.0);
    }
    if let Some(id) = filter.note_id {
        query.push(" AND note_id = ").push_bind(id.0);
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The calls with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<CallRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT t.id, t.account_id, a.host, t.note_id, t.state, t.failure_code, t.run, t.duration_ms, p.charged_micro,
                t.correlation_id, t.created_at, t.finished_at
         FROM transcriptions t LEFT JOIN flysense_accounts a ON a.account_id = t.account_id
         LEFT JOIN flysense_payments p ON p.transcription_id = t.id AND p.run = t.run WHERE t.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<CallRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
