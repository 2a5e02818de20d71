//! Long work of the admin panel.

mod run_bulk_act;
mod sweep_exports;
mod write_export;
