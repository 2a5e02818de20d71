//! End-to-end tests of the platform from the view of vendors, widgets and amoCRM: real API and handlers, a real
//! database, simulated outside services.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test panics with the reason"
)]

mod authentication;
mod backend_api;
mod bodies;
mod callback;
mod charges;
mod charging;
mod crashes;
mod cross_tenant;
mod defects;
mod dev;
mod document;
mod event_groups;
mod event_order;
mod event_replays;
mod events;
mod example_secrets;
mod examples;
mod failed_starts;
mod flycoins_guide;
mod foreign_hosts;
mod gateway;
mod gateway_bodies;
mod gateway_queue;
mod gateway_records;
mod generated_clients;
mod growth;
mod harness;
mod holds;
mod hostile_requests;
mod html_pages;
mod install_flood;
mod integrate;
mod ledger_jobs;
mod lifecycle;
mod made_up_codes;
mod memory;
mod operations;
mod paid_widget;
mod pay_links;
mod races;
mod rate_limit;
mod readiness;
mod refresh_all;
mod refusals;
mod rotation;
mod sandbox_service;
mod sdks;
mod seats;
mod secrecy;
mod settings;
mod stored_events;
mod stress;
mod subscriptions;
mod subscriptions_guide;
mod token_errors;
mod vault;
mod wallet_events;
mod wallets;
