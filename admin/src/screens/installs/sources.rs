//! Sources of the timeline. Each reads the latest entries before a time by an index.

use chrono::{DateTime, Utc};
use flysk_domain::id::{
    AuditId, EventId, InvoicePaymentId, JobId, PurchaseId, TranscriptionId, TransferInvoiceId,
};
use flysk_store::admin::audit::{self, AuditFilter};
use flysk_store::admin::lists::calls::{self, CallFilter};
use flysk_store::admin::lists::events::{self, EventFilter};
use flysk_store::admin::lists::jobs::{self, JobFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use flysk_store::admin::lists::transfer_invoices::{self, TransferInvoiceFilter};
use flysk_store::platform::installs::Install;
use flysk_store::platform::ledger::{self, HistoryFilter};
use flysk_store::platform::{account_renames, settings_history, subscriptions, token_audit, tokens};
use flysk_store::{Conn, StoreResult};

use super::entry::{Entry, Kind};
use super::seen;
use super::window::{Window, plain, request_of};
use crate::screens::object_pages::page_of;
use crate::view::{Cell, Labeled as _, codes, format, labels};

/// The latest entries of a source at `now`.
pub(super) async fn read(
    conn: &mut Conn,
    kind: Kind,
    install: &Install,
    window: &Window,
    now: DateTime<Utc>,
) -> StoreResult<Vec<Entry>> {
    match kind {
        Kind::Access => access(conn, install, window).await,
        Kind::Token => token(conn, install, window).await,
        Kind::Handshake => seen::handshake(conn, install, window, now).await,
        Kind::Hook => seen::hook(conn, install, window).await,
        Kind::Settings => settings(conn, install, window).await,
        Kind::Event => event(conn, install, window).await,
        Kind::Call => call(conn, install, window).await,
        Kind::Coins => coins(conn, install, window).await,
        Kind::Purchase => purchase(conn, install, window).await,
        Kind::Subscription => subscription(conn, install, window).await,
        Kind::Payment => payment(conn, install, window).await,
        Kind::Transfer => transfer(conn, install, window).await,
        Kind::Act => act(conn, install, window).await,
        Kind::Job => job(conn, install, window).await,
    }
}

/// The page of an object whose id is all of a text, such as the comment of a charge.
fn object_of(text: &str) -> Option<Cell> {
    page_of(text).map(|page| Cell::link(page, text))
}

async fn access(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let facts = install.facts();
    let pair = tokens::find(conn, install.id).await?;
    let told = [
        (facts.granted_at, "Доступ выдан"),
        (facts.lost_at, "Доступ потерян: amoCRM отклонила токен"),
        (facts.disconnected_at, "Интеграция отключена в аккаунте"),
        (facts.switched_on_at, "Виджет включён"),
        (facts.switched_off_at, "Виджет выключен"),
        (pair.map(|pair| pair.refreshed_at), "Токены обновлены"),
    ];
    let known = told.into_iter().filter_map(|(at, what)| Some((at?, what)));
    let mut entries: Vec<Entry> = known
        .filter(|(at, _)| window.holds(*at))
        .map(|(at, what)| plain(at, Kind::Access, what, ""))
        .collect();
    let (crm, account) = (install.crm, install.account_id);
    let renames = account_renames::list_before(conn, crm, account, window.end(), window.limit).await?;
    entries.extend(renames.into_iter().map(|rename| {
        let why = format!("прежде {} {}", rename.former_host, rename.former_name);
        plain(rename.changed_at, Kind::Access, "Аккаунт переименован", why.trim_end())
    }));
    Ok(entries)
}

async fn token(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let read = token_audit::list_before(conn, install.id, window.end(), window.limit).await?;
    let entries = read.into_iter().map(|row| Entry {
        at: row.read_at,
        read_by: row.read_at,
        kind: Kind::Token,
        cause: Some(request_of(&row.correlation_id)),
        what: Cell::text(format!("Токен прочитан: {}", row.reader)),
        state: None,
        why: row.purpose,
    });
    Ok(entries.collect())
}

async fn settings(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let versions = settings_history::list_before(conn, install.id, window.end(), window.limit).await?;
    let entries = versions.into_iter().map(|version| {
        let what = format!("Настройки, версия {}", version.version);
        plain(version.changed_at, Kind::Settings, &what, version.changed_by)
    });
    Ok(entries.collect())
}

async fn event(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let filter = EventFilter { install_id: Some(install.id), ..EventFilter::default() };
    let first_id_at = |at| EventId::first_at(at).to_string();
    let ids = events::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = events::rows(conn, &ids).await?.into_iter().map(|event| Entry {
        at: event.happened_at,
        read_by: event.id.time(),
        kind: Kind::Event,
        cause: None,
        what: Cell::link(format!("/events/{}", event.id), labels::event(event.kind)),
        state: Some(event.state.cell()),
        why: format!("номер {}, попыток {}", event.sequence, event.attempts),
    });
    Ok(entries.collect())
}

async fn call(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    if seen::belongs_to_another(conn, install).await? {
        return Ok(Vec::new());
    }
    let filter = CallFilter { account_id: Some(install.account_id), ..CallFilter::default() };
    let first_id_at = |at| TranscriptionId::first_at(at).to_string();
    let ids = calls::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = calls::rows(conn, &ids).await?.into_iter().map(|call| {
        let charged = call.charged().map(|coins| format!("списано {}", format::coins(coins)));
        let why = [call.failure_code.clone(), charged].into_iter().flatten().collect::<Vec<_>>().join(", ");
        Entry {
            at: call.created_at,
            read_by: call.id.time(),
            kind: Kind::Call,
            cause: Some(request_of(&call.correlation_id)),
            what: Cell::link(format!("/calls/{}", call.id), format!("Заметка {}", call.note_id)),
            state: Some(call.state.cell()),
            why,
        }
    });
    Ok(entries.collect())
}

async fn coins(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let Some(wallet) = ledger::find_wallet_of_install(conn, install.id).await? else { return Ok(Vec::new()) };
    let until = Some(window.before).filter(|before| *before != DateTime::<Utc>::MAX_UTC);
    let of_wallet = ledger::HistoryOf::Wallet(wallet.id);
    let filter = HistoryFilter { from: window.since, until, ..HistoryFilter::default() };
    let mut latest = ledger::list_transactions(conn, of_wallet, &filter, None, window.limit).await?;
    if window.since.is_some() && u32::try_from(latest.len()).is_ok_and(|told| told < window.limit) {
        let older = HistoryFilter { until: window.since, ..HistoryFilter::default() };
        latest.extend(ledger::list_transactions(conn, of_wallet, &older, None, 1).await?);
    }
    let entries = latest.into_iter().map(|row| Entry {
        at: row.at,
        read_by: row.at,
        kind: Kind::Coins,
        cause: row.reference.as_deref().and_then(object_of),
        what: Cell::link(format!("/wallets/{}", row.wallet_id), row.kind.label()),
        state: Some(Cell::Text(format::coins(row.available))),
        why: row.reference.unwrap_or_default(),
    });
    Ok(entries.collect())
}

async fn purchase(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let Some(wallet) = ledger::find_wallet_of_install(conn, install.id).await? else { return Ok(Vec::new()) };
    let filter = PurchaseFilter { wallet_id: Some(wallet.id), ..PurchaseFilter::default() };
    let first_id_at = |at| PurchaseId::first_at(at).to_string();
    let ids = purchases::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = purchases::rows(conn, &ids).await?.into_iter().map(|purchase| Entry {
        at: purchase.created_at,
        read_by: purchase.id.time(),
        kind: Kind::Purchase,
        cause: None,
        what: Cell::link(format!("/purchases/{}", purchase.id), &purchase.title),
        state: Some(purchase.state.cell()),
        why: format::roubles(purchase.price()),
    });
    Ok(entries.collect())
}

async fn subscription(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let Some(row) = subscriptions::find_subscription_of_install(conn, install.id).await? else {
        return Ok(Vec::new());
    };
    let done = subscriptions::list_actions_before(conn, row.id, window.end(), window.limit).await?;
    let entries = done.into_iter().map(|action| Entry {
        at: action.acted_at,
        read_by: action.acted_at,
        kind: Kind::Subscription,
        cause: None,
        what: Cell::link(format!("/subscriptions/{}", row.id), codes::subscription_action(&action.action)),
        state: Some(Cell::text(action.actor)),
        why: action.reason.unwrap_or_default(),
    });
    Ok(entries.collect())
}

async fn payment(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let filter = PaymentFilter { install_id: Some(install.id), ..PaymentFilter::default() };
    let first_id_at = |at| InvoicePaymentId::first_at(at).to_string();
    let ids = payments::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = payments::rows(conn, &ids).await?.into_iter().map(|payment| Entry {
        at: payment.created_at,
        read_by: payment.id.time(),
        kind: Kind::Payment,
        cause: None,
        what: Cell::link(format!("/payments/{}", payment.id), &payment.title),
        state: Some(payment.state.cell()),
        why: [Some(format::roubles(payment.amount())), payment.error_code.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
    });
    Ok(entries.collect())
}

async fn transfer(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let filter = TransferInvoiceFilter { install_id: Some(install.id), ..TransferInvoiceFilter::default() };
    let first_id_at = |at| TransferInvoiceId::first_at(at).to_string();
    let ids = transfer_invoices::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = transfer_invoices::rows(conn, &ids).await?.into_iter().map(|invoice| Entry {
        at: invoice.created_at,
        read_by: invoice.id.time(),
        kind: Kind::Transfer,
        cause: None,
        what: Cell::link(
            format!("/transfer-invoices/{}", invoice.id),
            format!("Счёт № {}, {}", invoice.number, invoice.payer_name),
        ),
        state: Some(invoice.state.cell()),
        why: format!("{}, до {}", format::roubles(invoice.amount()), invoice.due_on.format("%d.%m.%Y")),
    });
    Ok(entries.collect())
}

/// Acts on the install, and on what it has one of. Acts on its purchases, invoices, payments, calls, jobs and events would have to be
/// looked for among all of these.
async fn act(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let wallet = ledger::find_wallet_of_install(conn, install.id).await?;
    let subscription = subscriptions::find_subscription_of_install(conn, install.id).await?;
    let subjects = [
        ("install", Some(install.id.to_string())),
        ("wallet", wallet.map(|wallet| wallet.id.to_string())),
        ("subscription", subscription.map(|row| row.id.to_string())),
        ("account", Some(install.account_id.to_string())),
    ];
    let first_id_at = |at| AuditId::first_at(at).to_string();
    let keyset = window.keyset(first_id_at);
    let mut ids: Vec<String> = Vec::new();
    for (kind, subject_id) in subjects {
        if subject_id.is_none() {
            continue;
        }
        let filter =
            AuditFilter { subject_kind: Some(kind.to_owned()), subject_id, ..AuditFilter::default() };
        ids.extend(audit::ids(conn, &filter, &keyset).await?);
    }
    ids.sort_unstable();
    ids.reverse();
    ids.truncate(usize::try_from(window.limit).unwrap_or(usize::MAX));
    let ids = window.wanted(ids, first_id_at);
    let entries = audit::rows(conn, &ids).await?.into_iter().map(|row| Entry {
        at: row.happened_at,
        read_by: row.id.time(),
        kind: Kind::Act,
        cause: Some(request_of(&row.correlation_id)),
        what: Cell::link(format!("/audit/{}", row.id), labels::action(&row.action)),
        state: Some(Cell::text(row.operator_login)),
        why: row.reason,
    });
    Ok(entries.collect())
}

async fn job(conn: &mut Conn, install: &Install, window: &Window) -> StoreResult<Vec<Entry>> {
    let filter = JobFilter { tenant: Some(install.account_id.to_string()), ..JobFilter::default() };
    let first_id_at = |at| JobId::first_at(at).to_string();
    let ids = jobs::ids(conn, &filter, &window.keyset(first_id_at)).await?;
    let ids = window.wanted(ids, first_id_at);
    let entries = jobs::rows(conn, &ids).await?.into_iter().map(|job| Entry {
        at: job.created_at,
        read_by: job.id.time(),
        kind: Kind::Job,
        cause: Some(request_of(&job.correlation_id)),
        what: Cell::link(format!("/jobs/{}", job.id), &job.kind),
        state: Some(job.state.cell()),
        why: job.last_error.unwrap_or_default(),
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_wants_newer_rows_and_one_older_row() {
        let first_id_at = |at| JobId::first_at(at).to_string();
        let second = |number| DateTime::from_timestamp(1_796_000_000 + number, 0).unwrap();
        let ids: Vec<String> = [9, 7, 5, 5, 3, 1].map(|number| first_id_at(second(number))).into();
        let wanted = |since: Option<i64>| {
            let window = Window { before: second(10), limit: 101, since: since.map(second) };
            window.wanted(ids.clone(), first_id_at).len()
        };
        assert_eq!(wanted(None), 6);
        assert_eq!([10, 9, 8, 5, 4, 1, 0].map(|since| wanted(Some(since))), [1, 2, 2, 5, 5, 6, 6]);
    }
}
