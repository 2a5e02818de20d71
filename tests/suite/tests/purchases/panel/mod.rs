//! The admin panel: access, signing in, lists, acts, and its pages in a real browser.

mod access;
mod act_as;
mod acts;
mod approvals;
mod audit_chain;
mod authenticator;
mod bought;
mod bulk;
mod call_audio;
mod campaigns;
mod customers;
mod erasure;
mod exports;
mod harness;
mod invoices;
mod pages;
mod passkeys;
mod payments;
mod plans;
mod quotes;
mod screens;
mod sign_in;
mod step_up;
mod subscriptions;
mod vendors;
mod widgets;
