//! Lists sorted by a column: the heading is the link, the order stands in the address, in saved views and in exports,
//! and the page says when it cannot have it.

use sqlx::MySqlPool;

use super::exports::{download, export};
use super::harness::{Panel, Signed};
use super::pages::{fill, open, sign_in};
use crate::browser::Browser;

/// Prices of the purchases in the order of their creation, kopecks.
const PRICES: [i64; 5] = [30_000, 10_000, 30_000, 20_000, 30_000];

/// Creates purchases with these prices; returns their ids with the largest price first, the newest first of equal ones.
async fn purchases(panel: &Panel) -> Vec<String> {
    let mut bought: Vec<(i64, String)> = Vec::new();
    for price in PRICES {
        bought.push((price, panel.app.opened().await.to_string()));
        panel.app.clock.advance(chrono::Duration::seconds(1));
    }
    for (price, id) in &bought {
        let update = sqlx::query("UPDATE coin_purchases SET price_kopecks = ? WHERE id = ?");
        update.bind(price).bind(id).execute(&panel.app.pool).await.unwrap();
    }
    bought.sort();
    bought.into_iter().rev().map(|(_, id)| id).collect()
}

/// Ids of the rows of a page.
fn ids(page: &str) -> Vec<String> {
    let rows = page.split("data-href=\"/purchases/").skip(1);
    rows.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// The address of a link that a text precedes.
fn href(page: &str, before: &str) -> Option<String> {
    let rest = page.split(before).nth(1)?.split("href=\"").nth(1)?;
    Some(rest.split('"').next()?.replace("&#38;", "&"))
}

/// The heading of a column.
fn heading<'p>(page: &'p str, title: &str) -> &'p str {
    let headings = page.split("<th scope=\"col\"").skip(1).map(|th| th.split("</th>").next().unwrap());
    headings.into_iter().find(|th| th.contains(title)).unwrap()
}

/// All rows from this page on, and from its last page back.
async fn rows(signed: &Signed<'_>, first: &str) -> (Vec<String>, Vec<String>) {
    let (mut page, mut forwards) = (signed.page(first).await, Vec::new());
    loop {
        forwards.extend(ids(&page));
        let Some(next) = href(&page, "rel=\"next\"") else { break };
        page = signed.page(&next).await;
    }
    let mut backwards = Vec::new();
    loop {
        backwards = [ids(&page), backwards].concat();
        let Some(previous) = href(&page, "rel=\"prev\"") else { break };
        page = signed.page(&previous).await;
    }
    (forwards, backwards)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_heading_sorts_the_list_and_keeps_its_filter_and_columns(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let wanted = purchases(&panel).await;
    let page = signed.page("/purchases?size=2&state=awaiting&hide=3&after=pur_1").await;
    assert!(!heading(&page, "Цена").contains("aria-sort"), "{}", heading(&page, "Цена"));
    let down = href(heading(&page, "Цена"), "<a").unwrap();
    assert_eq!(down, "/purchases?size=2&state=awaiting&hide=3&sort=-amount");
    assert!(!heading(&page, "Flycoins").contains("href"), "it has no index");

    let sorted = signed.page(&down).await;
    let price = heading(&sorted, "Цена");
    assert!(price.contains("aria-sort=\"descending\"") && price.contains('↓'), "{price}");
    assert!(!heading(&sorted, "Создана").contains("aria-sort"), "the list has one order");
    assert!(
        sorted.contains("<option value=\"-amount\" selected>") && !sorted.contains(">Пакет</th>"),
        "{sorted}"
    );
    assert!(sorted.contains("Найдено: 5"), "{sorted}");
    let up = href(price, "<a").unwrap();
    assert_eq!(up, "/purchases?size=2&state=awaiting&hide=3&sort=amount");
    assert!(heading(&signed.page(&up).await, "Цена").contains("aria-sort=\"ascending\""));

    assert_eq!(rows(&signed, &down).await, (wanted.clone(), wanted.clone()));
    let opposite: Vec<String> = wanted.iter().rev().cloned().collect();
    assert_eq!(rows(&signed, &up).await, (opposite.clone(), opposite));
    // By time again.
    let mut by_time = wanted;
    by_time.sort_by(|a, b| b.cmp(a));
    let newest = href(heading(&sorted, "Создана"), "<a").unwrap();
    assert_eq!(ids(&signed.page(&newest).await), by_time[..2]);
    let oldest = href(heading(&signed.page(&newest).await, "Создана"), "<a").unwrap();
    assert_eq!(ids(&signed.page(&oldest).await), [by_time[4].clone(), by_time[3].clone()]);

    let save = [("list", "/purchases"), ("query", "sort=-amount&after=1~pur_1"), ("name", "Крупные")];
    assert_eq!(signed.act("/views/save", &save).await, "/purchases?sort=-amount");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_list_says_when_it_cannot_have_the_order_or_the_day(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let wanted = purchases(&panel).await;
    let mut by_time = wanted.clone();
    by_time.sort_by(|a, b| b.cmp(a));
    // No index has the purchases of a wallet in the order of their prices.
    let filtered = signed.page(&format!("/purchases?sort=-amount&wallet={}", panel.app.wallet)).await;
    let notice = filtered.split("id=\"order-notice\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(notice.contains("«Цена»"), "{notice}");
    assert_eq!(ids(&filtered), by_time);
    assert!(!heading(&filtered, "Цена").contains("href"));
    let dated = signed.page("/purchases?sort=-amount&day=2020-01-01").await;
    let notice = dated.split("id=\"order-notice\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(notice.contains("К дате можно перейти"), "{notice}");
    assert_eq!(ids(&dated), wanted);
    assert!(!signed.page("/purchases?sort=-amount").await.contains("order-notice"));
    let unknown = panel.get_as(&signed.cookie, "/purchases?sort=colour").await;
    assert_eq!(unknown.status().as_u16(), 422);
    assert!(unknown.text().await.unwrap().contains("Такого порядка у этого списка нет"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_export_keeps_the_order(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    let wanted = purchases(&panel).await;
    let page = signed.page("/purchases?sort=-amount&size=2").await;
    assert!(page.contains("name=\"query\" value=\"sort=-amount\""), "{page}");
    let mut opposite = wanted.clone();
    opposite.reverse();
    let mut oldest_first = wanted.clone();
    oldest_first.sort();
    for (query, order) in [("sort=-amount", wanted), ("sort=amount", opposite), ("sort=id", oldest_first)] {
        let path = export(&signed, "/purchases", query, "csv").await;
        let text = String::from_utf8(download(&signed, &path).await).unwrap();
        let places: Vec<Option<usize>> = order.iter().map(|id| text.find(id.as_str())).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{query}: {text}");
        assert_eq!(text.lines().count(), 1 + PRICES.len(), "{text}");
    }
    signed
        .refused("/export", &[("list", "/purchases"), ("query", "sort=colour"), ("reason", "x")], 422)
        .await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn headings_sort_in_a_browser_by_mouse_and_by_keyboard(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let wanted = purchases(&panel).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    sign_in(&browser, &panel).await;
    open(&browser, &panel, "/purchases").await;
    browser.click("th a[href$='sort=-amount']").await;
    browser.wait("th[aria-sort=descending] a[href$='sort=amount']").await;
    let shown = async || {
        let source = browser.client.source().await.unwrap();
        ids(&source)
    };
    assert_eq!(shown().await, wanted);
    assert!(browser.text("th[aria-sort]").await.starts_with("Цена"));
    // By the keyboard the other way round.
    browser.wait("th[aria-sort] a").await.send_keys("\u{e007}").await.unwrap();
    browser.wait("th[aria-sort=ascending] a[href$='sort=-amount']").await;
    assert_eq!(shown().await.first(), wanted.last());
    browser.is_content().await;
    // A filter changes the list without loading the page; order and headings stay.
    fill(&browser, "input[name=payment]", "1").await;
    browser.client.execute("document.activeElement.blur()", Vec::new()).await.unwrap();
    browser.wait("#empty, #order-notice").await;
    let address = browser.client.current_url().await.unwrap();
    assert!(address.query().unwrap().contains("sort=amount"), "{address}");
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
}
