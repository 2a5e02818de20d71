//! Subscriptions, for widgets and backends. Administrators of the account buy, change and cancel; everybody sees the state.

mod backend;
mod cards;
mod changes;
mod examples;
mod invoice_views;
mod invoices;
mod own_seat;
mod payments;
mod quotes;
mod read;
mod seats;
mod views;
mod work;

pub(crate) use backend::BackendSubscriptionApi;
pub(crate) use cards::{RenewalCardApi, find_card, find_card_to_charge, unlink_found_card};
pub(crate) use changes::{SubscriptionChangesApi, Wish, fulfil};
pub(crate) use invoices::{InvoicesApi, discard_open_invoice, list_page};
pub(crate) use own_seat::{access_of_user, seat_user};
pub(crate) use payments::{PaymentInput, SubscriptionPaymentsApi, begin_payment, find_offer, find_payment};
pub(crate) use quotes::{QuotesApi, apply_found_quote, find_quote, price_change};
pub(crate) use read::{
    SubscriptionApi, find_subscription, is_known_to_keep_subscription, known_offer, known_subscription,
};
pub(crate) use seats::{BackendSeatsApi, SeatsApi, free_found_seat, list_seats};
pub(crate) use views::{PlanView, SubscriptionAccess, SubscriptionView};
pub(crate) use work::{Refusal, must_be_installed, must_have_subscription, must_sell};
