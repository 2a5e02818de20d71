//! Widgets, accounts, installs, wallets and acts of operators.

use super::Volume;
use super::plan::{Filling, Source};

/// Number of widgets.
const WIDGETS: i64 = 20;
/// The widget of an install.
pub(super) const WIDGET: &str = "CONCAT('wgt_', LPAD(o.n % 20, 26, '0'))";
/// Host of an account.
pub(super) const HOST: &str = "CONCAT('company', o.n, '.amocrm.ru')";
/// Balance that is left, micro-Flycoins. One wallet in a hundred is empty.
pub(super) const LEFT_MICRO: &str = "IF(o.n % 100 = 99, 0, 1000000000)";

/// Rows that others refer to.
pub(super) fn single_rows() -> Vec<String> {
    vec![format!(
        "INSERT INTO widgets (id, code, name, platform, client_uuid, client_secret_sealed, redirect_uri,
                              project_token_sealed, project_token_hash, uses_subscriptions, uses_flycoins, created_at,
                              updated_at)
         SELECT CONCAT('wgt_', LPAD(n, 26, '0')), CONCAT('bench-', n), CONCAT('Виджет ', n), 'amocrm',
                CONCAT('00000000-0000-4000-8000-', LPAD(n, 12, '0')), 'sealed', 'https://example.test/callback', 'sealed',
                LPAD(n, 64, '0'), TRUE, TRUE, NOW(6), NOW(6)
         FROM bench_numbers WHERE n < {WIDGETS}"
    )]
}

/// Rows of each table.
pub(super) fn fillings(volume: Volume) -> Vec<Filling> {
    vec![
        installs(volume),
        tokens(volume),
        accounts(volume),
        flysense_accounts(volume),
        Filling::of(
            "wallets",
            "id, install_id, widget_id, available_micro, created_at, updated_at",
            Source::Installs(volume.installs),
            format!("CONCAT('wal_', :ulid), CONCAT('ins_', :ulid), {WIDGET}, {LEFT_MICRO}, :at, :at"),
        ),
        Filling::of(
            "audit_log",
            "id, operator_login, action, subject_kind, subject_id, reason, address, correlation_id, happened_at",
            Source::Spread(volume.paying()),
            "CONCAT('aud_', :ulid), 'bench',
             ELT(1 + :n % 3, 'install.switch_on', 'install.switch_off', 'settings.change'), 'install',
             CONCAT('ins_', o.ulid), 'Просьба клиента', '127.0.0.1', CONCAT('bench-', :n), :at",
        ),
        Filling::of(
            "token_audit",
            "install_id, reader, purpose, correlation_id, read_at",
            Source::Spread(volume.rows / 10),
            "CONCAT('ins_', o.ulid), 'flysense', 'pauth', CONCAT('bench-', :n), :at",
        ),
    ]
}

fn installs(volume: Volume) -> Filling {
    Filling::of(
        "installs",
        "id, widget_id, platform, account_id, status, granted_at, settings, created_at, updated_at",
        Source::Installs(volume.installs),
        format!(
            "CONCAT('ins_', :ulid), {WIDGET}, 'amocrm', o.account_id,
             CASE WHEN o.n % 100 = 97 THEN 'reconnect' WHEN o.n % 100 = 96 THEN 'uninstalled'
                  WHEN o.n % 100 > 90 THEN 'inactive' ELSE 'active' END,
             :at, '{{}}', :at, :at"
        ),
    )
}

/// Token pairs of as many installs as pay, none of which is due for years.
fn tokens(volume: Volume) -> Filling {
    Filling::of(
        "install_tokens",
        "install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state",
        Source::Installs(volume.paying()),
        "CONCAT('ins_', :ulid), 'sealed', 'sealed', NOW(6) + INTERVAL 1000 DAY, NOW(6) + INTERVAL 1000 DAY, 'good'",
    )
}

fn accounts(volume: Volume) -> Filling {
    Filling::of(
        "accounts",
        "platform, id, host, name, created_at, updated_at",
        Source::Installs(volume.installs),
        format!("'amocrm', o.account_id, {HOST}, CONCAT('Компания ', o.n), :at, :at"),
    )
}

fn flysense_accounts(volume: Volume) -> Filling {
    Filling::of(
        "flysense_accounts",
        "account_id, install_id, host, status, left_channel, auto, hooks_state, created_at, updated_at",
        Source::Installs(volume.installs),
        format!(
            "o.account_id, CONCAT('ins_', :ulid), {HOST}, 'active', 'operator', FALSE, 'unsubscribed', :at, :at"
        ),
    )
}
