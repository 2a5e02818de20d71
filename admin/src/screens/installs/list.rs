//! The list of installs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InstallId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_store::admin::lists::installs::{self, InstallFilter, InstallRow};
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// Statuses for a filter.
const STATUSES: [InstallStatus; 5] = [
    InstallStatus::Active,
    InstallStatus::Inactive,
    InstallStatus::Reconnect,
    InstallStatus::Installing,
    InstallStatus::Uninstalled,
];

/// The list of installs.
pub(crate) struct Installs;

impl List for Installs {
    type Filter = InstallFilter;
    type Record = InstallRow;

    const TITLE: &'static str = "Установки";
    const PATH: &'static str = "/installs";
    const HEAD: &'static [&'static str] =
        &["Создана", "Установка", "Аккаунт", "Домен", "Виджет", "Состояние", "Изменена"];
    const EMPTY: &'static str = "Таких установок нет.";

    fn filter(query: &Pairs) -> Result<InstallFilter, Fault> {
        Ok(InstallFilter {
            status: query.parsed("status", "Состояние")?,
            widget_id: query.parsed("widget", "Виджет")?,
            account_id: query.parsed("account", "Аккаунт")?,
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("status", "Состояние", STATUSES.map(|status| (status.as_str(), status.label())))
                .value(value("status")),
            Field::text("account", "Аккаунт").value(value("account")),
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        InstallId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &InstallFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        installs::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<InstallRow>> {
        installs::rows(conn, ids).await
    }

    fn row(install: &InstallRow) -> Row {
        let href = format!("/installs/{}", install.id);
        let account = install.account_name.clone().filter(|name| !name.is_empty());
        Row::linked(
            href.clone(),
            vec![
                Cell::time(install.created_at),
                Cell::link(href, install.id),
                Cell::link(
                    format!("/accounts/{}", install.account_id),
                    account.unwrap_or_else(|| install.account_id.to_string()),
                ),
                Cell::maybe(install.host.clone()),
                Cell::link(format!("/widgets/{}", install.widget_id), &install.widget_code),
                install.status.cell(),
                Cell::time(install.updated_at),
            ],
        )
    }
}
