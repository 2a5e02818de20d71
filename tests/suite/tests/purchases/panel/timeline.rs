//! The timeline of an install: no page loses an entry at its edge, and operators' acts on what the install has are told.

use std::ops::Range;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use flysk_domain::id::JobId;
use flysk_domain::{Clock as _, TextEnum as _};
use flysk_store::platform::vendors;
use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, MySqlPool};

use super::harness::{Panel, Signed, value_of};
use super::subscriptions::subscription;
use super::{bought, call_audio};

/// Entries of one millisecond in each test: more than a page shows.
const OF_INSTANT: u32 = 130;
/// Entries of a second before.
const OLDER: u32 = 20;
/// Most pages of a timeline in these tests.
const MAX_PAGES: usize = 50;

/// Number of entries on all pages of a timeline.
async fn count_entries(signed: &Signed<'_>, path: &str) -> usize {
    let (mut path, mut entries) = (path.to_owned(), 0);
    for _ in 0..MAX_PAGES {
        let page = signed.page(&path).await;
        entries += page.matches("<li><time").count();
        let Some(older) = page.split("rel=\"next\" href=\"").nth(1) else { return entries };
        path = older.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    panic!("{path} has no last page");
}

/// Inserts rows of one time, numbered by `numbers`. In the statement, `:series` stands for a table of the numbers `n`, `:number`
/// for the row's, `:at` for the time, and `:ulid` for the part of its id after the prefix.
async fn insert(panel: &Panel, statement: &str, at: DateTime<Utc>, numbers: Range<u32>) {
    let series: Vec<String> = numbers.map(|number| format!("SELECT {number} AS n")).collect();
    let first = JobId::first_at(at).to_string();
    let ulid = format!("CONCAT('{}', LPAD(numbers.n, 16, '0'))", &first[4..14]);
    let statement = statement
        .replace(":ulid", &ulid)
        .replace(":number", "numbers.n")
        .replace(":series", &series.join(" UNION ALL "))
        .replace(":at", &format!("CAST('{}' AS DATETIME(6))", at.format("%Y-%m-%d %H:%M:%S%.6f")));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&panel.app.pool).await.unwrap();
}

/// A statement for [`insert`] that copies a row of a table, with other values in some columns.
async fn copying(panel: &Panel, table: &str, template: &str, own: &[(&str, &str)]) -> String {
    let id: String = sqlx::query_scalar(AssertSqlSafe(template.to_owned()))
        .fetch_one(&panel.app.pool)
        .await
        .unwrap_or_else(|error| panic!("{template}: {error}"));
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(column_name AS CHAR) AS name FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(&panel.app.pool)
    .await
    .unwrap();
    let value = |column: &String| {
        let own = own.iter().find(|(name, _)| name == column);
        own.map_or_else(|| format!("original.`{column}`"), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    format!(
        "INSERT INTO {table} (`{}`) SELECT {} FROM {table} AS original JOIN (:series) AS numbers WHERE original.id = '{id}'",
        columns.join("`, `"),
        values.join(", ")
    )
}

/// Kinds whose rows are copies of what the product has written.
async fn copied(panel: &Panel) -> Vec<(&'static str, String)> {
    let (id, account) = (panel.app.install().await.id, panel.app.install().await.account_id);
    call_audio::insert_call(panel).await;
    let event = format!("SELECT MAX(id) FROM lifecycle_events WHERE install_id = '{id}'");
    // Events are published some time after what they tell of.
    let event_columns = [
        ("id", "CONCAT('evt_', :ulid)"),
        ("number", "1000000 + :number"),
        ("sequence", "1000000 + :number"),
        ("happened_at", ":at - INTERVAL 2 MINUTE"),
    ];
    let call_columns = [("id", "CONCAT('tr_', :ulid)"), ("note_id", "1000 + :number"), ("created_at", ":at")];
    let coins = format!("SELECT MAX(id) FROM ledger_transactions WHERE wallet_id = '{}'", panel.app.wallet);
    let coins_columns = [("id", "CONCAT('ltx_', :ulid)"), ("created_at", ":at")];
    let purchase_columns = [
        ("id", "CONCAT('pur_', :ulid)"),
        ("idem_key", "CONCAT('copy-', :number)"),
        ("order_id", "CONCAT('copy-', :number)"),
        ("payment_id", "CONCAT('77', :number)"),
        ("created_at", ":at"),
    ];
    let payment_columns = [
        ("id", "CONCAT('ipm_', :ulid)"),
        ("open_slot", "NULL"),
        ("payment_id", "CONCAT('78', :number)"),
        ("created_at", ":at"),
    ];
    let tenant = format!("'{account}'");
    let job_columns = [
        ("id", "CONCAT('job_', :ulid)"),
        ("waiting_key", "NULL"),
        ("tenant", tenant.as_str()),
        ("created_at", ":at"),
    ];
    let call = "SELECT MAX(id) FROM transcriptions";
    let done = "SELECT MAX(id) FROM jobs WHERE state = 'done'";
    let purchase = "SELECT MAX(id) FROM coin_purchases";
    let payment = "SELECT MAX(id) FROM invoice_payments";
    vec![
        ("event", copying(panel, "lifecycle_events", &event, &event_columns).await),
        ("call", copying(panel, "transcriptions", call, &call_columns).await),
        ("coins", copying(panel, "ledger_transactions", &coins, &coins_columns).await),
        ("purchase", copying(panel, "coin_purchases", purchase, &purchase_columns).await),
        ("payment", copying(panel, "invoice_payments", payment, &payment_columns).await),
        ("job", copying(panel, "jobs", done, &job_columns).await),
    ]
}

/// Kinds whose rows are written here.
async fn written(panel: &Panel) -> Vec<(&'static str, String)> {
    let install = panel.app.install().await;
    let (id, account, crm) = (install.id, install.account_id, install.crm.as_str());
    let subscription = subscription(panel).await.id;
    let widget = panel.app.widget().await.id;
    let vendor = vendors::find_vendor_of_widget(&mut *panel.app.conn().await, widget).await;
    let vendor = vendor.unwrap().unwrap().id;
    sqlx::query(
        "INSERT INTO flysense_accounts (account_id, install_id, host, status, left_channel, auto, hooks_state, created_at, updated_at)
         VALUES (?, ?, 'demo.amocrm.ru', 'active', 'operator', TRUE, 'subscribed', NOW(6), NOW(6))",
    )
    .bind(account.0)
    .bind(id.to_string())
    .execute(&panel.app.pool)
    .await
    .unwrap();
    let rows = [
        (
            "access",
            "account_renames (platform, account_id, changed_at, former_host, former_name)",
            format!("'{crm}', {account}, :at + INTERVAL :number MICROSECOND, 'old.amocrm.ru', ''"),
        ),
        (
            "token",
            "token_audit (install_id, reader, purpose, correlation_id, read_at)",
            format!("'{id}', 'reader', 'background', 'test', :at"),
        ),
        (
            "hook",
            "flysense_hooks (id, account_id, body, state, received_at)",
            format!("CONCAT('hok_', :ulid), {account}, 'x', 'ingested', :at"),
        ),
        (
            "settings",
            "settings_history (install_id, version, settings, changed_by, changed_at)",
            format!("'{id}', 1000 + :number, '{{}}', 'test', :at"),
        ),
        (
            "subscription",
            "subscription_actions (subscription_id, actor, action, details, acted_at)",
            format!("'{subscription}', 'system', 'test', '{{}}', :at"),
        ),
        (
            "transfer",
            "transfer_invoices (id, vendor_id, number, install_id, widget_id, pays_purchase_id, state, payer_name, payer_inn,
                                email_sealed, title, purpose, total_kopecks, amount_kopecks, vat, issued_on, due_on, requested_by,
                                created_at, updated_at)",
            format!(
                "CONCAT('tin_', :ulid), '{vendor}', 1000000 + :number, '{id}', '{widget}', CONCAT('pur_', :ulid), 'paid', 'ООО «Ромашка»',
                 '7707083893', '', 'Flycoins', 'Flycoins', 100, 100, 'none', DATE(:at), DATE(:at), 'system', :at, :at"
            ),
        ),
        (
            "act",
            "audit_log (id, operator_login, action, subject_kind, subject_id, reason, address, correlation_id, happened_at)",
            format!("CONCAT('aud_', :ulid), 'anna', 'install.switch_on', 'install', '{id}', '', '127.0.0.1', 'test', :at"),
        ),
    ];
    rows.map(|(kind, into, values)| {
        (kind, format!("INSERT INTO {into} SELECT {values} FROM (:series) AS numbers"))
    })
    .into()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_entry_of_an_instant_is_lost_between_two_pages(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    panel.app.paid().await;
    bought::paid(&panel, &signed, "1").await;
    let mut sources = copied(&panel).await;
    sources.extend(written(&panel).await);
    let path = format!("/installs/{}/timeline", panel.app.install().await.id);
    let whole = signed.page(&path).await;
    let kinds = whole.split("/timeline?kind=").skip(1).filter_map(|rest| rest.split('"').next());
    let kinds: Vec<String> = kinds.map(str::to_owned).collect();
    for kind in &kinds {
        // Handshakes of one instant are one entry.
        let is_tried = kind == "handshake" || sources.iter().any(|(tried, _)| tried == kind);
        assert!(is_tried, "no rows of the kind {kind}");
    }
    // Newer than all other entries, so that a page ends among them.
    let at = (panel.app.clock.now() + TimeDelta::hours(1)).trunc_subsecs(3);
    let added = usize::try_from(OF_INSTANT + OLDER).unwrap();
    for (kind, statement) in &sources {
        let of_kind = format!("{path}?kind={kind}");
        let before = count_entries(&signed, &of_kind).await;
        insert(&panel, statement, at - TimeDelta::seconds(1), 0..OLDER).await;
        insert(&panel, statement, at, 100..100 + OF_INSTANT).await;
        assert_eq!(count_entries(&signed, &of_kind).await, before + added, "{kind}");
    }
    let (mut sum, mut by_themselves) = (0, 0);
    for kind in &kinds {
        let count = count_entries(&signed, &format!("{path}?kind={kind}")).await;
        if ["job", "hook"].contains(&kind.as_str()) {
            by_themselves += count;
        } else {
            sum += count;
        }
    }
    assert_eq!(count_entries(&signed, &path).await, sum, "all kinds on the same pages");
    let all = count_entries(&signed, &format!("{path}?whole=yes")).await;
    assert_eq!(all, sum + by_themselves, "the jobs and the webhooks as well");
    // More entries of a millisecond than are read at first.
    let (_, tokens) = sources.iter().find(|(kind, _)| *kind == "token").unwrap();
    insert(&panel, tokens, at + TimeDelta::seconds(1), 1_000..2_000).await;
    let newest = signed.page(&format!("{path}?kind=token")).await;
    assert_eq!(newest.matches("<li><time").count(), 1_000);
}

/// The page needs nothing older than its own entries, and still knows that there is something.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_that_one_kind_fills_leads_to_the_older_entries_of_the_others(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    panel.app.paid().await;
    let install = panel.app.install().await;
    let path = format!("/installs/{}/timeline", install.id);
    let before = count_entries(&signed, &path).await;
    assert!(before > 2, "access, coins, a purchase");
    let renames = format!(
        "INSERT INTO account_renames (platform, account_id, changed_at, former_host, former_name)
         SELECT '{}', {}, :at + INTERVAL :number MICROSECOND, 'old.amocrm.ru', '' FROM (:series) AS numbers",
        install.crm.as_str(),
        install.account_id
    );
    let tokens = format!(
        "INSERT INTO token_audit (install_id, reader, purpose, correlation_id, read_at)
         SELECT '{}', 'reader', 'background', 'test', :at FROM (:series) AS numbers",
        install.id
    );
    let at = (panel.app.clock.now() + TimeDelta::hours(1)).trunc_subsecs(3);
    let mut added = 0;
    // As many as the first reading of a kind takes, in one millisecond: one page. Both kinds in the order in which they are read, and the
    // other way round.
    for (hours, statement) in [(1, &renames), (2, &tokens), (3, &renames)] {
        insert(&panel, statement, at + TimeDelta::hours(hours), 0..101).await;
        added += 101;
        let newest = signed.page(&path).await;
        assert_eq!(newest.matches("<li><time").count(), 101);
        assert!(newest.contains("rel=\"next\""), "{newest}");
        assert_eq!(count_entries(&signed, &path).await, before + added);
    }
}

/// No page links to such times, but anyone may write them into the address.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn times_that_the_database_lacks_are_refused(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = format!("/installs/{}/timeline", panel.app.install().await.id);
    for micros in [i64::MAX, 8_000_000_000_000_000_000, -100_000_000_000_000_000] {
        let answer = panel.get_as(&signed.cookie, &format!("{path}?before={micros}")).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{micros}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn acts_on_the_wallet_the_subscription_and_the_account_are_in_the_timeline(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    bought::ordered(&panel, &signed, "1").await;
    let wallet = format!("/wallets/{}", panel.app.wallet);
    let key = value_of(&signed.page(&wallet).await, "key");
    let credit = [
        ("amount", "12"),
        ("shown", "Извините за сбой"),
        ("days", ""),
        ("key", key.as_str()),
        ("reason", "Обращение 17"),
    ];
    signed.act(&format!("{wallet}/credit"), &credit).await;
    let install = panel.app.install().await;
    let rows = "INSERT INTO audit_log (id, operator_login, action, subject_kind, subject_id, reason, address, correlation_id, happened_at)
         SELECT CONCAT('aud_', :ulid), 'anna', 'test', ";
    let from = "'127.0.0.1', 'test', :at FROM (:series) AS numbers";
    for (numbers, kind, subject, reason) in [
        (1..2, "account", install.account_id.to_string(), "Просьба клиента"),
        (2..3, "account", "7".to_owned(), "Другой клиент"),
        (3..4, "wallet", "wal_00000000000000000000000000".to_owned(), "Чужой кошелёк"),
    ] {
        let statement = format!("{rows}'{kind}', '{subject}', '{reason}', {from}");
        insert(&panel, &statement, panel.app.clock.now(), numbers).await;
    }
    let acts = signed.page(&format!("/installs/{}/timeline?kind=act", install.id)).await;
    // That of the subscription is from its order.
    for told in ["Обращение 17", "Просьба клиента", "По договору"] {
        assert!(acts.contains(told), "{told}: {acts}");
    }
    assert!(!acts.contains("Другой клиент") && !acts.contains("Чужой кошелёк"), "{acts}");
}
