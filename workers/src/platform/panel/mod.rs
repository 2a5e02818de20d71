//! Long work of the admin panel.

mod erase_customer;
mod run_bulk_act;
mod sweep_exports;
mod write_export;
