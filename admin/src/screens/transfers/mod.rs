//! Money that arrived by bank transfer and waits for a person: the list, the page of one operation, decisions. Balances of firms.

mod acts;
mod balances;
mod list;
mod order;
mod show;

pub(super) use acts::{
    decide_in, dismiss, give_to_invoice, is_decision, leave, put_into_balance, record_returned,
};
pub(super) use balances::{
    RETURN_BALANCE, form as balance_form, return_balance, return_in, section as balance_section,
};
pub(crate) use list::Transfers;
pub(super) use list::queue_section;
pub(super) use show::show;
