//! The hosted page of a subscription: by HTTP, as a browser without scripts sees it, and in Chromium.

mod access;
mod browser;
mod buying;
mod changing;
mod harness;
mod seats;
mod states;
mod transfer;
