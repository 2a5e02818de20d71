//! The list of wallets.

use chrono::{DateTime, Utc};
use flysk_domain::id::WalletId;
use flysk_store::admin::lists::wallets::{self, WalletFilter, WalletListRow};
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Row};

/// The list of wallets.
pub(crate) struct Wallets;

impl List for Wallets {
    type Filter = WalletFilter;
    type Record = WalletListRow;

    const TITLE: &'static str = "Кошельки";
    const PATH: &'static str = "/wallets";
    const HEAD: &'static [&'static str] = &["Кошелёк", "Аккаунт", "Виджет", "Баланс", "В резерве", "Изменён"];
    const EMPTY: &'static str = "Таких кошельков нет.";

    fn filter(query: &Pairs) -> Result<WalletFilter, Fault> {
        Ok(WalletFilter {
            install_id: query.parsed("install", "Установка")?,
            widget_id: query.parsed("widget", "Виджет")?,
            is_empty: query.is_set("empty"),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::text("install", "Установка").value(value("install")).hint("ins_…"),
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
            Field::check("empty", "Только пустые").value(value("empty")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        WalletId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &WalletFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        wallets::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<WalletListRow>> {
        wallets::rows(conn, ids).await
    }

    fn row(wallet: &WalletListRow) -> Row {
        let href = format!("/wallets/{}", wallet.id);
        let account = wallet.account_name.clone().filter(|name| !name.is_empty());
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, wallet.id),
                Cell::link(
                    format!("/accounts/{}", wallet.account_id),
                    account.unwrap_or_else(|| wallet.account_id.to_string()),
                ),
                Cell::text(wallet.widget_code.clone()),
                Cell::coins(wallet.available()),
                Cell::coins(wallet.held()),
                Cell::time(wallet.updated_at),
            ],
        )
    }
}
