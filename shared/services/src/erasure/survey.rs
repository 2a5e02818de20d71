//! Dry run of an erasure: counts what it would erase, and changes nothing.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{ErasedKind, ErasureSide};
use flysk_domain::id::AccountId;
use flysk_store::Conn;
use flysk_store::admin::exports;
use flysk_store::admin::lists::accounts::AccountRow;
use flysk_store::flysense::erasure as flysense;
use flysk_store::platform::account_renames;
use flysk_store::platform::erasure::{self as platform, ErasedInstall};

use super::{EraseError, find_account, must_be_over};

/// Exports that are counted at most.
const EXPORTS_COUNTED: u32 = 1_000;

/// Result of a dry run.
#[derive(Debug)]
pub struct Survey {
    /// As it is before the erasure.
    pub account: AccountRow,
    /// Number of rows of each kind; `None` for kinds that are only found when they are erased.
    pub counts: Vec<(ErasedKind, Option<i64>)>,
    /// Why the account cannot be erased now.
    pub refusal: Option<EraseError>,
}

/// Counts what an erasure of the account would erase at `now`.
///
/// # Errors
///
/// There is no such account, or the database fails.
pub async fn survey(conn: &mut Conn, id: AccountId, now: DateTime<Utc>) -> Result<Survey, EraseError> {
    let account = find_account(conn, id).await?;
    let installs = platform::list_installs(conn, account.crm, id).await?;
    let mut counts = Vec::new();
    for kind in ErasedKind::ALL {
        let count = match kind.side() {
            ErasureSide::Calls => flysense::count(conn, *kind, id).await?,
            ErasureSide::Customer => count_of_customer(conn, *kind, &account, &installs, now).await?,
        };
        counts.push((*kind, count));
    }
    let refusal = must_be_over(&installs).err();
    Ok(Survey { account, counts, refusal })
}

async fn count_of_customer(
    conn: &mut Conn,
    kind: ErasedKind,
    account: &AccountRow,
    installs: &[ErasedInstall],
    now: DateTime<Utc>,
) -> Result<Option<i64>, EraseError> {
    match kind {
        ErasedKind::Names => {
            let former = account_renames::count_names(conn, account.crm, AccountId(account.id)).await?;
            Ok(Some(former + i64::from(!account.name.is_empty())))
        }
        ErasedKind::Exports => {
            let made = exports::list_made_until(conn, now, EXPORTS_COUNTED).await?;
            Ok(i64::try_from(made.len()).ok())
        }
        _ => {
            let mut sum = None;
            for install in installs {
                if let Some(count) = platform::count(conn, kind, install).await? {
                    sum = Some(sum.unwrap_or_default() + count);
                }
            }
            Ok(sum)
        }
    }
}
