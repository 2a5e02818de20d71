//! The portal for vendors: invitations, isolation of vendors from each other and from operators, its pages, and a real browser.

mod access;
mod api_calls;
mod deliveries;
mod harness;
mod invitations;
mod isolation;
mod own_access;
mod pages;
mod sales;
mod usage;
mod widgets;
