//! amoCRM accounts: list and the page of one account.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_domain::platform::crm::Crm;
use flysk_store::admin::lists::accounts::{self, AccountFilter, AccountRow};
use flysk_store::admin::lists::calls::{self, CallFilter};
use flysk_store::admin::lists::installs::{self, InstallFilter};
use flysk_store::admin::lists::subscriptions::{self, SubscriptionFilter};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::account_renames::{self, AccountRename};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::account_state::{find_in_flysense, state_facts};
use super::calls::Calls;
use super::cards::{self, SavedCards};
use super::installs::Installs;
use super::subscriptions::Subscriptions;
use crate::http::{Billing, Erasing, Fault, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, DetailPage, Field, Labeled, Row, Section, Table};

/// Rows of each table on an account's page.
const ROWS_SHOWN: u32 = 20;

/// The list of accounts.
pub(crate) struct Accounts;

impl List for Accounts {
    type Filter = AccountFilter;
    type Record = AccountRow;

    const TITLE: &'static str = "Аккаунты";
    const PATH: &'static str = "/accounts";
    const HEAD: &'static [&'static str] =
        &["Номер", "Название", "Домен", "Установок", "FlySense", "Появился", "Изменён"];
    const EMPTY: &'static str = "Таких аккаунтов нет.";
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Name, 1), Sort::smallest_first(SortColumn::Domain, 2)];
    const DATED: bool = false;

    fn filter(query: &Pairs) -> Result<AccountFilter, Fault> {
        Ok(AccountFilter {
            crm: query.parsed("platform", "Сервис")?.unwrap_or(Crm::Amocrm),
            host: query.ascii("host").map(|host| host.to_lowercase()),
            name: query.get("name").map(str::to_owned),
        })
    }

    fn can_sort_by(filter: &AccountFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn implied_sort(filter: &AccountFilter) -> Option<SortColumn> {
        filter.implied_sort()
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::choice(
                "platform",
                "Сервис",
                [Crm::Amocrm, Crm::Kommo].map(|crm| (crm.as_str(), crm.as_str())),
            )
            .value(value("platform")),
            Field::text("host", "Домен начинается с").value(value("host")),
            Field::text("name", "Название начинается с").value(value("name")),
        ]
    }

    fn first_id_at(_time: DateTime<Utc>) -> String {
        String::new()
    }

    async fn ids(conn: &mut Conn, filter: &AccountFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        accounts::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<AccountRow>> {
        accounts::rows(conn, ids).await
    }

    fn row(account: &AccountRow) -> Row {
        let href = format!("/accounts/{}", account.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, account.id),
                Cell::text(account.name.clone()),
                Cell::text(account.host.clone()),
                Cell::number(account.installs),
                account.flysense().map_or(Cell::Empty, Labeled::cell),
                Cell::time(account.created_at),
                Cell::time(account.updated_at),
            ],
        )
    }
}

/// `GET /accounts/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: AccountId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let account =
        accounts::rows(&mut conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    let newest = Keyset::newest(ROWS_SHOWN);
    let of_account = InstallFilter { account_id: Some(id), ..InstallFilter::default() };
    let ids = installs::ids(&mut conn, &of_account, &newest).await?;
    let installed = installs::rows(&mut conn, &ids).await?;
    let of_account = CallFilter { account_id: Some(id), ..CallFilter::default() };
    let ids = calls::ids(&mut conn, &of_account, &newest).await?;
    let called = calls::rows(&mut conn, &ids).await?;
    let (mut saved_cards, mut unlinking) = (Vec::new(), Vec::new());
    for install in &installed {
        let saved = SavedCards::of_install(&mut conn, install.id).await?;
        saved_cards.extend(saved.rows());
        unlinking.extend(saved.form());
    }
    let of_account = SubscriptionFilter { account_id: Some(id), ..SubscriptionFilter::default() };
    let ids = subscriptions::ids(&mut conn, &of_account, &newest).await?;
    let subscribed = subscriptions::rows(&mut conn, &ids).await?;
    let far = DateTime::from_timestamp(i64::from(u32::MAX), 0).unwrap_or_default();
    let renames = account_renames::list_before(&mut conn, account.crm, id, far, ROWS_SHOWN).await?;
    let in_flysense = find_in_flysense(&mut conn, account.crm, id).await?;
    drop(conn);
    let title = if account.name.is_empty() { account.host.clone() } else { account.name.clone() };
    let mut page = DetailPage::new(visit.layout(title));
    page.links = vec![Cell::link(format!("/jobs?account={id}"), "Задания аккаунта")];
    let erasure = || Cell::link(format!("/accounts/{id}/erasure"), "Стирание данных");
    page.links.extend(visit.who.may::<Erasing>().then(erasure));
    page.state = in_flysense.as_ref().map(|found| found.status.cell());
    page.facts = facts(&account);
    page.facts.extend(state_facts(&visit.deps, id, in_flysense.as_ref(), &installed).await);
    if visit.who.may::<Billing>() {
        page.acts = unlinking;
    }
    page.sections = vec![
        Section::new(
            "Установки",
            Table::new(Installs::HEAD, installed.iter().map(Installs::row).collect()),
            "Виджеты не установлены.",
        )
        .more(format!("/installs?account={id}")),
        Section::new(
            "Подписки",
            Table::new(Subscriptions::HEAD, subscribed.iter().map(Subscriptions::row).collect()),
            "Подписок нет.",
        )
        .more(format!("/subscriptions?account={id}")),
        cards::section(saved_cards),
        Section::new("Прежние домены и названия", renames_table(&renames), "Аккаунт не переименовывали."),
        Section::new(
            "Последние звонки",
            Table::new(Calls::HEAD, called.iter().map(Calls::row).collect()),
            "Звонков не было.",
        )
        .more(format!("/calls?account={id}")),
    ];
    visit.page(&page)
}

fn facts(account: &AccountRow) -> Vec<(&'static str, Cell)> {
    vec![
        ("Номер", Cell::code(account.id)),
        ("Сервис", Cell::text(account.crm.as_str())),
        ("Домен", Cell::text(account.host.clone())),
        ("Домен подтверждён", Cell::time(account.host_at)),
        ("Появился", Cell::time(account.created_at)),
        ("Изменён", Cell::time(account.updated_at)),
    ]
}

fn renames_table(renames: &[AccountRename]) -> Table {
    let row = |rename: &AccountRename| {
        Row::plain(vec![
            Cell::time(rename.changed_at),
            Cell::text(&rename.former_host),
            Cell::text(&rename.former_name),
        ])
    };
    Table::new(&["Изменён", "Прежний домен", "Прежнее название"], renames.iter().map(row).collect())
}
