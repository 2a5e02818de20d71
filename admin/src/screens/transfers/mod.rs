//! Money that arrived by bank transfer and waits for a person: the list, the page of one operation, decisions.

mod acts;
mod show;

pub(super) use acts::{dismiss, give_to_invoice, put_into_balance};
pub(super) use show::{list, show};
