//! Encrypted links to the hosted pages and to documents. The API hands them out; the pages of [`crate::billing_page`] open them.

mod document;
mod page;
pub(crate) mod sealing;

pub(crate) use document::{DocumentKind, DocumentTicket, document_url};
pub(crate) use page::{HostedPage, LINK_TTL_S, SignedLink, signed_link};
