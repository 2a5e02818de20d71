//! Purchases of Flycoins, subscriptions with invoices, payments and receipts, and what the bank told.

use super::Volume;
use super::customers::WIDGET;
use super::plan::{Filling, Source};

/// Terminal at the bank.
const TERMINAL: &str = "'BENCH'";
/// Discrepancies with the bank; a deployment has few.
const DISCREPANCIES: i64 = 1_000;

/// Rows that others refer to.
pub(super) fn single_rows() -> Vec<String> {
    vec![
        "INSERT INTO coin_packages (id, widget_id, code, version, title, price_kopecks, coins_micro, active, created_at)
         VALUES ('pkg_00000000000000000000000000', 'wgt_00000000000000000000000000', 'bench', 1, 'Стартовый', 50000,
                 500000000, TRUE, NOW(6))"
            .to_owned(),
        "INSERT INTO subscription_plans (id, widget_id, code, version, title, month_kopecks, min_seats, currency, features,
                                         active, created_at)
         VALUES ('pln_00000000000000000000000000', 'wgt_00000000000000000000000000', 'bench', 1, 'Базовый', 99000, 1, 'RUB',
                 '{}', TRUE, NOW(6))"
            .to_owned(),
    ]
}

/// Rows of each table.
pub(super) fn fillings(volume: Volume) -> Vec<Filling> {
    vec![
        purchases(volume),
        subscriptions(volume),
        invoices(volume),
        payments(volume),
        Filling::of(
            "invoice_receipts",
            "id, invoice_id, payment_row_id, due_at, state, created_at, updated_at",
            Source::Installs(volume.paying()),
            "CONCAT('rcp_', :ulid), CONCAT('inv_', :ulid), CONCAT('ipm_', :ulid), :at + INTERVAL 1 MONTH,
             IF(o.n % 1000 = 999, 'unclear', 'sent'), :at, :at",
        ),
        Filling::of(
            "tbank_notifications",
            "id, terminal_key, payment_id, order_id, status, amount_kopecks, error_code, body_sealed, state, received_at,
             applied_at",
            Source::Spread(volume.paying()),
            format!(
                "CONCAT('ntf_', :ulid), {TERMINAL}, 7000000000 + :n, CONCAT('ipm_', o.ulid), 'CONFIRMED', 99000, '0', 'sealed',
                 IF(:n % 1000 < 3, 'ignored', 'applied'), :at, :at"
            ),
        ),
        Filling::of(
            "tbank_discrepancies",
            "id, day, kind, order_id, ours, banks, found_at",
            Source::Spread(DISCREPANCIES.min(volume.paying())),
            "CONCAT('dsc_', :ulid), DATE(:at), 'amount', CONCAT('pur_', :ulid), '500', '499', :at",
        ),
    ]
}

fn purchases(volume: Volume) -> Filling {
    Filling::of(
        "coin_purchases",
        "id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro, state, discrepancy, terminal_key, order_id,
         payment_id, contact_sealed, contact_hash, save_card, credited_at, created_at, updated_at",
        Source::Spread(volume.paying()),
        format!(
            "CONCAT('pur_', :ulid), CONCAT('wal_', o.ulid), 'pkg_00000000000000000000000000', 50000, 500000000, 0,
             CASE WHEN :n % 1000 < 5 THEN 'review' WHEN :n % 1000 < 30 THEN 'failed' WHEN :n % 1000 < 35 THEN 'awaiting'
                  ELSE 'paid' END,
             IF(:n % 1000 < 5, 'contradiction', NULL), {TERMINAL}, CONCAT('pur_', :ulid), 5000000000 + :n, 'sealed',
             UNHEX(SHA2(CONCAT('buyer ', :n % 1000), 256)), FALSE,
             IF(:n % 1000 < 35, NULL, :at), :at, :at"
        ),
    )
}

fn subscriptions(volume: Volume) -> Filling {
    Filling::of(
        "subscriptions",
        "id, install_id, widget_id, platform, account_id, state, plan_id, seat_kopecks, seats, months, anchor_day, period_no,
         period_from, period_until, needs_person, created_at, updated_at",
        Source::Installs(volume.paying()),
        format!(
            "CONCAT('sub_', :ulid), CONCAT('ins_', :ulid), {WIDGET}, 'amocrm', o.account_id,
             CASE WHEN o.n % 100 < 10 THEN 'trialing' WHEN o.n % 100 < 15 THEN 'past_due' WHEN o.n % 100 < 25 THEN 'expired'
                  WHEN o.n % 100 < 30 THEN 'cancelled' ELSE 'active' END,
             'pln_00000000000000000000000000', 99000, 1, 1, 1, 1, DATE(:at), DATE(:at + INTERVAL 1 MONTH), o.n % 1000 = 999,
             :at, :at"
        ),
    )
}

fn invoices(volume: Volume) -> Filling {
    Filling::of(
        "subscription_invoices",
        "id, subscription_id, install_id, widget_id, vendor_id, kind, state, period_slot, open_slot, plan_id, seat_kopecks,
         seats, months, period_no, period_from, period_until, zone, title, lines_json, total_kopecks, contact_hash, paid_at, paid_by,
         created_at, updated_at",
        Source::Installs(volume.paying()),
        format!(
            "CONCAT('inv_', :ulid), CONCAT('sub_', :ulid), CONCAT('ins_', :ulid), {WIDGET}, 'vnd_00000000000000000000000000',
             CASE WHEN o.n % 1000 = 999 THEN 'change' WHEN o.n % 3 = 0 THEN 'start' ELSE 'renewal' END,
             CASE WHEN o.n % 50 = 49 THEN 'open' WHEN o.n % 50 = 48 THEN 'void' ELSE 'paid' END,
             1, IF(o.n % 50 = 49, 1, NULL), 'pln_00000000000000000000000000', 99000, 1, 1, 1, DATE(:at),
             DATE(:at + INTERVAL 1 MONTH), 'Europe/Moscow', 'Базовый, 1 место, 1 месяц', '[]', 99000, '',
             IF(o.n % 50 < 48, :at, NULL), IF(o.n % 50 < 48, 'card', NULL), :at, :at"
        ),
    )
}

fn payments(volume: Volume) -> Filling {
    Filling::of(
        "invoice_payments",
        "id, invoice_id, subscription_id, install_id, kind, state, is_automatic, save_card, terminal_key, amount_kopecks,
         payment_id, bank_status, paid_at, created_at, updated_at",
        Source::Installs(volume.paying()),
        format!(
            "CONCAT('ipm_', :ulid), CONCAT('inv_', :ulid), CONCAT('sub_', :ulid), CONCAT('ins_', :ulid),
             IF(o.n % 3 = 0, 'form', 'charge'),
             CASE WHEN o.n % 1000 = 999 THEN 'review' WHEN o.n % 1000 > 960 THEN 'failed' ELSE 'paid' END,
             o.n % 3 <> 0, o.n % 3 = 0, {TERMINAL}, 99000, 6000000000 + o.n, 'CONFIRMED', IF(o.n % 1000 > 960, NULL, :at), :at,
             :at"
        ),
    )
}
