//! «Оплатить по счёту»: what the pages of Flycoins and of subscriptions share. Both ask for requisites, show the issued invoice
//! and lead to its documents.

mod document;
mod form;
mod view;

pub(super) use document::download;
pub(super) use form::{FormFault, RequisitesForm, TransferFormPage};
pub(super) use view::TransferPage;
