//! Tables of the admin panel, and its lists over the tables of the product.

pub mod act_as;
pub mod audit;
pub mod bulk_acts;
pub mod erasures;
pub mod exports;
pub mod figures;
pub mod job_money;
pub mod listing;
pub mod lists;
pub mod login_attempts;
pub mod operators;
pub mod passkey_challenges;
pub mod passkeys;
pub mod pending_acts;
pub mod recovery_codes;
pub mod sessions;
mod sort_column;
pub mod sorting;
pub mod views;
