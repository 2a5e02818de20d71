//! Erasure of an account's personal data: what will be erased, the request, and the pieces that jobs erase.
//!
//! The platform and FlySense each erase their own tables, in [`customer`] and in [`calls`]. The record of the erasure belongs
//! to neither; both write into it how much they have erased, in the transactions that erase it.

pub mod calls;
pub mod customer;
mod survey;

use flysk_domain::Clock;
use flysk_domain::admin::{ErasedKind, ErasureSide, ErasureState, confirms_domain};
use flysk_domain::id::{AccountId, AuditId, ErasureId, OperatorId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_jobs::flysense::erasure::EraseCalls;
use flysk_jobs::platform::panel::EraseCustomer;
use flysk_queue::UnitOfWork;
use flysk_store::admin::audit::{self, NewAuditRow};
use flysk_store::admin::erasures::{self, Erasure};
use flysk_store::admin::lists::accounts::{self, AccountRow};
use flysk_store::platform::erasure::{self as platform, ErasedInstall};
use flysk_store::{Conn, Contention, StoreError, StoreResult};

pub use survey::{Survey, survey};

/// Act in the audit log that requests an erasure.
pub const ERASE: &str = "account.erase";
/// Act in the audit log that ends one, with the counts.
const ERASED: &str = "account.erased";

/// Who asks to erase an account, and why.
#[derive(Debug)]
pub struct ErasureRequest<'a> {
    /// amoCRM's number of the account, which must fit `domain`.
    pub account_id: AccountId,
    /// Domain of the account, typed to confirm the erasure.
    pub domain: &'a str,
    /// The operator who requests it; `None` for a command on the server.
    pub operator_id: Option<OperatorId>,
    /// Login of that operator, or name of the program.
    pub login: &'a str,
    /// Login of the second operator.
    pub approved_login: Option<&'a str>,
    /// Reason, at most 500 characters, without personal data.
    pub reason: &'a str,
    /// Address of the operator.
    pub address: &'a str,
}

/// Why an account is not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// The typed domain is not the account's.
    #[error("the domain does not belong to the account")]
    WrongDomain,
    /// A widget is installed in the account, so its data would go on to be collected.
    #[error("a widget is installed in the account: the account has to remove the integration first")]
    Installed,
    /// A subscription goes on to charge the account.
    #[error("a subscription of the account runs on: cancel it first")]
    Subscribed,
    /// An erasure of the account runs.
    #[error("an erasure of the account runs already")]
    Running,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EraseError {
    /// The reason in Russian, for operators; `None` for an error of the database.
    pub const fn text_ru(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound => "Такого аккаунта нет.",
            Self::WrongDomain => "Введённый домен не совпадает с доменом аккаунта. Ничего не стёрто.",
            Self::Installed => {
                "В аккаунте установлен виджет: данные продолжали бы поступать. Сначала администратор аккаунта отключает \
                 интеграцию в amoCRM."
            }
            Self::Subscribed => {
                "Подписка аккаунта продлевается сама: сначала отмените её. Оплаченный период можно не дожидаться."
            }
            Self::Running => "Данные этого аккаунта уже стираются.",
            Self::Store(_) => return None,
        })
    }
}

impl Contention for EraseError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// Finds an account by its number.
async fn find_account(conn: &mut Conn, id: AccountId) -> Result<AccountRow, EraseError> {
    let found = accounts::rows(conn, &[id.to_string()]).await?;
    found.into_iter().next().ok_or(EraseError::NotFound)
}

/// Whether nothing collects data of the account any more and nothing charges it.
fn must_be_over(installs: &[ErasedInstall]) -> Result<(), EraseError> {
    if is_installed(installs) {
        return Err(EraseError::Installed);
    }
    let runs_on = |install: &ErasedInstall| {
        install.subscription.is_some_and(|(_, state, cancels)| !state.can_start() && !cancels)
    };
    if installs.iter().any(runs_on) {
        return Err(EraseError::Subscribed);
    }
    Ok(())
}

/// Whether a widget is installed, or being installed.
fn is_installed(installs: &[ErasedInstall]) -> bool {
    installs.iter().any(|install| install.status != InstallStatus::Uninstalled)
}

/// Checks that the account may be erased by who typed `domain`, and returns it.
///
/// # Errors
///
/// The account does not exist or has another domain, a widget is installed, a subscription runs on, or an erasure runs.
pub async fn check(conn: &mut Conn, id: AccountId, domain: &str) -> Result<AccountRow, EraseError> {
    let account = find_account(conn, id).await?;
    if !confirms_domain(domain, &account.host) {
        return Err(EraseError::WrongDomain);
    }
    must_be_over(&platform::list_installs(conn, account.crm, id).await?)?;
    let latest = erasures::list_of_account(conn, id, 1).await?;
    if latest.iter().any(|erasure| erasure.state == ErasureState::Running) {
        return Err(EraseError::Running);
    }
    Ok(account)
}

/// Records an erasure and enqueues its two jobs in `unit`; the caller adds a row to the audit log and commits.
///
/// # Errors
///
/// Those of [`check`].
pub async fn request(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    request: &ErasureRequest<'_>,
) -> Result<Erasure, EraseError> {
    let account = check(unit, request.account_id, request.domain).await?;
    let erasure = Erasure {
        id: ErasureId::generate(clock),
        crm: account.crm,
        account_id: request.account_id,
        host: account.host,
        operator_id: request.operator_id.map(|id| id.to_string()),
        operator_login: request.login.to_owned(),
        approved_login: request.approved_login.map(str::to_owned),
        reason: request.reason.to_owned(),
        address: request.address.to_owned(),
        correlation_id: unit.trace().correlation_id.clone(),
        state: ErasureState::Running,
        calls_done_at: None,
        customer_done_at: None,
        requested_at: unit.now(),
        finished_at: None,
    };
    match erasures::insert(unit, &erasure).await {
        Err(StoreError::Duplicate { .. }) => return Err(EraseError::Running),
        inserted => inserted?,
    }
    unit.enqueue(&EraseCustomer { erasure_id: erasure.id, account_id: erasure.account_id }).await?;
    unit.enqueue(&EraseCalls { erasure_id: erasure.id, account_id: erasure.account_id }).await?;
    Ok(erasure)
}

/// Progress of a piece of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// This much was erased; there may be more.
    Erased(u64),
    /// The erasure does not run any more, or a widget was installed again.
    Stopped,
}

/// Locks an erasure for a piece of a side; `None` if it does not run, or the side has ended.
async fn lock_running(
    unit: &mut UnitOfWork,
    id: ErasureId,
    side: ErasureSide,
) -> StoreResult<Option<Erasure>> {
    let erasure = erasures::lock(unit, id).await?;
    Ok(erasure.filter(|erasure| erasure.state == ErasureState::Running && erasure.done_at(side).is_none()))
}

/// Adds counts to the record; returns their sum.
async fn add_counts(unit: &mut UnitOfWork, id: ErasureId, counts: &[(ErasedKind, u64)]) -> StoreResult<u64> {
    let mut sum = 0;
    for (kind, erased) in counts {
        erasures::add_count(unit, id, *kind, *erased).await?;
        sum += erased;
    }
    Ok(sum)
}

/// Ends a side of an erasure in `unit`. The last one leaves a row in the audit log with the counts.
///
/// # Errors
///
/// The database fails.
pub async fn finish(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: ErasureId,
    side: ErasureSide,
) -> StoreResult<()> {
    let Some(erasure) = lock_running(unit, id, side).await? else { return Ok(()) };
    let now = unit.now();
    if !erasures::finish_side(unit, id, side, now).await? {
        return Ok(());
    }
    let counts = erasures::counts(unit, id).await?;
    let counts: serde_json::Map<String, serde_json::Value> =
        counts.iter().map(|count| (count.kind.code().to_owned(), count.erased.into())).collect();
    let after = serde_json::json!({ "erasure": id, "erased": counts }).to_string();
    let row = NewAuditRow {
        id: AuditId::generate(clock),
        operator_id: erasure.operator_id.as_deref().and_then(|id| id.parse().ok()),
        operator_login: &erasure.operator_login,
        action: ERASED,
        subject: ("account", &erasure.account_id.to_string()),
        reason: &erasure.reason,
        states: (None, Some(after)),
        address: &erasure.address,
        correlation_id: &erasure.correlation_id,
    };
    audit::insert(unit, &row, now).await
}

/// Ends an erasure because the account has installed a widget again.
///
/// # Errors
///
/// The database fails.
pub async fn stop(unit: &mut UnitOfWork, id: ErasureId) -> StoreResult<()> {
    let now = unit.now();
    erasures::stop(unit, id, now).await?;
    Ok(())
}
