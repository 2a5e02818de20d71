//! Building blocks of pages: cells, tables, forms, charts, and Russian formatting.

pub(crate) mod cell;
pub(crate) mod changes;
pub(crate) mod codes;
mod delivery_errors;
pub(crate) mod detail;
pub(crate) mod form;
pub(crate) mod format;
pub(crate) mod kept;
pub(crate) mod labels;
mod layout;
pub(crate) mod sparkline;
pub(crate) mod table;

pub(crate) use cell::{Cell, Decimal, Tone};
pub(crate) use delivery_errors::delivery_error;
pub(crate) use detail::{DetailPage, Section};
pub(crate) use form::{Field, Form};
pub(crate) use kept::KeptField;
pub(crate) use labels::Labeled;
pub(crate) use layout::Layout;
pub(crate) use table::{Direction, Heading, RenderedTable, Row, Rows, SortLink, Table};
