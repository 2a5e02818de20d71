//! Texts for customers about an invoice.

use super::state::TransferInvoiceState;
use crate::money::Kopecks;

/// Name of a state in Russian; `paid` is what has arrived of the sum.
pub const fn label_ru(state: TransferInvoiceState, paid: Kopecks) -> &'static str {
    match state {
        TransferInvoiceState::Sending | TransferInvoiceState::Issued if paid.is_positive() => {
            "Оплачен частично"
        }
        TransferInvoiceState::Sending => "Готовится",
        TransferInvoiceState::Issued => "Выставлен",
        TransferInvoiceState::Paid => "Оплачен",
        TransferInvoiceState::Expired => "Просрочен",
        TransferInvoiceState::Void => "Отменён",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_told_while_the_rest_is_awaited() {
        for (state, paid, label) in [
            (TransferInvoiceState::Sending, 0, "Готовится"),
            (TransferInvoiceState::Issued, 0, "Выставлен"),
            (TransferInvoiceState::Issued, 1, "Оплачен частично"),
            (TransferInvoiceState::Paid, 1, "Оплачен"),
            (TransferInvoiceState::Void, 1, "Отменён"),
        ] {
            assert_eq!(label_ru(state, Kopecks(paid)), label);
        }
    }
}
