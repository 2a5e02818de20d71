//! Lists of bulk acts and of their results. Apart from the pages of bulk acts, because these read frozen lists, to which the two belong.

mod acts;
mod results;

pub(crate) use acts::BulkActs;
pub(crate) use results::{Results, results_table};
