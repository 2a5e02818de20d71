//! Matching of a statement with open invoices, beside a nested loop in the same run.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use flysk_domain::SystemClock;
use flysk_domain::id::{InstallId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{
    Candidate, Inn, InvoiceIndex, InvoiceNumber, Landing, Reception, Transfer,
};

use super::machine::memory_kib;
use super::table::{Table, at_least, at_most, budgets};

/// Open invoices.
const INVOICES: i64 = 50_000;
/// Operations of the statement.
const OPERATIONS: i64 = 100_000;
/// Operations that the nested loop matches; it takes the same time for each.
const LOOPED_OPERATIONS: i64 = 2_000;
/// Firms; each has some invoices.
const FIRMS: i64 = 20_000;
/// Budgets: seconds for the whole statement, ratio to the nested loop, growth of memory while matching in MiB.
const MAX_SECONDS: f64 = 10.0;
const MIN_RATIO: f64 = 20.0;
const MAX_GROWTH_MIB: f64 = 8.0;

/// Runs the benchmark.
pub(super) async fn run() -> anyhow::Result<String> {
    tokio::task::spawn_blocking(measure).await.context("the matching panicked")?
}

/// An INN of ten digits with its check digit.
fn inn(firm: i64) -> anyhow::Result<Inn> {
    const WEIGHTS: [i64; 9] = [2, 4, 10, 3, 5, 9, 4, 6, 8];
    let digits = format!("77{firm:07}");
    let sum: i64 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| i64::from(digit - b'0') * weight).sum();
    Ok(format!("{digits}{}", sum % 11 % 10).parse()?)
}

fn invoices() -> anyhow::Result<Vec<Candidate>> {
    (1..=INVOICES)
        .map(|serial| {
            Ok(Candidate {
                id: TransferInvoiceId::generate(&SystemClock),
                number: InvoiceNumber::of_serial(serial)?,
                inn: inn(serial % FIRMS)?,
                install: InstallId::generate(&SystemClock),
                missing: sum_of(serial),
                reception: Reception::Open,
            })
        })
        .collect()
}

/// Prices repeat, as those of plans do.
fn sum_of(serial: i64) -> Kopecks {
    Kopecks(99_000 * (1 + serial % 40))
}

/// An operation: of four, two name the number, one only has payer and sum, one is of a stranger.
fn operation(number: i64) -> anyhow::Result<(Inn, Kopecks, String)> {
    let serial = 1 + number * 7_919 % INVOICES;
    let invoice = InvoiceNumber::of_serial(serial)?;
    let payer = if number % 4 == 3 { inn(FIRMS + number % 1_000)? } else { inn(serial % FIRMS)? };
    let purpose = match number % 4 {
        0 => format!("Оплата по счету № {invoice} от 30.11.2026 за услуги, НДС не облагается"),
        1 => format!("Счет {invoice}, договор 12/2026 от 01.02.2026, р/с 40702810900000000001"),
        _ => "Оплата за информационные услуги по договору, в том числе НДС 22 %".to_owned(),
    };
    Ok((payer, sum_of(serial), purpose))
}

fn measure() -> anyhow::Result<String> {
    let candidates = invoices()?;
    let mut index = InvoiceIndex::default();
    for candidate in &candidates {
        index.insert(*candidate);
    }
    let (before, began) = (resident_mib()?, Instant::now());
    let mut landed = 0_u32;
    for number in 0..OPERATIONS {
        let (payer, amount, purpose) = operation(number)?;
        let transfer = Transfer { amount, payer_inn: payer.as_str(), purpose: &purpose };
        let portions = index.land(&transfer);
        landed += u32::from(portions.iter().any(|portion| matches!(portion.landing, Landing::Invoice(_))));
    }
    let (seconds, growth) = (began.elapsed().as_secs_f64(), resident_mib()? - before);
    ensure!(landed > 0, "nothing was matched");
    let looped = nested_loop(&candidates)?;
    let (matched_per_s, looped_per_s) = (rate(OPERATIONS, seconds), rate(LOOPED_OPERATIONS, looped));
    let ratio = matched_per_s / looped_per_s;

    let mut table = Table::new(&["way", "operations", "seconds", "operations per second"]);
    table.row(vec![
        "index by number and by payer and sum".to_owned(),
        OPERATIONS.to_string(),
        format!("{seconds:.2}"),
        format!("{matched_per_s:.0}"),
    ]);
    table.row(vec![
        "nested loop".to_owned(),
        LOOPED_OPERATIONS.to_string(),
        format!("{looped:.2}"),
        format!("{looped_per_s:.0}"),
    ]);
    let mut verdicts = budgets();
    verdicts.row(vec![
        format!("{OPERATIONS} operations against {INVOICES} open invoices in less than {MAX_SECONDS} s"),
        format!("{seconds:.2} s"),
        at_most(seconds, MAX_SECONDS, "matching does not use the index"),
    ]);
    verdicts.row(vec![
        format!("at least {MIN_RATIO} × the nested loop"),
        format!("{ratio:.0} ×"),
        at_least(ratio, MIN_RATIO, "matching does not use the index"),
    ]);
    verdicts.row(vec![
        format!("memory does not grow with the statement: at most {MAX_GROWTH_MIB} MiB"),
        format!("{growth:.1} MiB"),
        at_most(growth, MAX_GROWTH_MIB, "operations are kept"),
    ]);
    Ok(format!("{landed} operations paid an invoice at once.\n\n{table}\n{verdicts}"))
}

/// The peer: looks at every invoice for each operation, the cheapest comparison first. Returns the seconds.
fn nested_loop(candidates: &[Candidate]) -> anyhow::Result<f64> {
    let texts: Vec<String> = candidates.iter().map(|candidate| candidate.number.to_string()).collect();
    let began = Instant::now();
    let mut found = 0_u32;
    for number in 0..LOOPED_OPERATIONS {
        let (payer, amount, purpose) = operation(number)?;
        let of_payer = candidates.iter().zip(&texts).filter(|(candidate, _)| candidate.inn == payer);
        let fits = |(candidate, text): &(&Candidate, &String)| {
            purpose.contains(text.as_str()) || candidate.missing == amount
        };
        found += u32::from(of_payer.filter(fits).count() > 0);
    }
    ensure!(found > 0, "the nested loop found nothing");
    Ok(began.elapsed().as_secs_f64())
}

fn rate(operations: i64, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of operations")]
    let operations = operations as f64;
    operations / seconds.max(f64::MIN_POSITIVE)
}

fn resident_mib() -> anyhow::Result<f64> {
    let kib = memory_kib(std::process::id(), "VmRSS").context("memory can be measured on Linux only")?;
    #[expect(clippy::cast_precision_loss, reason = "a size in KiB")]
    let kib = kib as f64;
    Ok(kib / 1_024.0)
}
