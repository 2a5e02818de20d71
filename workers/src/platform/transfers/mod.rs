//! Handlers for payment by bank transfer: sending invoices, questions to the bank, statements, ends of invoices, acts.

mod due;
mod expire;
mod fetch_document;
mod issue_act;
mod query;
mod read_statement;
mod send;
mod send_letter;
