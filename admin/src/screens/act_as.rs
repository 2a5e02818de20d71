//! An install as the administrator of its account sees it: links to the hosted pages, and what the widget shows. Begun with a
//! reason, read-only, for half an hour; it ends with the operator's session, whose cookie is replaced at its beginning and its end.

use chrono::SecondsFormat;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{ActAsId, InstallId, OperatorId};
use flysk_services::act_as::{ACT_AS_TTL, act_as_link};
use flysk_services::subscriptions::load_details;
use flysk_store::admin::act_as::{self, ActAs};
use flysk_store::admin::lists::calls::{self as listed, CallFilter};
use flysk_store::admin::sessions;
use flysk_store::flysense::accounts as flysense_accounts;
use flysk_store::flysense::activation::bindings::{self, BindingRow};
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::ledger::{self, HistoryFilter, HistoryOf, TransactionRow};
use flysk_store::platform::{accounts, subscriptions, widgets};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use super::calls::Calls;
use crate::http::{Fault, Proving, Record, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::sign_in::session;
use crate::view::{Cell, DetailPage, Form, Labeled as _, Row, Section, Table, codes, format, labels};

/// Transactions on the page.
const TRANSACTIONS_SHOWN: u32 = 20;
/// Calls on the page.
const CALLS_SHOWN: u32 = 10;
/// Acts in the audit log.
const BEGIN: &str = "install.act_as";
const END: &str = "install.act_as_end";

fn path(id: InstallId) -> String {
    format!("/installs/{id}/as-customer")
}

/// The form that begins a view.
pub(super) fn form(id: InstallId) -> Form {
    Form::act(format!("/installs/{id}/act-as"), "Посмотреть от имени аккаунта", "Посмотреть")
        .text("Страницы оплаты и виджет, как их видит администратор аккаунта: 30 минут, только чтение. Причина останется в журнале.")
}

/// `POST /installs/:id/act-as`. Another view of the same session ends.
pub(crate) async fn begin(visit: Visit<Proving>) -> Result<Response, Fault> {
    let (id, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    installs::find(&mut *visit.deps.read().await?, id).await?.ok_or(Fault::NotFound)?;
    let now = visit.deps.clock().now();
    let acting = ActAs {
        id: ActAsId::generate(visit.deps.clock()),
        session_id: visit.who.session.id,
        operator_id: visit.who.id,
        operator_login: visit.who.login.clone(),
        install_id: id,
        started_at: now,
        until_at: now + ACT_AS_TTL,
    };
    let (token, token_hash) = session::fresh_token(&visit.deps);
    let write = || async {
        let mut act = visit.begin().await?;
        // First: of two beginnings at once, one waits for this row, and then ends the view of the other.
        sessions::replace_token(&mut act, acting.session_id, &token_hash).await?;
        act_as::end_of_session(&mut act, acting.session_id, now).await?;
        act_as::insert(&mut act, &acting).await?;
        act.commit(Record {
            action: BEGIN,
            subject: ("install", id.to_string()),
            reason,
            before: Value::Null,
            after: audit_fields(&acting),
        })
        .await
    };
    repeat_contended(write).await?;
    let mut response = visit.done(&path(id), "Просмотр начат и записан в журнал.");
    session::remember::<OperatorId>(&visit.deps, &mut response, &token);
    Ok(response)
}

/// A view in the audit log: it ends at `until` at the latest.
fn audit_fields(acting: &ActAs) -> Value {
    json!({ "view": acting.id, "until": acting.until_at.to_rfc3339_opts(SecondsFormat::Secs, true) })
}

/// `POST /installs/:id/act-as-end`.
pub(crate) async fn end(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InstallId = visit.request.id()?;
    let (session_id, now) = (visit.who.session.id, visit.deps.clock().now());
    let (token, token_hash) = session::fresh_token(&visit.deps);
    let write = || async {
        let mut act = visit.begin().await?;
        let acting = act_as::find_of_session(&mut act, session_id, id, now).await?;
        let acting = acting.ok_or_else(|| Fault::conflict("Просмотр уже закончен."))?;
        act_as::end(&mut act, acting.id, now).await?;
        sessions::replace_token(&mut act, session_id, &token_hash).await?;
        act.commit(Record {
            action: END,
            subject: ("install", id.to_string()),
            reason: "",
            before: audit_fields(&acting),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(write).await?;
    let mut response = visit.done(&format!("/installs/{id}"), "Просмотр закончен.");
    session::remember::<OperatorId>(&visit.deps, &mut response, &token);
    Ok(response)
}

/// `GET /installs/:id/as-customer`: what the widget shows to an administrator, and links to the hosted pages.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InstallId = visit.request.id()?;
    let now = visit.deps.clock().now();
    let mut conn = visit.deps.read().await?;
    let acting = act_as::find_of_session(&mut conn, visit.who.session.id, id, now).await?;
    let acting = acting.ok_or_else(|| {
        Fault::conflict("Просмотр не начат или закончен. Начните его на странице установки.")
    })?;
    let install = installs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
    let host = account.map_or_else(|| install.account_id.to_string(), |account| account.host);
    let mut page = DetailPage::new(visit.layout(format!("Глазами клиента: {host}")));
    page.state = Some(install.status.cell());
    page.links = vec![Cell::link(format!("/installs/{id}"), "К установке")];
    for (hosted, title) in [("flycoins", "Страница Flycoins"), ("subscription", "Страница подписки")]
    {
        let link = act_as_link(&visit.deps.config.http.public_url, &visit.deps.keyring, acting.id, hosted)
            .ok_or_else(|| Fault::internal("cannot seal a link"))?;
        page.links.push(Cell::link(link, title));
    }
    let until = format::moscow(acting.until_at);
    page.banner = Some(format!("Просмотр от имени администратора {host}: только чтение, до {until}."));
    page.blocks = vec![("Настройки", Cell::json(install.settings.as_str()))];
    page.acts = vec![
        Form::act(format!("/installs/{id}/act-as-end"), "Закончить просмотр", "Закончить").without_reason(),
    ];
    let (facts, latest) = money(&mut conn, &install).await?;
    page.facts = facts;
    page.facts.extend(subscription(&mut conn, &visit, &install).await?);
    let (facts, people) = activation(&mut conn, &install).await?;
    page.facts.extend(facts);
    page.sections = vec![
        Section::new("Последние звонки", calls_table(&mut conn, &install).await?, "Звонков не было."),
        Section::new("Операции с Flycoins", transactions_table(&latest), "Операций ещё не было."),
        Section::new("Кто включал через мессенджеры", people_table(&people), "Никто не привязан."),
    ];
    visit.page(&page)
}

/// Facts of a page, and rows of its table.
type Shown<T> = (Vec<(&'static str, Cell)>, Vec<T>);

/// Balance, held coins and the latest transactions.
async fn money(conn: &mut Conn, install: &Install) -> Result<Shown<TransactionRow>, Fault> {
    let Some(wallet) = ledger::find_wallet_of_install(conn, install.id).await? else {
        return Ok((vec![("Баланс", Cell::text("кошелька нет"))], Vec::new()));
    };
    let filter = HistoryFilter::default();
    let owner = HistoryOf::Wallet(wallet.id);
    let latest = ledger::list_transactions(conn, owner, &filter, None, TRANSACTIONS_SHOWN).await?;
    let facts = vec![("Баланс", Cell::coins(wallet.available)), ("В резерве", Cell::coins(wallet.held))];
    Ok((facts, latest))
}

/// State and access of the subscription.
async fn subscription(
    conn: &mut Conn,
    visit: &Visit<Support>,
    install: &Install,
) -> Result<Vec<(&'static str, Cell)>, Fault> {
    let Some(row) = subscriptions::find_subscription_of_install(conn, install.id).await? else {
        return Ok(vec![("Подписка", Cell::text("нет"))]);
    };
    let widget = widgets::find(conn, install.widget_id).await?.ok_or(Fault::NotFound)?;
    let details = load_details(conn, &widget, row, visit.deps.clock().now()).await?;
    let level = labels::label_of(&codes::ACCESS_LEVELS, details.access.level.as_str());
    Ok(vec![
        ("Подписка", details.row.subscription.state.cell()),
        ("Доступ", Cell::text(level)),
        ("Доступ до", Cell::time(details.access.until)),
    ])
}

/// Automatic transcription and activation of FlySense, as FlySense knows them.
async fn activation(conn: &mut Conn, install: &Install) -> Result<Shown<BindingRow>, Fault> {
    let Some(account) = flysense_accounts::find_by_install(conn, install.id).await? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let people = bindings::list_of_account(conn, account.account_id).await?;
    let facts = vec![
        ("Автоматическая расшифровка", Cell::flag(account.auto)),
        ("Включена с", Cell::time(account.auto.then_some(account.auto_since))),
        ("Активирован через мессенджер", Cell::flag(!people.is_empty())),
    ];
    Ok((facts, people))
}

/// The latest calls of FlySense with their states; none for other widgets.
async fn calls_table(conn: &mut Conn, install: &Install) -> Result<Table, Fault> {
    let account = flysense_accounts::find_by_install(conn, install.id).await?.map(|row| row.account_id);
    let Some(account) = account else { return Ok(Table::new(Calls::HEAD, Vec::new())) };
    let filter = CallFilter { account_id: Some(account), ..CallFilter::default() };
    let ids = listed::ids(conn, &filter, &Keyset::newest(CALLS_SHOWN)).await?;
    let rows = listed::rows(conn, &ids).await?;
    Ok(Table::new(Calls::HEAD, rows.iter().map(Calls::row).collect()))
}

fn transactions_table(latest: &[TransactionRow]) -> Table {
    let row = |transaction: &TransactionRow| {
        Row::plain(vec![
            Cell::time(transaction.at),
            Cell::text(transaction.kind.label()),
            Cell::coins(transaction.available),
            Cell::coins(transaction.held),
            Cell::maybe(transaction.reference.clone()),
        ])
    };
    Table::new(&["Когда", "Вид", "Баланс", "Резерв", "Назначение"], latest.iter().map(row).collect())
}

/// Telephone numbers as the widget shows them, with their middle hidden.
fn people_table(people: &[BindingRow]) -> Table {
    let row = |binding: &BindingRow| {
        Row::plain(vec![
            Cell::text(binding.messenger.as_str()),
            Cell::text(binding.phone_masked.clone()),
            Cell::time(binding.consented_at),
        ])
    };
    Table::new(&["Мессенджер", "Телефон", "Когда"], people.iter().map(row).collect())
}
