//! Properties of matching: every kopeck of a statement lands once, however its pages are repeated and ordered.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use flysk_domain::SystemClock;
use flysk_domain::id::{InstallId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{
    ACQUIRER_INN, Candidate, DailyOccurrences, Fingerprint, InvoiceIndex, InvoiceNumber, Landing, Reception,
    StatementLine, Transfer,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const FIRMS: [&str; 3] = ["7707083893", "7710140680", "500100732259"];
/// Longest purpose of a payment order; the payer's bank cuts the rest, in the middle of a number too.
const MAX_PURPOSE_CHARS: usize = 210;

/// An operation of a generated statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Operation {
    amount: i64,
    payer: &'static str,
    purpose: String,
    document: u32,
}

impl Operation {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&StatementLine {
            account: "40702810900000000001",
            booked_on: NaiveDate::MIN,
            amount: Kopecks(self.amount),
            payer_inn: self.payer,
            payer_account: "",
            document_number: &self.document.to_string(),
            purpose: &self.purpose,
        })
    }
}

fn invoices() -> impl Strategy<Value = Vec<Candidate>> {
    let reception = select(vec![Reception::Open, Reception::Open, Reception::Late, Reception::Closed]);
    let invoice = (0..2_usize, 1_i64..6, reception);
    vec(invoice, 1..8).prop_map(|invoices| {
        let numbered = invoices.into_iter().zip(1..);
        numbered
            .map(|((firm, hundreds, reception), serial)| Candidate {
                id: TransferInvoiceId::generate(&SystemClock),
                number: InvoiceNumber::of_serial(serial).unwrap(),
                inn: FIRMS[firm * 2].parse().unwrap(),
                install: InstallId::generate(&SystemClock),
                missing: Kopecks(hundreds * 100),
                reception,
            })
            .collect()
    })
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let payer = select(vec![FIRMS[0], FIRMS[0], FIRMS[2], FIRMS[1], "", "12345", ACQUIRER_INN]);
    let numbers = vec(1_i64..9, 0..3);
    let contract = prop_oneof![3 => Just(0), 1 => 180..MAX_PURPOSE_CHARS];
    let operation = (1_i64..15, payer, numbers, 0_u32..4, contract);
    let operation = operation.prop_map(|(fifties, payer, serials, document, contract)| {
        let numbers = serials.iter().map(|serial| InvoiceNumber::of_serial(*serial).unwrap().to_string());
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        let purpose = format!("{}Оплата по счету {numbers}", "д".repeat(contract));
        let purpose = purpose.chars().take(MAX_PURPOSE_CHARS).collect();
        Operation { amount: fifties * 50, payer, purpose, document }
    });
    vec(operation, 0..40)
}

/// An invoice takes the money of its firm only, whoever names its number.
fn assert_own(candidates: &[Candidate], id: TransferInvoiceId, operation: &Operation) {
    let invoice = candidates.iter().find(|candidate| candidate.id == id).unwrap();
    assert_eq!(operation.payer, invoice.inn.as_str(), "{operation:?} for {invoice:?}");
}

/// Where the kopecks of a statement are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Landed {
    invoices: BTreeMap<String, i64>,
    balances: BTreeMap<String, i64>,
    queue: i64,
    foreign: i64,
}

impl Landed {
    fn total(&self) -> i64 {
        self.invoices.values().sum::<i64>() + self.balances.values().sum::<i64>() + self.queue + self.foreign
    }
}

fn land(candidates: &[Candidate], operations: &[Operation]) -> Landed {
    let mut index = InvoiceIndex::default();
    for candidate in candidates {
        index.insert(*candidate);
    }
    let mut landed = Landed::default();
    for operation in operations {
        let transfer = Transfer {
            amount: Kopecks(operation.amount),
            payer_inn: operation.payer,
            purpose: &operation.purpose,
        };
        let portions = index.land(&transfer);
        assert_eq!(portions.iter().map(|portion| portion.kopecks.0).sum::<i64>(), operation.amount);
        for portion in portions {
            assert!(portion.kopecks.is_positive(), "{portion:?}");
            let kopecks = portion.kopecks.0;
            match portion.landing {
                Landing::Invoice(id) => {
                    assert_own(candidates, id, operation);
                    *landed.invoices.entry(id.to_string()).or_default() += kopecks;
                }
                Landing::Balance(id) => *landed.balances.entry(id.to_string()).or_default() += kopecks,
                Landing::Queue(_) => landed.queue += kopecks,
                Landing::Foreign => landed.foreign += kopecks,
            }
        }
    }
    landed
}

/// What a reading of pages stores, whatever the bank lists twice: fingerprint, occurrence and operation.
fn read(pages: &[(String, Operation)]) -> Vec<Operation> {
    let mut occurrences = DailyOccurrences::default();
    let mut stored: HashMap<(Fingerprint, u32), Operation> = HashMap::new();
    for (bank_id, operation) in pages {
        if let Some(number) = occurrences.number(operation.fingerprint(), bank_id) {
            stored.insert((operation.fingerprint(), number), operation.clone());
        }
    }
    let mut stored: Vec<_> = stored.into_iter().collect();
    stored.sort_by_key(|((fingerprint, number), _)| (fingerprint.to_string(), *number));
    stored.into_iter().map(|(_, operation)| operation).collect()
}

proptest! {
    #[test]
    fn every_kopeck_lands_once_and_no_invoice_takes_too_much(invoices in invoices(), operations in operations()) {
        let landed = land(&invoices, &operations);
        prop_assert_eq!(landed.total(), operations.iter().map(|operation| operation.amount).sum::<i64>());
        for invoice in &invoices {
            let taken = landed.invoices.get(&invoice.id.to_string()).copied().unwrap_or_default();
            prop_assert!(taken <= invoice.missing.0, "{} of {:?}", taken, invoice);
            match invoice.reception {
                Reception::Open => {}
                Reception::Late => prop_assert!(taken == 0 || taken == invoice.missing.0),
                Reception::Closed => prop_assert_eq!(taken, 0),
            }
        }
    }

    #[test]
    fn order_and_repetition_of_pages_do_not_matter(
        (listed, invoices, repeated) in (operations(), invoices()).prop_flat_map(|(operations, invoices)| {
            // Each operation has an id of the bank; some are listed again, and pages come in any order.
            let listed: Vec<_> =
                operations.into_iter().enumerate().map(|(id, operation)| (id.to_string(), operation)).collect();
            let again = proptest::sample::subsequence(listed.clone(), 0..=listed.len());
            let original = listed.clone();
            let shuffled = again.prop_map(move |again| [original.clone(), again].concat()).prop_shuffle();
            (Just(listed), Just(invoices), shuffled)
        })
    ) {
        let (once, again) = (read(&listed), read(&repeated));
        prop_assert_eq!(&once, &again);
        prop_assert_eq!(once.len(), listed.len());
        prop_assert_eq!(land(&invoices, &once), land(&invoices, &again));
    }
}
