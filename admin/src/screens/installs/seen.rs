//! Sources of the timeline about what was seen of an account: handshakes of its widget, and webhooks of amoCRM.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::account::HooksState;
use flysk_domain::id::HookId;
use flysk_domain::platform::handshakes::{HandshakeMoment, handshake_moments};
use flysk_store::flysense::{accounts, hooks};
use flysk_store::platform::handshake_periods;
use flysk_store::platform::installs::Install;
use flysk_store::{Conn, StoreResult};

use super::entry::{Entry, Kind};
use super::window::{Window, plain, request_of};
use crate::view::{Cell, Tone};

/// Handshakes that began, were lost or found again, and the latest one.
pub(super) async fn handshake(
    conn: &mut Conn,
    install: &Install,
    window: &Window,
    now: DateTime<Utc>,
) -> StoreResult<Vec<Entry>> {
    let periods = handshake_periods::list_before(conn, install.id, window.end(), window.limit).await?;
    let moments = handshake_moments(&periods, now).into_iter().filter(|(at, _)| window.holds(*at));
    let entry = |(at, moment)| {
        let told = |what: &str, why: String, state| Entry { state, ..plain(at, Kind::Handshake, what, why) };
        match moment {
            HandshakeMoment::Began => told("Первое известное рукопожатие виджета", String::new(), None),
            HandshakeMoment::Found(silence) => {
                let why = format!("после перерыва в {} дн.", silence.num_days());
                told("Рукопожатия возобновились", why, Some(Cell::state("найдены", Tone::Good)))
            }
            HandshakeMoment::Latest(count) => {
                told("Последнее рукопожатие", format!("всего {count} с начала периода"), None)
            }
            HandshakeMoment::Lost(count) => told(
                "Рукопожатия прекратились",
                format!("это последнее из {count}; после него ни одного 7 дней и дольше"),
                Some(Cell::state("потеряны", Tone::Bad)),
            ),
        }
    };
    Ok(moments.map(entry).collect())
}

/// Webhooks of amoCRM about notes, and when their subscription was last checked.
pub(super) async fn hook(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let Some(account) = accounts::find_by_install(conn, install.id).await? else { return Ok(Vec::new()) };
    let keyset = window.keyset(|at| HookId::first_at(at).to_string());
    let received = hooks::list_before(conn, account.account_id, &keyset.from, window.limit).await?;
    let mut entries: Vec<Entry> = received
        .into_iter()
        .map(|hook| {
            let state = match hook.state.as_str() {
                "ingested" => Cell::state("обработан", Tone::Good),
                _ => Cell::state("ждёт обработки", Tone::Busy),
            };
            Entry {
                read_by: hook.id.time(),
                state: Some(state),
                cause: hook.correlation_id.as_deref().map(request_of),
                ..plain(hook.received_at, Kind::Hook, "Вебхук amoCRM о примечании", hook.id.to_string())
            }
        })
        .collect();
    let checked = account.hooks_checked_at.filter(|at| window.holds(*at));
    entries.extend(checked.map(|at| Entry {
        state: Some(subscription_cell(account.hooks_state)),
        ..plain(at, Kind::Hook, "Подписка на вебхуки проверена", "")
    }));
    Ok(entries)
}

/// Whether FlySense is in the account by another install, so that its calls are that one's.
pub(super) async fn belongs_to_another(conn: &mut Conn, install: &Install) -> StoreResult<bool> {
    let known = accounts::find(conn, install.account_id).await?;
    Ok(known.is_some_and(|known| known.install_id != install.id))
}

fn subscription_cell(state: HooksState) -> Cell {
    match state {
        HooksState::Subscribed => Cell::state("подписан", Tone::Good),
        HooksState::Unsubscribed => Cell::state("не подписан", Tone::Bad),
        HooksState::Refused => Cell::state("amoCRM отказала: тариф без вебхуков", Tone::Bad),
    }
}
