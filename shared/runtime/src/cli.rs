//! The reference of a program's command line.

use clap::CommandFactory;
use clap_markdown::{MarkdownOptions, help_markdown_custom};

/// A program's part of `docs/cli.md`: its commands with their arguments and options, as Markdown under a heading with
/// the program's name. Hidden commands are left out.
pub fn reference<C: CommandFactory>() -> String {
    let options = MarkdownOptions::new()
        .title(format!("`{}`", C::command().get_name()))
        .show_table_of_contents(false)
        .show_footer(false);
    // It ends a section with an empty line, the last one too.
    format!("{}\n", help_markdown_custom::<C>(&options).trim_end())
}
