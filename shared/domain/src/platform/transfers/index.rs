//! Matching of operations with invoices, by number and by payer and sum.

use std::collections::HashMap;

use super::landing::{ACQUIRER_INN, Landing, Portion, QueueReason, Transfer};
use super::number::{InvoiceNumber, numbers_in_purpose};
use super::requisites::Inn;
use crate::id::{InstallId, TransferInvoiceId};
use crate::money::Kopecks;

/// Whether an invoice takes money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reception {
    /// Waits for money.
    Open,
    /// Expired: the whole sum in one payment with the invoice's number may still pay the invoice's subject.
    Late,
    /// Paid or withdrawn: further money becomes balance.
    Closed,
}

/// An invoice that an operation may pay.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Invoice that the matched money is allocated to.
    pub id: TransferInvoiceId,
    /// Number that payers name in the purpose, unique in the series of the seller.
    pub number: InvoiceNumber,
    /// INN of the firm that it was sent to.
    pub inn: Inn,
    /// Install of the firm.
    pub install: InstallId,
    /// Rest that has not arrived.
    pub missing: Kopecks,
    /// Whether it takes money.
    pub reception: Reception,
}

/// Invoices of one vendor, indexed. An operation is matched in constant time.
#[derive(Debug, Default)]
pub struct InvoiceIndex {
    invoices: Vec<Candidate>,
    by_number: HashMap<InvoiceNumber, usize>,
    /// Open invoices by payer and missing sum.
    by_sum: HashMap<(Inn, Kopecks), Vec<usize>>,
}

impl InvoiceIndex {
    /// Adds an invoice. One with a number that is known already is ignored.
    pub fn insert(&mut self, invoice: Candidate) {
        let index = self.invoices.len();
        if self.by_number.contains_key(&invoice.number) {
            return;
        }
        self.by_number.insert(invoice.number, index);
        self.invoices.push(invoice);
        self.list(index);
    }

    /// Finds an invoice by its number, as it is after the operations so far.
    pub fn find(&self, number: InvoiceNumber) -> Option<&Candidate> {
        self.by_number.get(&number).and_then(|index| self.invoices.get(*index))
    }

    /// Decides where an operation lands, and takes its money into account. The portions sum to the operation.
    pub fn land(&mut self, transfer: &Transfer<'_>) -> Vec<Portion> {
        if !transfer.amount.is_positive() {
            return Vec::new();
        }
        if transfer.payer_inn.trim() == ACQUIRER_INN {
            return vec![Portion::new(Landing::Foreign, transfer.amount)];
        }
        let inn: Option<Inn> = transfer.payer_inn.parse().ok();
        match self.named(inn, transfer) {
            Named::Nothing => self.by_firm_and_sum(inn, transfer.amount),
            Named::Others => queue(QueueReason::OtherPayer, transfer.amount),
            Named::One(index) => self.pay_named(index, transfer.amount),
            Named::Several(indexes) => self.pay_several(&indexes, transfer.amount),
        }
    }

    /// Invoices whose numbers the purpose names.
    fn named(&self, inn: Option<Inn>, transfer: &Transfer<'_>) -> Named {
        let numbers = numbers_in_purpose(transfer.purpose);
        let known = numbers.iter().filter_map(|number| self.by_number.get(number).copied());
        let (own, others): (Vec<usize>, Vec<usize>) = known
            .partition(|index| inn.is_some() && self.invoices.get(*index).map(|invoice| invoice.inn) == inn);
        match (own.as_slice(), others.as_slice()) {
            ([], []) => Named::Nothing,
            ([], _) => Named::Others,
            ([index], _) => Named::One(*index),
            _ => Named::Several(own),
        }
    }

    fn pay_named(&mut self, index: usize, amount: Kopecks) -> Vec<Portion> {
        let Some(invoice) = self.invoices.get(index).copied() else {
            return queue(QueueReason::Unknown, amount);
        };
        let taken = match invoice.reception {
            Reception::Open => amount.min(invoice.missing),
            Reception::Late if amount >= invoice.missing => invoice.missing,
            Reception::Late | Reception::Closed => Kopecks::ZERO,
        };
        self.take(index, taken);
        let rest = Kopecks(amount.0 - taken.0);
        [(Landing::Invoice(invoice.id), taken), (Landing::Balance(invoice.install), rest)]
            .into_iter()
            .filter(|(_, kopecks)| kopecks.is_positive())
            .map(|(landing, kopecks)| Portion::new(landing, kopecks))
            .collect()
    }

    /// Several invoices are paid by one operation only if it is exactly their sum.
    fn pay_several(&mut self, indexes: &[usize], amount: Kopecks) -> Vec<Portion> {
        let named: Vec<Candidate> =
            indexes.iter().filter_map(|index| self.invoices.get(*index).copied()).collect();
        let all_open = named.iter().all(|invoice| invoice.reception == Reception::Open);
        if !all_open || Kopecks::total(named.iter().map(|invoice| invoice.missing)) != Ok(amount) {
            return queue(QueueReason::SeveralNumbers, amount);
        }
        for (index, invoice) in indexes.iter().zip(&named) {
            self.take(*index, invoice.missing);
        }
        named.iter().map(|invoice| Portion::new(Landing::Invoice(invoice.id), invoice.missing)).collect()
    }

    /// Without a number, only an invoice that is the only one of the payer with this sum.
    fn by_firm_and_sum(&mut self, inn: Option<Inn>, amount: Kopecks) -> Vec<Portion> {
        let fitting = inn.and_then(|inn| self.by_sum.get(&(inn, amount)));
        match fitting.map(Vec::as_slice) {
            Some(&[index]) => self.pay_named(index, amount),
            Some([_, _, ..]) => queue(QueueReason::SeveralInvoices, amount),
            _ => queue(QueueReason::Unknown, amount),
        }
    }

    /// Takes money into account: what is paid in full takes no more.
    fn take(&mut self, index: usize, taken: Kopecks) {
        if !taken.is_positive() {
            return;
        }
        self.unlist(index);
        if let Some(invoice) = self.invoices.get_mut(index) {
            invoice.missing = Kopecks(invoice.missing.0 - taken.0);
            if !invoice.missing.is_positive() {
                invoice.reception = Reception::Closed;
            }
        }
        self.list(index);
    }

    fn list(&mut self, index: usize) {
        if let Some(invoice) = self.invoices.get(index)
            && invoice.reception == Reception::Open
        {
            self.by_sum.entry((invoice.inn, invoice.missing)).or_default().push(index);
        }
    }

    fn unlist(&mut self, index: usize) {
        let Some(invoice) = self.invoices.get(index) else { return };
        let key = (invoice.inn, invoice.missing);
        if let Some(indexes) = self.by_sum.get_mut(&key) {
            indexes.retain(|listed| *listed != index);
            if indexes.is_empty() {
                self.by_sum.remove(&key);
            }
        }
    }
}

/// Invoices that the purpose of an operation names.
enum Named {
    Nothing,
    /// Only invoices to other firms.
    Others,
    One(usize),
    Several(Vec<usize>),
}

fn queue(reason: QueueReason, amount: Kopecks) -> Vec<Portion> {
    vec![Portion::new(Landing::Queue(reason), amount)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    const FIRM: &str = "7707083893";
    const OTHER: &str = "500100732259";

    fn invoice(serial: i64, inn: &str, missing: i64) -> Candidate {
        Candidate {
            id: TransferInvoiceId::generate(&SystemClock),
            number: InvoiceNumber::of_serial(serial).unwrap(),
            inn: inn.parse().unwrap(),
            install: InstallId::generate(&SystemClock),
            missing: Kopecks(missing),
            reception: Reception::Open,
        }
    }

    fn pay<'a>(inn: &'a str, amount: i64, purpose: &'a str) -> Transfer<'a> {
        Transfer { amount: Kopecks(amount), payer_inn: inn, purpose }
    }

    fn index<const N: usize>(invoices: [Candidate; N]) -> InvoiceIndex {
        let mut index = InvoiceIndex::default();
        for invoice in invoices {
            index.insert(invoice);
        }
        index
    }

    fn portions<const N: usize>(parts: [(Landing, i64); N]) -> Vec<Portion> {
        parts.into_iter().map(|(landing, kopecks)| Portion::new(landing, Kopecks(kopecks))).collect()
    }

    #[test]
    fn number_payer_and_sum_pay_an_invoice_once() {
        let first = invoice(1, FIRM, 500);
        let mut index = index([first]);
        let paid = portions([(Landing::Invoice(first.id), 500)]);
        assert_eq!(index.land(&pay(FIRM, 500, "Счет №1000017")), paid);
        let again = portions([(Landing::Balance(first.install), 500)]);
        assert_eq!(index.land(&pay(FIRM, 500, "Счет №1000017")), again);
        // Without the number nothing waits for this sum.
        let unknown = portions([(Landing::Queue(QueueReason::Unknown), 500)]);
        assert_eq!(index.land(&pay(FIRM, 500, "Оплата")), unknown);
    }

    #[test]
    fn parts_accumulate_and_what_is_over_becomes_balance() {
        let first = invoice(1, FIRM, 500);
        let mut index = index([first]);
        let to_invoice = |kopecks| portions([(Landing::Invoice(first.id), kopecks)]);
        assert_eq!(index.land(&pay(FIRM, 200, "1000017")), to_invoice(200));
        // Without the number only what is missing now would be recognised.
        assert_eq!(index.land(&pay(FIRM, 500, "Оплата"))[0].landing, Landing::Queue(QueueReason::Unknown));
        let over = portions([(Landing::Invoice(first.id), 300), (Landing::Balance(first.install), 1)]);
        assert_eq!(index.land(&pay(FIRM, 301, "1000017")), over);
        assert_eq!(index.find(first.number).unwrap().reception, Reception::Closed);
    }

    #[test]
    fn another_firms_number_and_an_ambiguous_sum_wait_for_a_person() {
        let (first, second, third) = (invoice(1, FIRM, 500), invoice(2, FIRM, 500), invoice(3, OTHER, 700));
        let mut index = index([first, second, third]);
        let queued = |reason, kopecks| portions([(Landing::Queue(reason), kopecks)]);
        assert_eq!(index.land(&pay(OTHER, 500, "1000017")), queued(QueueReason::OtherPayer, 500));
        assert_eq!(index.land(&pay("", 500, "1000017")), queued(QueueReason::OtherPayer, 500));
        assert_eq!(index.land(&pay(FIRM, 500, "Оплата")), queued(QueueReason::SeveralInvoices, 500));
        assert_eq!(index.land(&pay(FIRM, 999, "1000017, 1000025")), queued(QueueReason::SeveralNumbers, 999));
        assert_eq!(index.land(&pay("9909123456", 700, "Invoice")), queued(QueueReason::Unknown, 700));
        // Exactly one invoice of the firm has this sum: the number may have been cut off.
        assert_eq!(
            index.land(&pay(OTHER, 700, "Оплата по сче")),
            portions([(Landing::Invoice(third.id), 700)])
        );
        let both = portions([(Landing::Invoice(first.id), 500), (Landing::Invoice(second.id), 500)]);
        assert_eq!(index.land(&pay(FIRM, 1_000, "1000017 и 1000025")), both);
    }

    #[test]
    fn late_money_pays_only_in_full_and_a_withdrawn_invoice_takes_none() {
        let late = Candidate { reception: Reception::Late, ..invoice(1, FIRM, 500) };
        let void = Candidate { reception: Reception::Closed, ..invoice(2, FIRM, 500) };
        let mut index = index([late, void]);
        let balance = |kopecks| portions([(Landing::Balance(late.install), kopecks)]);
        assert_eq!(index.land(&pay(FIRM, 499, "1000017")), balance(499));
        let over = portions([(Landing::Invoice(late.id), 500), (Landing::Balance(late.install), 100)]);
        assert_eq!(index.land(&pay(FIRM, 600, "1000017")), over);
        assert_eq!(index.land(&pay(FIRM, 500, "1000017")), balance(500));
        let of_void = portions([(Landing::Balance(void.install), 500)]);
        assert_eq!(index.land(&pay(FIRM, 500, "1000025")), of_void);
        let unknown = portions([(Landing::Queue(QueueReason::Unknown), 500)]);
        assert_eq!(index.land(&pay(FIRM, 500, "Оплата")), unknown, "neither waits for money");
    }

    #[test]
    fn sums_of_the_banks_acquiring_are_foreign() {
        let mut index = index([invoice(1, FIRM, 500)]);
        let foreign = portions([(Landing::Foreign, 500)]);
        assert_eq!(index.land(&pay(ACQUIRER_INN, 500, "Перевод по терминалу 1000017")), foreign);
        assert!(index.land(&pay(FIRM, 0, "1000017")).is_empty());
    }
}
