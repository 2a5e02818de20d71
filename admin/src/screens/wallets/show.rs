//! The page of one wallet: balance, lots, holds, latest transactions, purchases.

use flysk_domain::id::WalletId;
use flysk_domain::platform::ledger::Lot;
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use flysk_store::admin::lists::wallets;
use flysk_store::platform::ledger::{self, HistoryFilter, HoldRow, TransactionRow};
use poem::Response;

use super::compensate::form;
use crate::http::{Billing, Fault, Support, Visit};
use crate::lists::{Keyset, List as _};
use crate::screens::purchases::Purchases;
use crate::view::{Cell, DetailPage, Labeled as _, Row, Section, Table};

/// Rows of each table.
const ROWS_SHOWN: u32 = 30;

/// `GET /wallets/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: WalletId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let wallet =
        wallets::rows(&mut conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    let lots = ledger::list_open_lots(&mut conn, id).await?;
    let holds = ledger::list_open_holds(&mut conn, id, ROWS_SHOWN).await?;
    let latest = ledger::list_transactions(
        &mut conn,
        ledger::HistoryOf::Wallet(id),
        &HistoryFilter::default(),
        None,
        ROWS_SHOWN,
    )
    .await?;
    let bought = PurchaseFilter { wallet_id: Some(id), ..PurchaseFilter::default() };
    let ids = purchases::ids(&mut conn, &bought, &Keyset::newest(ROWS_SHOWN)).await?;
    let bought = purchases::rows(&mut conn, &ids).await?;
    let mut page = DetailPage::new(visit.layout("Кошелёк"));
    page.facts = vec![
        ("Id", Cell::code(id)),
        ("Аккаунт", Cell::link(format!("/accounts/{}", wallet.account_id), wallet.account_id)),
        ("Установка", Cell::link(format!("/installs/{}", wallet.install_id), wallet.install_id)),
        ("Виджет", Cell::text(wallet.widget_code.clone())),
        ("Баланс", Cell::coins(wallet.available())),
        ("В резерве", Cell::coins(wallet.held())),
        ("Изменён", Cell::time(wallet.updated_at)),
    ];
    if visit.who.may::<Billing>() {
        page.acts = vec![form(id, visit.deps.clock())];
    }
    page.sections = vec![
        Section::new("Партии", lots_table(&lots), "На балансе нет монет."),
        Section::new("Открытые резервы", holds_table(&holds), "Резервов нет."),
        Section::new("Последние операции", history_table(&latest), "Операций ещё не было."),
        Section::new(
            "Покупки",
            Table::new(Purchases::HEAD, bought.iter().map(Purchases::row).collect()),
            "Покупок не было.",
        )
        .more(format!("/purchases?wallet={id}")),
    ];
    visit.page(&page)
}

fn lots_table(lots: &[Lot]) -> Table {
    let row = |lot: &Lot| {
        Row::plain(vec![
            Cell::code(lot.id),
            Cell::text(lot.origin.label()),
            Cell::coins(lot.left),
            Cell::coins(lot.granted),
            Cell::time(lot.expires_at),
            Cell::time(lot.created_at),
        ])
    };
    Table::new(
        &["Партия", "Откуда", "Осталось", "Было", "Сгорит", "Начислена"],
        lots.iter().map(row).collect(),
    )
}

fn holds_table(holds: &[HoldRow]) -> Table {
    let row = |hold: &HoldRow| {
        Row::plain(vec![
            Cell::code(hold.id),
            hold.state.cell(),
            Cell::coins(hold.amount),
            Cell::coins(hold.captured),
            Cell::time(hold.expires_at),
        ])
    };
    Table::new(&["Резерв", "Состояние", "Сумма", "Списано", "Истечёт"], holds.iter().map(row).collect())
}

fn history_table(latest: &[TransactionRow]) -> Table {
    let row = |transaction: &TransactionRow| {
        let why = transaction.details.as_ref().map(|details| Cell::json(&details.to_string()));
        Row::plain(vec![
            Cell::time(transaction.at),
            Cell::text(transaction.kind.label()),
            Cell::coins(transaction.available),
            Cell::coins(transaction.held),
            Cell::maybe(transaction.reference.clone()),
            Cell::code(transaction.id),
            why.unwrap_or(Cell::Empty),
        ])
    };
    let head = ["Когда", "Вид", "Баланс", "Резерв", "Назначение", "Операция", "Почему столько"];
    Table::new(&head, latest.iter().map(row).collect())
}
