//! Rows that the benchmark's database lacks: many of one install, and tables that it leaves empty.

use flysk_store::Pool;
use flysk_suite::bench::fill::Filled;
use sqlx::AssertSqlSafe;

/// Gives a third of many rows to one install, and fills the tables that the benchmark leaves empty.
pub(super) async fn write(pool: &Pool, filled: &Filled) {
    let install = filled.busy_install;
    let wallet: String = sqlx::query_scalar("SELECT id FROM wallets WHERE install_id = ?")
        .bind(install.to_string())
        .fetch_one(pool)
        .await
        .unwrap();
    let third = "RIGHT(id, 1) IN ('0', '3', '6')";
    let statements = [
        format!(
            "UPDATE lifecycle_events e
             JOIN (SELECT id, ROW_NUMBER() OVER (ORDER BY id) + 1000000 AS number FROM lifecycle_events WHERE {third}) chosen
               ON chosen.id = e.id
             SET e.install_id = '{install}', e.sequence = chosen.number"
        ),
        format!("UPDATE coin_purchases SET wallet_id = '{wallet}' WHERE {third}"),
        format!("UPDATE subscription_invoices SET install_id = '{install}' WHERE {third}"),
        format!("UPDATE invoice_payments SET install_id = '{install}' WHERE {third}"),
        format!(
            "UPDATE audit_log SET subject_id = '{install}', operator_id = 'opr_00000000000000000000000000' WHERE {third}"
        ),
        format!(
            "INSERT INTO transfer_invoices (id, vendor_id, number, install_id, widget_id, pays_invoice_id, state, payer_name,
                                            payer_inn, email_sealed, title, purpose, total_kopecks, amount_kopecks, vat,
                                            issued_on, due_on, requested_by, created_at, updated_at)
             SELECT CONCAT('tin_', SUBSTRING(id, 5)), (SELECT MIN(v.id) FROM vendors v), ROW_NUMBER() OVER (ORDER BY id),
                    install_id, widget_id, id, IF(RIGHT(id, 2) = '77', 'issued', 'paid'), 'ООО «Ромашка»',
                    IF({third}, '7707083893', '7736050003'), '', title, title, total_kopecks, total_kopecks, 'none',
                    DATE(created_at), DATE(created_at) + INTERVAL 7 DAY, 'system', created_at, updated_at
             FROM subscription_invoices"
        ),
        "INSERT INTO bulk_acts (id, operator_id, operator_login, action, list, query, state, expected, reason, address,
                                correlation_id, requested_at)
         VALUES ('blk_00000000000000000000000000', 'opr_00000000000000000000000000', 'bench', 'event.replay', '/events', '', 'done',
                 1, 'Проверка', '127.0.0.1', 'bench', NOW(6))"
            .to_owned(),
        "INSERT INTO bulk_act_results (id, bulk_act_id, subject_id, outcome, detail, happened_at)
         SELECT CONCAT('blr_', SUBSTRING(id, 5)), 'blk_00000000000000000000000000', id, IF(RIGHT(id, 2) = '77', 'refused', 'done'),
                '', happened_at FROM lifecycle_events"
            .to_owned(),
        api_errors(third),
        "ANALYZE TABLE lifecycle_events, coin_purchases, subscription_invoices, invoice_payments, audit_log, transfer_invoices,
                       bulk_act_results, api_call_errors"
            .to_owned(),
    ];
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
}

/// Errors of two widgets, a rare one among those of a loop.
fn api_errors(third: &str) -> String {
    let rare = "RIGHT(id, 2) = '73'";
    format!(
        "INSERT INTO api_call_errors (widget_id, happened_at, operation, status, code, detail, request_id)
         SELECT IF({third}, 'wgt_00000000000000000000000007', 'wgt_00000000000000000000000008'), created_at,
                IF({rare}, 'getInstall', 'chargeFlycoins'), IF({rare}, 404, 402),
                IF({rare}, 'install_not_found', 'insufficient_balance'), '', correlation_id
         FROM jobs"
    )
}
