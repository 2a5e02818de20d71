//! State of an account, for its page: FlySense in it, and pauses because amoCRM blocked our address.

use std::time::Duration;

use flysk_domain::flysense::account::{AccountStatus, HooksState};
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;
use flysk_queue::limits::RateLimiterError;
use flysk_services::installs::{AmocrmCaller, blocked_for};
use flysk_store::admin::lists::installs::InstallRow;
use flysk_store::flysense::accounts::{self, AccountRow};
use flysk_store::{Conn, StoreResult};

use crate::deps::Deps;
use crate::view::{Cell, Labeled, Tone};

/// Time for Redis to tell of the pauses: the page does not wait for a server that is away.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);

impl Labeled for AccountStatus {
    fn label(self) -> &'static str {
        match self {
            Self::Active => "работает",
            Self::Inactive => "выключен",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Active => Tone::Good,
            Self::Inactive => Tone::Quiet,
        }
    }
}

impl Labeled for HooksState {
    fn label(self) -> &'static str {
        match self {
            Self::Subscribed => "приходят",
            Self::Unsubscribed => "не подписаны",
            Self::Refused => "нет в тарифе amoCRM",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Subscribed => Tone::Good,
            Self::Unsubscribed | Self::Refused => Tone::Quiet,
        }
    }
}

/// The account in FlySense, which has accounts of amoCRM only, by their number there.
pub(super) async fn find_in_flysense(
    conn: &mut Conn,
    crm: Crm,
    id: AccountId,
) -> StoreResult<Option<AccountRow>> {
    match crm {
        Crm::Amocrm => accounts::find(conn, id).await,
        Crm::Kommo => Ok(None),
    }
}

/// Pauses of calls to the account, and what FlySense knows of it.
pub(super) async fn state_facts(
    deps: &Deps,
    id: AccountId,
    in_flysense: Option<&AccountRow>,
    installed: &[InstallRow],
) -> Vec<(&'static str, Cell)> {
    let mut facts = flysense_facts(in_flysense);
    facts.push(("Пауза после 403 от amoCRM", pauses(deps, id, installed).await));
    facts
}

/// What FlySense knows of the account; nothing if it was never active there.
fn flysense_facts(account: Option<&AccountRow>) -> Vec<(&'static str, Cell)> {
    let Some(account) = account else { return Vec::new() };
    vec![
        ("FlySense", account.status.cell()),
        ("Расшифровка новых звонков", Cell::text(if account.auto { "автоматически" } else { "по запросу" })),
        ("Вебхуки о заметках", account.hooks_state.cell()),
        ("Вебхуки проверены", Cell::time(account.hooks_checked_at)),
        ("Звонки сверены до", Cell::time(account.reconciled_until)),
    ]
}

/// Who does not call the account now, because amoCRM answered with a 403 page, and for how long.
async fn pauses(deps: &Deps, account: AccountId, installed: &[InstallRow]) -> Cell {
    let unknown = || Cell::text("неизвестно: Redis не отвечает");
    let Some(limits) = &deps.limits else { return unknown() };
    let mut callers = vec![(AmocrmCaller::FlySense, "FlySense")];
    callers.extend(
        installed.iter().map(|install| (AmocrmCaller::Install(install.id), install.widget_code.as_str())),
    );
    let read = async {
        let mut paused = Vec::new();
        for (caller, name) in callers {
            if let Some(left) = blocked_for(limits, account, caller).await? {
                paused.push(format!("{name}: ещё {} мин", left.as_secs().div_ceil(60)));
            }
        }
        Ok::<_, RateLimiterError>(paused)
    };
    match tokio::time::timeout(REDIS_TIMEOUT, read).await {
        Ok(Ok(paused)) if paused.is_empty() => Cell::text("нет"),
        Ok(Ok(paused)) => Cell::state(paused.join(", "), Tone::Bad),
        Ok(Err(_)) | Err(_) => unknown(),
    }
}
