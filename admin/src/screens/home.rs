//! The start page: figures with sparklines, and what needs an operator now.

use std::collections::BTreeMap;

use askama::Template;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use flysk_domain::admin::{FIGURE_COUNT_LIMIT, Figure, FigureUnit};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_store::admin::figures::{self, DailyFigure};
use flysk_store::admin::lists::calls::CallFilter;
use flysk_store::admin::lists::discrepancies::DiscrepancyFilter;
use flysk_store::admin::lists::events::EventFilter;
use flysk_store::admin::lists::installs::InstallFilter;
use flysk_store::admin::lists::jobs::JobFilter;
use flysk_store::admin::lists::payments::PaymentFilter;
use flysk_store::admin::lists::purchases::PurchaseFilter;
use flysk_store::admin::lists::receipts::ReceiptFilter;
use flysk_store::admin::lists::subscriptions::SubscriptionFilter;
use flysk_store::jobs::JobState;
use flysk_store::platform::endpoints::{self, DownEndpoint};
use flysk_store::platform::events::EventState;
use flysk_store::platform::invoice_payments::ReceiptState;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::bank::Discrepancies;
use super::calls::Calls;
use super::events::Events;
use super::installs::Installs;
use super::jobs::Jobs;
use super::payments::Payments;
use super::purchases::Purchases;
use super::receipts::Receipts;
use super::subscriptions::Subscriptions;
use super::transfers;
use crate::http::{Fault, Support, Visit};
use crate::lists::{Keyset, List};
use crate::view::sparkline::Sparkline;
use crate::view::{Cell, Layout, Row, Section, Table, format};

/// Days of a sparkline.
const FIGURE_DAYS: u64 = 30;
/// Rows of each table.
const ROWS_SHOWN: u32 = 5;
/// Figures older than this are pointed out: workers compute them every minute.
const STALE_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Instead of a figure of a day on which nobody computed it.
const UNKNOWN: &str = "нет данных";

/// Topics of the figures, in the order of the page.
const TOPICS: [(&str, &[Figure]); 4] = [
    (
        "Деньги",
        &[
            Figure::SubscriptionRevenue,
            Figure::Conversions,
            Figure::SubscriptionRefunds,
            Figure::PaymentsInReview,
            Figure::Revenue,
            Figure::CoinsSold,
            Figure::Refunds,
            Figure::PurchasesInReview,
            Figure::CoinsSpent,
        ],
    ),
    (
        "Виджеты",
        &[
            Figure::InstallsNew,
            Figure::InstallsActive,
            Figure::InstallsReconnect,
            Figure::TrialsStarted,
            Figure::Trials,
            Figure::SubscriptionsActive,
            Figure::SubscriptionsInReview,
        ],
    ),
    ("Звонки", &[Figure::Calls, Figure::SecondsBilled, Figure::CallsFailed, Figure::CallsNoBalance]),
    ("Работа", &[Figure::JobsQueued, Figure::JobsOldest, Figure::JobsDead, Figure::EventsFailed]),
];

/// A topic with its figures.
struct Topic {
    title: &'static str,
    tiles: Vec<Tile>,
}

/// A figure with its sparkline.
struct Tile {
    label: &'static str,
    value: String,
    href: &'static str,
    is_bad: bool,
    sparkline: Sparkline,
    days: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    /// Sections with something to do.
    waiting: Vec<Section>,
    /// Those with nothing to do.
    quiet: Vec<Section>,
    topics: Vec<Topic>,
    updated: Cell,
    is_stale: bool,
}

/// `GET /`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let now = visit.deps.clock().now();
    let mut conn = visit.deps.read().await?;
    let since = now.date_naive() - Days::new(FIGURE_DAYS - 1);
    let stored = figures::list_since(&mut conn, since).await?;
    let updated = figures::last_update(&mut conn, since).await?;
    let (waiting, quiet) =
        sections(&mut conn, now).await?.into_iter().partition(|section| !section.table.rows.is_empty());
    let page = HomePage {
        layout: visit.layout("Главная"),
        waiting,
        quiet,
        topics: topics(&stored, since, now.date_naive()),
        updated: Cell::time(updated),
        is_stale: is_stale(updated, now),
    };
    visit.page(&page)
}

fn is_stale(updated: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    updated.is_none_or(|at| now - at > STALE_AFTER)
}

fn topics(stored: &[DailyFigure], since: NaiveDate, today: NaiveDate) -> Vec<Topic> {
    let by_day: BTreeMap<(Figure, NaiveDate), i64> =
        stored.iter().map(|row| ((row.figure, row.day), row.amount)).collect();
    let days: Vec<NaiveDate> = since.iter_days().take_while(|day| *day <= today).collect();
    let tile = |figure: &Figure| {
        let amount = |day: &NaiveDate| by_day.get(&(*figure, *day)).copied();
        let told =
            |amount: Option<i64>| amount.map_or_else(|| UNKNOWN.to_owned(), |amount| text(*figure, amount));
        let values: Vec<Option<i64>> = days.iter().map(amount).collect();
        let current = values.last().copied().flatten();
        Tile {
            label: figure.label(),
            value: told(current),
            href: list_of(*figure),
            is_bad: figure.is_alarming() && current.is_some_and(|current| current > 0),
            sparkline: Sparkline::of(&values),
            days: days.iter().map(|day| (day.format("%d.%m").to_string(), told(amount(day)))).collect(),
        }
    };
    let topic = |(title, figures): (&'static str, &[Figure])| {
        let tiles = figures.iter().map(&tile).collect();
        Topic { title, tiles }
    };
    TOPICS.into_iter().map(topic).collect()
}

fn text(figure: Figure, amount: i64) -> String {
    let limit = i64::from(FIGURE_COUNT_LIMIT);
    if figure.is_counted_to_limit() && amount > limit {
        return format!("{}+", format::number(limit));
    }
    match figure.unit() {
        FigureUnit::Number => format::number(amount),
        FigureUnit::Kopecks => format::roubles(Kopecks(amount)),
        FigureUnit::MicroCoins => format::coins(MicroCoins(amount)),
        FigureUnit::Seconds => format::duration_ms(amount.saturating_mul(1_000)),
    }
}

/// The list behind a figure.
const fn list_of(figure: Figure) -> &'static str {
    match figure {
        Figure::InstallsNew => "/installs",
        Figure::InstallsActive => "/installs?status=active",
        Figure::InstallsReconnect => "/installs?status=reconnect",
        // The newest come first.
        Figure::TrialsStarted | Figure::Trials => "/subscriptions?state=trialing",
        Figure::SubscriptionsActive => "/subscriptions?state=active",
        Figure::SubscriptionsInReview => "/subscriptions?review=yes",
        Figure::Conversions => "/invoices?state=paid&kind=start",
        Figure::SubscriptionRevenue | Figure::SubscriptionRefunds => "/invoices?state=paid",
        Figure::PaymentsInReview => "/payments?state=review",
        Figure::Revenue | Figure::Refunds | Figure::CoinsSold => "/purchases?state=paid",
        Figure::CoinsSpent => "/wallets",
        Figure::Calls | Figure::SecondsBilled => "/calls",
        Figure::CallsFailed => "/calls?state=failed",
        Figure::CallsNoBalance => "/calls?state=no_balance",
        Figure::EventsFailed => "/events?state=failed",
        Figure::PurchasesInReview => "/purchases?state=review",
        Figure::JobsQueued | Figure::JobsOldest => "/jobs?state=queued",
        Figure::JobsDead => "/jobs?state=dead",
    }
}

/// The newest rows of a list that match.
async fn section<L: List>(
    conn: &mut Conn,
    title: &str,
    filter: &L::Filter,
    more: &str,
    empty: &'static str,
) -> StoreResult<Section> {
    let ids = L::ids(conn, filter, &Keyset::newest(ROWS_SHOWN)).await?;
    let records = L::records(conn, &ids).await?;
    let table = Table::new(L::HEAD, records.iter().map(L::row).collect());
    Ok(Section::new(title, table, empty).more(more))
}

/// Sections that need an operator now.
async fn sections(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<Vec<Section>> {
    let mut sections = money_sections(conn).await?;
    sections.push(endpoints_section(conn, now).await?);
    sections.extend(work_sections(conn).await?);
    Ok(sections)
}

async fn money_sections(conn: &mut Conn) -> StoreResult<Vec<Section>> {
    let reviews = PurchaseFilter { state: Some(PurchaseState::Review), ..PurchaseFilter::default() };
    let payments = PaymentFilter { state: Some(AttemptState::Review), ..PaymentFilter::default() };
    let lapsed = SubscriptionFilter { needs_person: true, ..SubscriptionFilter::default() };
    let receipts = ReceiptFilter { state: Some(ReceiptState::Unclear), ..ReceiptFilter::default() };
    let refused = ReceiptFilter { is_refused: true, ..ReceiptFilter::default() };
    let (path, empty) = ("/purchases?state=review", "Проверять нечего.");
    let reviews = section::<Purchases>(conn, "Покупки на проверке", &reviews, path, empty).await?;
    let (path, empty) = ("/payments?state=review", "Проверять нечего.");
    let payments = section::<Payments>(conn, "Платежи по счетам на проверке", &payments, path, empty).await?;
    let (path, empty) = ("/subscriptions?review=yes", "Решать нечего.");
    let lapsed = section::<Subscriptions>(conn, "Подписки ждут решения", &lapsed, path, empty).await?;
    let (path, empty) = ("/receipts?state=unclear", "Все чеки ушли.");
    let receipts = section::<Receipts>(conn, "Чеки без ответа банка", &receipts, path, empty).await?;
    let (path, empty) = ("/receipts?refused=yes", "Банк не отказывал.");
    let refused = section::<Receipts>(conn, "Чеки, в которых банк отказал", &refused, path, empty).await?;
    let (filter, path, empty) = (DiscrepancyFilter::default(), "/discrepancies", "Расхождений нет.");
    let found = section::<Discrepancies>(conn, "Расхождения с банком", &filter, path, empty).await?;
    let waiting = transfers::queue_section(conn, ROWS_SHOWN).await?.more("/transfers?sort=id");
    Ok(vec![reviews, payments, waiting, lapsed, receipts, refused, found])
}

async fn work_sections(conn: &mut Conn) -> StoreResult<Vec<Section>> {
    let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    let lost = InstallFilter { status: Some(InstallStatus::Reconnect), ..InstallFilter::default() };
    let failed = EventFilter { state: Some(EventState::Failed), ..EventFilter::default() };
    let unpaid = CallFilter { state: Some(TranscriptionState::NoBalance), ..CallFilter::default() };
    let (path, empty) = ("/jobs?state=dead", "Остановленных заданий нет.");
    let dead = section::<Jobs>(conn, "Остановленные задания", &dead, path, empty).await?;
    let (path, empty) = ("/installs?status=reconnect", "Доступ есть ко всем аккаунтам.");
    let lost = section::<Installs>(conn, "Ждут переподключения", &lost, path, empty).await?;
    let (path, empty) = ("/events?state=failed", "Все события доставлены.");
    let failed = section::<Events>(conn, "Недоставленные события", &failed, path, empty).await?;
    let (path, empty) = ("/calls?state=no_balance", "Всем звонкам хватает монет.");
    let unpaid = section::<Calls>(conn, "Звонки без баланса", &unpaid, path, empty).await?;
    Ok(vec![dead, lost, failed, unpaid])
}

/// Backends of vendors that do not answer: their circuit breaker is open.
async fn endpoints_section(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<Section> {
    let down = endpoints::list_down(conn, now, ROWS_SHOWN).await?;
    let row = |endpoint: &DownEndpoint| {
        let href = format!("/events?widget={}&state=waiting", endpoint.widget_id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, &endpoint.widget_code),
                Cell::number(endpoint.failures),
                Cell::time(endpoint.open_until),
                Cell::time(endpoint.updated_at),
            ],
        )
    };
    let head = ["Виджет", "Неудач подряд", "Следующая попытка", "Последняя неудача"];
    let table = Table::new(&head, down.iter().map(row).collect());
    Ok(Section::new("Бэкенды не отвечают", table, "Все бэкенды отвечают.").more("/events?state=waiting"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_tile_with_its_days() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let of_day = |figure, day, amount| DailyFigure { figure, day: today - Days::new(day), amount };
        let stored = [
            of_day(Figure::Revenue, 0, 150_000),
            of_day(Figure::Revenue, 1, 0),
            of_day(Figure::JobsDead, 1, 7),
        ];
        let shown: Vec<Tile> = topics(&stored, today - Days::new(FIGURE_DAYS - 1), today)
            .into_iter()
            .flat_map(|topic| topic.tiles)
            .collect();
        let mut labels: Vec<&str> = shown.iter().map(|tile| tile.label).collect();
        labels.sort_unstable();
        let mut all: Vec<&str> = Figure::ALL.iter().map(|figure| figure.label()).collect();
        all.sort_unstable();
        assert_eq!(labels, all, "each figure is in one topic");
        let tile = |figure: Figure| shown.iter().find(|tile| tile.label == figure.label()).unwrap();
        let revenue = tile(Figure::Revenue);
        assert_eq!((revenue.value.replace('\u{a0}', " "), revenue.days.len()), ("1 500 ₽".to_owned(), 30));
        assert!(!revenue.is_bad && revenue.sparkline.line.is_empty(), "two days are no line");
        assert_eq!(revenue.sparkline.dots, "M96.6 30.0h0M100.0 0.0h0");
        let days: Vec<String> =
            revenue.days.iter().rev().map(|(_, amount)| amount.replace('\u{a0}', " ")).collect();
        assert_eq!(days[..3], ["1 500 ₽", "0 ₽", UNKNOWN], "nobody computed the days before");
        let dead = tile(Figure::JobsDead);
        assert_eq!((dead.value.as_str(), dead.is_bad), (UNKNOWN, false), "nobody computed that of today");
        assert_eq!(dead.sparkline.dots, "M96.6 0.0h0");
    }

    #[test]
    fn a_long_queue_is_counted_to_a_limit() {
        let shown = |amount| text(Figure::JobsQueued, amount).replace('\u{a0}', " ");
        assert_eq!((shown(10_000), shown(10_001)), ("10 000".to_owned(), "10 000+".to_owned()));
        assert_eq!(text(Figure::InstallsActive, 10_001).replace('\u{a0}', " "), "10 001");
    }

    #[test]
    fn figures_that_nobody_computes_are_pointed_out() {
        let now = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        assert!(is_stale(None, now) && is_stale(Some(now - TimeDelta::minutes(6)), now));
        assert!(!is_stale(Some(now - TimeDelta::minutes(1)), now));
    }
}
